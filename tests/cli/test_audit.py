"""`molt audit`: where the record comes from, what is printed, and the exit code."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from molt.embedded.runtime.state import Addresses, StateFolder
from tests.cli.conftest import Molt
from tests.cli.test_accounting import line

AT = ("--at", "2026-11-24T12:00:00Z")


def test_standard_input(molt: Molt) -> None:
    """All have a fate: one line says so, and the exit code is 0."""
    lines = line("a", fate="acted") + line("b", fate="ignored")
    done = molt("audit", "-", *AT, stdin=lines)
    assert (0, "2 received = 1 acted + 0 skipped + 1 ignored + 0 dead-lettered\n", "") == (
        done.code,
        done.out,
        done.err,
    )


def test_what_is_missing_is_named(molt: Molt, tmp_path: Path) -> None:
    """Exit code 1; of files and folders; with where each was seen last, and no control character of it."""
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "router.log").write_bytes(line("lost", outcome="done", next="evil\x1b[31m", ago=31))
    (folder / "below").mkdir()
    file = tmp_path / "other.jsonl"
    file.write_bytes(line("going", outcome="done", next="rotate", ago=2) + b"Traceback\n")
    done = molt("audit", folder, file, *AT)
    assert 1 == done.code
    assert "2 received = 0 acted + 0 skipped + 0 ignored + 0 dead-lettered + 1 under way + 1 MISSING" in done.out
    assert "Missing\n" in done.out
    assert "Under way\n" in done.out
    assert "after detect-router, on its way to rotate" in done.out
    assert "\x1b" not in done.out
    assert "1 of 3 lines are not of molt's functions, or cut off." in done.out
    patient = molt("audit", folder, file, *AT, "--patience", "2h", "--json")
    assert (0, True, []) == (patient.code, patient.json["whole"], patient.json["missing"])
    assert ["lost", "going"] == [one["alert"] for one in patient.json["underWay"]]


def test_more_than_one_end_and_no_arrival_are_told(molt: Molt) -> None:
    """They are no failure."""
    lines = line("a", "rotate", fate="dead-lettered", ago=5) + line("a", "rotate", fate="acted")
    done = molt("audit", "-", *AT, stdin=lines)
    assert 0 == done.code
    assert "dead-lettered, then acted" in done.out
    assert "Of 1 the arrival is not in the record" in done.out
    said = molt("audit", "-", *AT, "--json", stdin=lines).json
    assert ({"a": ["dead-lettered", "acted"]}, ["a"]) == (said["twice"], said["unannounced"])
    assert {"read": 2, "ticks": 0, "other": 0, "foreign": 0, "unreadable": 0} == said["lines"]


def test_a_log_that_is_not_there(molt: Molt, tmp_path: Path) -> None:
    """Exit code 3: nothing is proved."""
    done = molt("audit", tmp_path / "none.log")
    assert (3, f"molt: {tmp_path / 'none.log'}: No such file or directory\n") == (done.code, done.err)


def test_options_that_are_none(molt: Molt) -> None:
    """Exit code 2."""
    for wrong in (("--patience", "soon"), ("--at", "noon")):
        done = molt("audit", "-", *wrong)
        assert (2, True) == (done.code, "--patience is a duration" in done.err)


def test_a_runtime_that_does_not_run(molt: Molt, state: StateFolder) -> None:
    """Its logs are still there; that the broker was not asked is said, and it may never have been there at all."""
    nothing = molt("audit")
    assert (0, "0 received = 0 acted + 0 skipped + 0 ignored + 0 dead-lettered\n") == (nothing.code, nothing.out)
    state.logs.mkdir(parents=True)
    state.log("detect-router").write_bytes(line("a", fate="acted"))
    done = molt("audit")
    assert "1 received = 1 acted" in done.out
    assert "no local runtime runs" in done.err


@contextmanager
def broker(answer: bytes) -> Iterator[str]:
    """Stand for the broker of a local runtime, which tells of its events."""

    class Handler(BaseHTTPRequestHandler):
        """Answers every question so."""

        def do_GET(self) -> None:
            self.send_response(200 if self.path.startswith("/events?type=falco.rule.output.v1") else 404)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/molt/default"
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_the_brokers_record_has_and_no_log(molt: Molt, state: StateFolder) -> None:
    """An alert that it took long ago and that no function has seen is missing; one without an id goes by its event."""
    taken = [
        {"accepted": "2026-11-24T11:00:00.000+00:00", "event": {"id": "e", "data": {"alert": {"id": "lost"}}}},
        {"accepted": "2026-11-24T11:59:00.000+00:00", "event": {"id": "odd", "data_base64": "AA=="}},
    ]
    with broker(json.dumps(taken).encode()) as url, state.claim():
        state.publish(Addresses(1, url, "", "", ""))
        said = molt("audit", *AT, "--json")
    assert (1, 2) == (said.code, said.json["received"])
    where = "taken by the broker, and seen by no function"
    assert [{"alert": "lost", "where": where, "since": "2026-11-24T11:00:00Z"}] == said.json["missing"]
    assert ["odd"] == [one["alert"] for one in said.json["underWay"]]


def test_a_broker_that_cannot_be_asked(molt: Molt, state: StateFolder) -> None:
    """Exit code 3: without its record nothing is proved."""
    with broker(b"no JSON") as url, state.claim():
        state.publish(Addresses(1, url, "", "", ""))
        assert 3 == molt("audit").code
        state.publish(Addresses(1, "http://127.0.0.1:1/molt/default", "", "", ""))
        assert 3 == molt("audit").code
