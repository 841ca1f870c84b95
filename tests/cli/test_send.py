"""`molt send`, against a door that stands for the runtime's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from molt.alert import Alert
from molt.embedded.runtime.state import Addresses, StateFolder
from tests.cli.conftest import Molt
from tests.cli.door import FakeDoor

ALERT: dict[str, Any] = {
    "rule": "Web Server Spawned Shell",
    "priority": "Critical",
    "output": "o",
    "time": "2026-01-02T03:04:05Z",
    "end": {"fate": "acted", "reason": "isolated"},
}


def _ends(fate: str, reason: str = "why") -> dict[str, Any]:
    return ALERT | {"end": {"fate": fate, "reason": reason}}


def _send(molt: Molt, *arguments: object, alert: dict[str, Any] | None = None, **options: Any) -> Any:
    return molt("send", "-", *arguments, stdin=json.dumps(alert or ALERT).encode(), **options)


def test_as_falcosidekick(molt: Molt, door: FakeDoor) -> None:
    """A CloudEvent with a random id, and a uuid in the data, by which its end is found."""
    result = _send(molt, "--json")
    ((path, headers, data),) = door.got
    assert ("/broker", "falco.rule.output.v1", "Critical") == (path, headers["ce-type"], headers["ce-priority"])
    assert ALERT == {key: value for key, value in data.items() if key != "uuid"}
    assert data["uuid"] != headers["ce-id"]
    expected = {
        "alert": data["uuid"],
        "rule": ALERT["rule"],
        "fate": "acted",
        "reason": "isolated",
        "subject": "shop/pod/web-1",
    }
    assert (0, [expected], "") == (result.code, result.json, result.err)


def test_as_falco(molt: Molt, door: FakeDoor) -> None:
    """The alert as it is, at the other door; its end is found by the identity that the router gives it."""
    result = _send(molt, "--as", "falco", "--json")
    ((path, headers, data),) = door.got
    assert ("/falco", "application/json", ALERT) == (path, headers["content-type"], data)
    assert (0, [Alert.parse(ALERT).id]) == (result.code, [one["alert"] for one in result.json])


def test_what_is_no_alert_is_sent_all_the_same(molt: Molt, door: FakeDoor) -> None:
    """Its end is found by the event's id."""
    result = _send(molt, "--json", alert={"end": {"fate": "dead-lettered", "reason": "400 rule: missing"}})
    assert (1, ["400 rule: missing"]) == (result.code, [one["reason"] for one in result.json])
    assert door.got


@pytest.mark.parametrize(
    ("alert", "code", "fate"),
    [
        (_ends("acted"), 0, "acted"),
        (_ends("skipped"), 0, "skipped"),
        (_ends("ignored"), 0, "ignored"),
        (_ends("dead-lettered"), 1, "dead-lettered"),
        (ALERT | {"end": None}, 1, "pending"),
        (ALERT | {"end": None, "status": 413}, 1, "refused"),
        (ALERT | {"status": 413}, 1, "refused"),
    ],
)
def test_the_exit_code_says_whether_all_came_to_a_good_end(
    molt: Molt, door: FakeDoor, alert: dict[str, Any], code: int, fate: str
) -> None:
    """Acted, skipped and ignored are; dead-lettered, pending and refused are not."""
    result = _send(molt, "--wait", "0.2", "--json", alert=alert)
    assert (code, [fate]) == (result.code, [one["fate"] for one in result.json])
    assert len(door.got) == 1


def test_a_table_of_many(molt: Molt, door: FakeDoor) -> None:
    """One row for each; the answer of a door that refuses is shown, without its control characters."""
    many = [_ends("skipped", "already [red]there[/red]"), ALERT | {"rule": "\x1b]0;x\x07Evil", "status": 400}]
    result = molt("send", "-", stdin="\n".join(map(json.dumps, many)).encode())
    assert (1, 2) == (result.code, len(door.got))
    assert "already [red]there[/red]" in result.out
    assert "400: no [31m" in result.out
    assert "]0;x Evil" in result.out
    assert "\x1b" not in result.out


def test_an_earlier_end_of_the_same_alert_is_not_taken_for_this_ones(
    molt: Molt, door: FakeDoor, state: StateFolder
) -> None:
    """Only what the logs tell from now on counts."""
    line = {"alert": Alert.parse(ALERT).id, "fate": "acted"}
    state.log("earlier").write_text(json.dumps(line) + "\n")
    result = _send(molt, "--as", "falco", "--wait", "0", "--json", alert=ALERT | {"end": None})
    assert (1, ["pending"]) == (result.code, [one["fate"] for one in result.json])
    assert door.got


def test_a_door_at_which_nobody_is(molt: Molt, state: StateFolder) -> None:
    """Exit code 3 and one line: the runtime is just dying."""
    with state.claim():
        state.publish(Addresses(1, "http://127.0.0.1:1/x", "http://127.0.0.1:1/y", "", ""))
        result = _send(molt)
    assert (3, "", True) == (result.code, result.out, result.err.startswith("molt: http://127.0.0.1:1/x: "))


@pytest.mark.parametrize("text", [b"", b"[", b"7"])
def test_what_is_no_input_is_exit_code_2(molt: Molt, text: bytes) -> None:
    """Before anybody is asked."""
    result = molt("send", "-", stdin=text)
    assert (2, "", True) == (result.code, result.out, result.err.startswith("molt: -: "))
