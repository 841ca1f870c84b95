"""What senders are answered, and what is on the disk then."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from molt import events, forward
from molt.alert import Alert
from molt.forwarder.intake import Intake
from molt.forwarder.outbox import Outbox
from molt.forwarder.room import Limits
from molt.forwarder.spool import Spool
from molt.forwarder.wire import LIMIT, Request, Response
from molt.listener import BODY_LIMIT
from tests.molt.forwarder.kit import alert, body

ALERTS = sorted((Path(__file__).parents[2] / "alerts").glob("*.json"))


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[Intake]:
    """Return the intake of an empty spool."""
    spool = Spool(tmp_path / "spool", Limits(100, 2**24, 30.0))
    yield Intake(spool, Outbox(spool), lambda: "")
    spool.close()


def ask(intake: Intake, method: str, path: str = "/", content: bytes = b"", **headers: str) -> Response:
    """Ask as a sender would."""
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return intake.answer(Request(method, path, message, content))


def post(intake: Intake, content: bytes, **headers: str) -> tuple[int, str]:
    """Post a body; return status and text."""
    answer = ask(intake, "POST", "/", content, **{"content_type": "application/json", **headers})
    return answer.status, answer.text


def status(intake: Intake) -> dict[str, Any]:
    """Return what it says of itself."""
    found: dict[str, Any] = json.loads(ask(intake, "GET", "/status").text)
    return found


def test_the_limit_is_that_of_the_functions() -> None:
    """What we take, they take."""
    assert BODY_LIMIT == LIMIT


@pytest.mark.parametrize("path", ALERTS, ids=lambda path: path.stem)
def test_every_shape_of_an_alert(intake: Intake, path: Path) -> None:
    """What the core reads as an alert is one here, too, with the same identity, and goes on as it is."""
    content = path.read_bytes()
    data = json.loads(content)
    kind = "application/json"
    if "specversion" in data:
        kind, data = "application/cloudevents+json", data["data"]
    assert (202, "") == post(intake, content, content_type=kind)
    waiting = intake.outbox.claim()
    assert waiting
    assert Alert.parse(data).id == waiting.id
    event = events.parse(waiting.headers, waiting.body)
    assert (data, waiting.id, forward.SOURCE, forward.TYPE) == (event.data, event.id, event.source, event.type)


def test_what_falcosidekick_was_seen_to_send(intake: Intake, shared: Path) -> None:
    """Each recorded request is taken, and its random ce-id gives way to the alert's identity."""
    lines = (shared / "alerts" / "falcosidekick_requests.jsonl").read_text(encoding="utf-8").splitlines()
    recorded = [json.loads(line) for line in lines]
    for request in recorded:
        message = Message()
        for name, value in request["headers"]:
            message[name] = value
        assert 202 == intake.answer(Request("POST", "/", message, request["body"].encode())).status
    intake.spool.end_windows()
    sent = []
    while waiting := intake.outbox.claim():
        sent.append(waiting.id)
        intake.outbox.sent(waiting)
    identities = {json.loads(request["body"])["uuid"] for request in recorded}
    assert set(sent) <= identities
    assert len(recorded) == status(intake)["received"]
    assert len(sent) == len(set(sent))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"junk \x1b[31m", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[" * 1000, "nested too deep"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"a": NaN}', "NaN is no JSON value"),
        (b'{"rule": "R"}', "priority: "),
        (b'{"rule": "R", "priority": null}', "priority: "),
        (b'{"rule": "<NA>", "priority": "Notice"}', "rule: missing"),
        (b'{"rule": 1, "priority": "Notice"}', "rule: not a string"),
        (b'{"log": {"rule": "R", "priority": "Notice"}}', "rule: missing, but log seems to hold an alert"),
    ],
)
def test_what_is_no_alert_is_refused_and_kept(
    intake: Intake, content: bytes, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sender is told why, the log too, and Falco, which does not listen, loses nothing."""
    code, text = post(intake, content)
    assert (400, True) == (code, reason in text)
    (line,) = capsys.readouterr().out.splitlines()
    assert ("refused", text, content.decode(errors="replace")) == tuple(
        json.loads(line)[name] for name in ("outcome", "reason", "letter")
    )
    (kept,) = json.loads(ask(intake, "GET", "/rejected").text)
    assert text == kept["reason"]
    assert (0, 1, 0) == tuple(status(intake)[name] for name in ("received", "keptAside", "waiting"))


def test_an_event_that_would_be_too_large_for_the_broker_is_kept_aside(intake: Intake) -> None:
    """Numbers may be longer when they are written again."""
    numbers = b"1e9," * 250_000
    content = body("1")[:-1] + b', "n": [' + numbers + b"1]}"
    assert len(content) < LIMIT
    code, text = post(intake, content)
    assert (400, True) == (code, "more than 1048576" in text)
    assert 1 == status(intake)["keptAside"]


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"ce_specversion": "1.0", "ce_id": "1", "ce_source": "s", "ce_type": "other"}, b"{}"),
        ({"ce_specversion": "1.0", "ce_id": "1", "ce_source": "s"}, body("1")),
        ({"content_type": "application/cloudevents-batch+json"}, b"[]"),
        ({"content_type": "application/cloudevents+json"}, b"{}"),
    ],
)
def test_cloudevents_that_are_no_alerts(
    intake: Intake, headers: dict[str, str], content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not of Falco's type is not ours to pass on: it is kept aside, as Falcosidekick does not listen either."""
    code, text = post(intake, content, **headers)
    assert 400 == code
    (line,) = capsys.readouterr().out.splitlines()
    assert ("refused", text, content.decode()) == tuple(
        json.loads(line)[name] for name in ("outcome", "reason", "letter")
    )
    (kept,) = json.loads(ask(intake, "GET", "/rejected").text)
    assert (text, content.decode()) == (kept["reason"], kept["body"])
    assert (0, 1, 1) == tuple(status(intake)[name] for name in ("received", "rejected", "keptAside"))


def test_what_is_refused_and_not_kept_leaves_its_beginning_in_the_log(
    intake: Intake, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody sends it again: who looks for an alert that is missing sees that it was here, and why it went."""
    intake.draining = True
    content = body("1", note="\x1b[31m" + "x" * 5000)
    assert 503 == post(intake, content)[0]
    (line,) = capsys.readouterr().out.splitlines()
    assert "\x1b" not in line
    assert ("draining", 503, content[:1024].decode()) == tuple(
        json.loads(line)[name] for name in ("reason", "status", "letter")
    )


def test_gzip(intake: Intake) -> None:
    """Falco's compress_uploads; a bomb is not unpacked, and what is cut, or longer, is refused."""
    assert (202, "") == post(intake, gzip.compress(body("1")), content_encoding="GZIP")
    whole = gzip.compress(body("2"))
    assert 413 == post(intake, gzip.compress(b" " * (LIMIT + 1)), content_encoding="gzip")[0]
    for content in (b"junk", whole[:-9], whole + b"x"):
        assert 400 == post(intake, content, content_encoding="gzip")[0]
    assert 3 == status(intake)["keptAside"]
    assert 415 == post(intake, b"x", content_encoding="br")[0]
    assert 202 == post(intake, body("3"), content_encoding="identity")[0]
    assert 2 == status(intake)["received"]


def test_a_token_lets_in_who_knows_it(intake: Intake, tmp_path: Path) -> None:
    """As it is in the file now; without a readable file nobody is let in, and may try again."""
    intake.token = tmp_path / "token"
    assert 503 == post(intake, body("1"), authorization="Bearer secret")[0]
    assert 503 == getattr(intake.stranger(Message()), "status", None)
    intake.token.write_text("secret\n")
    for wrong in ("", "Bearer", "Bearer other", "Basic secret", "Bearer sécret"):
        assert 401 == post(intake, body("1"), authorization=wrong)[0]
    assert 202 == post(intake, body("1"), authorization="bearer secret")[0]
    for text, refused in (("Bearer other", 401), ("Bearer secret", None)):
        headers = Message()
        headers["authorization"] = text
        assert refused == ((found := intake.stranger(headers)) and found.status)
    for path, expected in (
        ("/status", 401),
        ("/metrics", 401),
        ("/rejected", 401),
        ("/healthz", 200),
        ("/readyz", 200),
    ):
        assert expected == ask(intake, "GET", path).status
        assert 200 == ask(intake, "GET", path, authorization="Bearer secret").status


def test_other_paths_methods_and_senders(intake: Intake) -> None:
    """Each is told what is known; a web page is not let in."""
    assert [405, 405, 405, 404, 404, 403] == [
        ask(intake, "GET").status,
        ask(intake, "PUT").status,
        ask(intake, "DELETE", "/status").status,
        ask(intake, "GET", "/nothing").status,
        ask(intake, "POST", "/status").status,
        ask(intake, "POST", content=body("1"), origin="http://evil").status,
    ]
    assert 202 == ask(intake, "POST", "/?token=x", body("1")).status


def test_probes(intake: Intake) -> None:
    """Alive is who answers; ready is who takes alerts."""
    assert [200, 200] == [ask(intake, "GET", path).status for path in ("/healthz", "/readyz")]
    intake.draining = True
    assert [(200, "ok"), (503, "draining")] == [
        (answer.status, answer.text) for answer in (ask(intake, "GET", path) for path in ("/healthz", "/readyz"))
    ]
    assert (503, "draining") == post(intake, body("1"))
    assert "5" == ask(intake, "POST", content=body("1")).headers["Retry-After"]
    assert status(intake)["draining"]


def test_a_full_spool_pushes_back(tmp_path: Path) -> None:
    """429 for what is not more urgent than all that waits, and the probe says it; what is more urgent gets in."""
    spool = Spool(tmp_path / "other", Limits(1, 2**24, 0.0))
    intake = Intake(spool, Outbox(spool), lambda: "dead")
    assert 202 == post(intake, body("1", priority="Notice"))[0]
    assert (503, "full") == ((answer := ask(intake, "GET", "/readyz")).status, answer.text)
    refused = ask(intake, "POST", content=body("2", priority="Notice"))
    assert (429, "5") == (refused.status, refused.headers["Retry-After"])
    assert 202 == post(intake, body("3", priority="Critical"))[0]
    assert (1, "dead") == (status(intake)["dropped"], status(intake)["trouble"])
    spool.close()
    assert 503 == post(intake, body("4"))[0]


def test_prometheus_reads_the_status(tmp_path: Path) -> None:
    """Each total and each gauge with its type, as numbers; a spool that was opened again goes on counting."""
    spool = Spool(tmp_path / "other", Limits(100, 2**24, 30.0))
    intake = Intake(spool, Outbox(spool), lambda: "dead")
    assert 202 == post(intake, body("1"))[0]
    assert 202 == post(intake, body("1"))[0]
    assert 400 == post(intake, b"junk")[0]
    answer = ask(intake, "GET", "/metrics")
    assert (200, "text/plain; version=0.0.4; charset=utf-8") == (answer.status, answer.kind)
    lines = answer.text.splitlines()
    said = dict(line.split(" ") for line in lines if not line.startswith("#"))
    wanted = {"received_total": 2, "again_total": 1, "rejected_total": 1, "waiting": 1, "broker_trouble": 1, "full": 0}
    assert wanted == {name: float(said[f"molt_forwarder_{name}"]) for name in wanted}
    assert {f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}" for name in said} == {
        line for line in lines if line.startswith("# TYPE")
    }
    assert len(status(intake)) == len(said)
    spool.close()


def test_the_status_says_what_waits(intake: Intake) -> None:
    """All numbers that somebody at 3 a.m. asks for."""
    post(intake, json.dumps(alert("1")).encode())
    found = status(intake)
    age = found.pop("oldestWaitingSeconds")
    assert age >= 0
    assert found.pop("bytes") > 0
    assert {
        "received": 1,
        "again": 0,
        "repeats": 0,
        "sent": 0,
        "dropped": 0,
        "rejected": 0,
        "forgotten": 0,
        "waiting": 1,
        "keptAside": 0,
        "full": False,
        "draining": False,
        "trouble": None,
    } == found
