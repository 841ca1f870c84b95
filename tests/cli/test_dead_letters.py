"""`molt dead-letters list|show|retry`: what is shown of hostile events, and that no event is lost on its way."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from molt import dead_letters, seal
from molt.cli.dead_letters import count
from molt.cli.resend import post, resend
from molt.cluster.resources import DEAD_LETTERS
from molt.dead_letters import NAMESPACE, DeadLetter
from molt.events import Event, parse
from molt.outcome import RefusedEvent
from tests.cli.conftest import Molt
from tests.cli.door import FakeDoor
from tests.embedded_cluster import RunningCluster, running_cluster

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def box(cluster: RunningCluster) -> Iterator[Box]:
    """Return the dead letters of the cluster, none at first and none left."""
    made = Box(cluster)
    yield made
    for name in made.names():
        cluster.admin.delete(DEAD_LETTERS, name, NAMESPACE)


class Box:
    """The dead letters of a cluster."""

    def __init__(self, cluster: RunningCluster) -> None:
        """Begin."""
        self.cluster = cluster
        self._made = 0

    def put(self, identity: str = "e1", reason: str = "422 not allowed", **data: Any) -> str:
        """Keep an event, each a minute after the one before; return its name."""
        extensions = {"remedy": "rotate", "knativeerrorcode": "422"}
        event = Event(
            id=identity, source="/molt/detect-router", type="io.molt-project.x", data=data, extensions=extensions
        )
        return self.keep(event, reason)

    def keep(self, event: Event, reason: str = "422 not allowed") -> str:
        """Keep just this event."""
        self._made += 1
        now = NOW + timedelta(minutes=self._made)
        said = {"code": "422", "destination": "http://rotate.molt.svc/", "alert": "a1"}
        obj = dead_letters.render(event, reason, **said, now=now)
        return str(self.cluster.admin.create(DEAD_LETTERS, obj, NAMESPACE)["metadata"]["name"])

    def names(self) -> list[str]:
        """Return the names of all that are kept."""
        return [obj["metadata"]["name"] for obj in self.cluster.admin.list(DEAD_LETTERS, NAMESPACE)]

    def letters(self) -> list[DeadLetter]:
        """Return all that are kept."""
        return [DeadLetter.parse(obj) for obj in self.cluster.admin.list(DEAD_LETTERS, NAMESPACE)]


def _as_it_is(event: Event) -> Event:
    return event


def events(door: FakeDoor) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Return id, remedy and data of what the broker got."""
    return [(headers["ce-id"], headers.get("ce-remedy", ""), data) for _, headers, data in door.got]


def test_there_are_none(molt: Molt, context: str, box: Box) -> None:
    """It is said."""
    assert [] == box.names()
    assert "No dead letters are kept.\n" == molt("dead-letters", "list", "--context", context).out
    assert [] == molt("dead-letters", "list", "--context", context, "--json").json


def test_status_tells_of_them(molt: Molt, context: str, box: Box) -> None:
    """How many there are, and where to look; nothing when there are none."""
    assert 0 == molt("status", "--context", context, "--json").json["deadLetters"]
    assert "Dead letters" not in molt("status", "--context", context).out
    box.put("e1")
    box.put("e2")
    assert 2 == molt("status", "--context", context, "--json").json["deadLetters"]
    assert (
        "Dead letters: 2. What could not be done, and why: molt dead-letters list"
        in molt("status", "--context", context).out
    )


def test_an_older_installation_has_none() -> None:
    """It does not know the kind."""
    with running_cluster(controllers=False) as bare:
        assert 0 == count(bare.admin)


def test_the_list_has_the_oldest_first(molt: Molt, context: str, box: Box) -> None:
    """Who refused it, why, and whether it can be sent again; no control character of it reaches the terminal."""
    first = box.put("e1", "422 \x1b[31mnot allowed")
    second = box.keep(Event(id="e0", source="/s", type="t", data={"refused": "id: missing", "body": "x"}))
    listed = molt("dead-letters", "list", "--context", context)
    lines = [line for line in listed.out.splitlines() if "rotate-" in line]
    assert [first, second] == [line.split()[0] for line in lines]
    assert "\x1b" not in listed.out
    assert ["yes", "no"] == [line.split()[-1] for line in lines]
    found = molt("dead-letters", "list", "--context", context, "--json").json
    assert [("rotate", "422", "a1"), ("rotate", "422", "a1")] == [
        (one["function"], one["code"], one["alert"]) for one in found
    ]
    assert "uid" not in found[0]


def test_one_is_shown_whole(molt: Molt, context: str, box: Box) -> None:
    """By the beginning of its name; attributes, extensions and data, each line of it printable."""
    name = box.put(command="rm -rf / \x1b[2J")
    shown = molt("dead-letters", "show", name[:10], "--context", context)
    assert 0 == shown.code
    for text in (name, "422 not allowed", "It can be sent again", "/molt/detect-router", "remedy", "rm -rf"):
        assert text in shown.out
    assert "\x1b" not in shown.out
    assert "knativeerrorcode" not in shown.out
    whole = molt("dead-letters", "show", name, "--context", context, "--json").json
    assert {"command": "rm -rf / \x1b[2J"} == DeadLetter(**whole).to_send().data


def test_one_that_came_again_and_cannot_be_sent(molt: Molt, context: str, box: Box) -> None:
    """Both times are shown, why it cannot be sent, and its text as it is."""
    name = box.keep(Event(id="e0", source="/s", type="t", data={"refused": "no JSON", "body": "<html>"}))
    box.cluster.admin.merge(DEAD_LETTERS, name, {"spec": {"last": "2026-11-25T00:00:00Z"}}, NAMESPACE)
    shown = molt("dead-letters", "show", name, "--context", context).out
    assert "since 2026-11-24T12:01:00Z, again 2026-11-25T00:00:00Z" in shown
    assert "It cannot be sent again: no function could read it: no JSON" in shown
    assert "<html>" in shown


@pytest.mark.parametrize(("start", "said"), [("rotate", "2 dead letters"), ("none", "no dead letters")])
def test_a_name_that_is_not_just_ones(molt: Molt, context: str, box: Box, start: str, said: str) -> None:
    """Exit code 3, and nothing is sent."""
    box.put("e1")
    box.put("e2")
    for command in ("show", "retry"):
        broker = ("--broker", "http://127.0.0.1:1") if command == "retry" else ()
        ended = molt("dead-letters", command, start, "--context", context, *broker)
        assert (3, f"molt: {said} have a name that starts with {start}\n") == (ended.code, ended.err)
    assert 2 == len(box.names())


def test_retry_sends_the_event_as_it_came_and_lets_go_of_it(molt: Molt, context: str, box: Box, door: FakeDoor) -> None:
    """With its own id, to the local runtime's broker; the others stay."""
    name, other = box.put("e1", alert={"id": "a1"}), box.put("e2")
    assert context
    sent = molt("dead-letters", "retry", name, name[:-1])
    assert 0 == sent.code, sent
    assert [("e1", "rotate", {"alert": {"id": "a1"}})] == events(door)
    assert not {key for _, headers, _ in door.got for key in headers if key.startswith("ce-knative")}
    assert [other] == box.names()


def test_retry_all(molt: Molt, context: str, box: Box, door: FakeDoor) -> None:
    """The oldest first; what cannot be sent stays, and is no failure of those that can."""
    box.put("e2")
    box.put("e1")
    stays = box.keep(Event(id="e0", source="/s", type="t", data={"refused": "no JSON", "body": "x"}))
    sent = molt("dead-letters", "retry", "--all", "--context", context, "--broker", door.url("molt/default"), "--json")
    assert (0, [True, True]) == (sent.code, [one["sent"] for one in sent.json])
    assert ["e2", "e1"] == [identity for identity, _, _ in events(door)]
    assert ["/molt/default"] * 2 == [path for path, _, _ in door.got]
    assert [stays] == box.names()
    nothing = molt("dead-letters", "retry", "--all")
    assert (0, "There is nothing to send again.\n") == (nothing.code, nothing.out)


def test_what_the_broker_does_not_take_stays(molt: Molt, context: str, box: Box, door: FakeDoor) -> None:
    """Exit code 1, the answer is shown, and the next is sent all the same."""
    refused, taken = box.put("e1", status=503), box.put("e2")
    assert context
    sent = molt("dead-letters", "retry", refused, taken)
    assert (1, ["e1", "e2"]) == (sent.code, [identity for identity, _, _ in events(door)])
    assert "the broker answered 503: no [31m" in " ".join(sent.out.split())
    assert "\x1b" not in sent.out
    assert [refused] == box.names()


def test_a_broker_that_is_away(molt: Molt, context: str, box: Box) -> None:
    """Nothing is lost."""
    name = box.put()
    sent = molt("dead-letters", "retry", name, "--context", context, "--broker", "http://127.0.0.1:1/", "--json")
    assert (1, False) == (sent.code, sent.json[0]["sent"])
    assert sent.json[0]["reason"].startswith("http://127.0.0.1:1/: ")
    assert [name] == box.names()


def test_by_name_what_cannot_be_sent_is_a_failure(molt: Molt, context: str, box: Box, door: FakeDoor) -> None:
    """Whoever names it wants it sent."""
    name = box.keep(Event(id="e0", source="/s", type="t", data={"refused": "no JSON", "body": "x"}))
    sent = molt("dead-letters", "retry", name, "--context", context, "--broker", door.url(""), "--json")
    assert (1, "it cannot be sent again: no function could read it: no JSON") == (sent.code, sent.json[0]["reason"])
    assert ([], [name]) == (door.got, box.names())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name dead letters, or say --all"),
        (("x", "--all"), "name dead letters, or say --all"),
        (("--all", "--refused"), "--refused needs names"),
        (("x", "--context", "molt"), "--context needs --broker"),
    ],
)
def test_a_command_that_is_not_clear(molt: Molt, context: str, arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2, and what to say instead."""
    assert context
    ended = molt("dead-letters", "retry", *arguments)
    assert 2 == ended.code
    assert said in ended.err


def test_one_that_dies_again_meanwhile_stays(cluster: RunningCluster, box: Box, door: FakeDoor) -> None:
    """Between the sending and the deleting its event came back: what is deleted is only what was read."""
    name = box.put()
    (letter,) = box.letters()
    cluster.admin.merge(DEAD_LETTERS, name, {"spec": {"last": "2026-11-25T00:00:00Z"}}, NAMESPACE)
    (sent,) = resend(cluster.admin, door.url("broker"), [letter], _as_it_is)
    assert (True, "it is back already: the event died again") == (sent.sent, sent.reason)
    assert [name] == box.names()


def test_two_who_send_at_the_same_time(cluster: RunningCluster, box: Box, door: FakeDoor) -> None:
    """The event goes out twice, with one id, which does no harm; neither fails."""
    box.put()
    letters = box.letters()
    assert [""] == [one.reason for one in resend(cluster.admin, door.url("broker"), letters, _as_it_is)]
    assert ["somebody else had sent it, too"] == [
        one.reason for one in resend(cluster.admin, door.url("broker"), letters, _as_it_is)
    ]
    assert ["e1", "e1"] == [identity for identity, _, _ in events(door)]


def test_killed_after_the_sending_it_is_sent_once_more(cluster: RunningCluster, box: Box, door: FakeDoor) -> None:
    """At least once: what was sent and not yet deleted is still there."""
    box.put()
    (letter,) = box.letters()
    assert "" == post(door.url("broker"), letter.to_send())
    assert ["e1"] == [identity for identity, _, _ in events(door)]
    assert [""] == [one.reason for one in resend(cluster.admin, door.url("broker"), box.letters(), _as_it_is)]
    assert [] == box.names()


def test_a_forgery_is_not_sent(cluster: RunningCluster, box: Box, door: FakeDoor) -> None:
    """It stays, with the reason."""
    name = box.put()

    def refuse(_: Event) -> Event:
        raise RefusedEvent("altered since it was signed")

    (sent,) = resend(cluster.admin, door.url("broker"), box.letters(), refuse)
    assert (False, "altered since it was signed") == (sent.sent, sent.reason)
    assert [name] == box.names()
    assert [] == events(door)


def test_who_knows_the_key_sends_it_signed_anew(
    molt: Molt, context: str, box: Box, door: FakeDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The functions take it again, a year later; who does not know the key is told."""
    settings = {seal.KEY: "k" * 32, seal.CLUSTER: "here"}
    known = seal.of(settings)
    event = Event("e1", "/molt/detect-router", "io.molt-project.x", {}, extensions={"remedy": "rotate"})
    box.keep(known.sign(event, NOW))
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    sent = molt("dead-letters", "retry", "--all", "--context", context, "--broker", door.url("molt/default"), "--json")
    assert (0, "", [True]) == (sent.code, sent.err, [one["sent"] for one in sent.json])
    ((_, headers, data),) = door.got
    known.check(parse(headers, json.dumps(data).encode()), datetime.now(UTC))
    box.put()
    for name in settings:
        monkeypatch.delenv(name)
    arguments = ("--all", "--context", context, "--broker", door.url("molt/default"), "--json")
    assert "not signed anew" in molt("dead-letters", "retry", *arguments).err


def test_what_was_refused_for_its_signature_is_signed_anew_by_name_only(
    molt: Molt, context: str, box: Box, door: FakeDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a replay: what that could not do it would do then, in a long list that nobody read."""
    settings = {seal.KEY: "k" * 32, seal.CLUSTER: "here"}
    known = seal.of(settings)
    event = Event("e1", "/molt/detect-router", "io.molt-project.x", {}, extensions={"remedy": "rotate"})
    name = box.keep(known.sign(event, NOW), f"403 {seal.EXPIRED}: 2026-11-24T13:00:00Z")
    other = box.keep(known.sign(replace(event, id="e2"), NOW), "503 no answer")
    for key, value in settings.items():
        monkeypatch.setenv(key, value)
    where = ("--context", context, "--broker", door.url("molt/default"), "--json")
    listed = molt("dead-letters", "list", "--context", context).out.splitlines()
    assert ["--refused", "yes"] == [line.split()[-1] for line in listed if "rotate-" in line]
    assert f"retry --refused {name}" in molt("dead-letters", "show", name, "--context", context).out
    sent = molt("dead-letters", "retry", "--all", *where)
    assert (0, [other]) == (sent.code, [one["name"] for one in sent.json])
    assert "1 that a function refused for their signature stay" in sent.err
    sent = molt("dead-letters", "retry", name, *where)
    assert (1, [False]) == (sent.code, [one["sent"] for one in sent.json])
    assert f"{seal.EXPIRED}: if it was yours" in sent.json[0]["reason"]
    assert [name] == box.names()
    sent = molt("dead-letters", "retry", "--refused", name, *where)
    assert (0, [True], []) == (sent.code, [one["sent"] for one in sent.json], box.names())
    assert ["e2", "e1"] == [identity for identity, _, _ in events(door)]
