"""The Event that tells of a refused event: of whom, why, how often, and what a flood of forgeries comes to."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path

import pytest

from dead_letter.handler import handler
from dead_letter.refusal import GATED, refusal
from molt import seal
from molt.cluster import EVENTS
from molt.cluster.errors import Forbidden
from molt.events import Event
from molt.outcome import DeadLettered
from tests.functions.fake_cluster import FakeClock, FakeCluster

FUNCTIONS = Path(__file__).resolve().parents[3] / "functions"


def refused(function: str, reason: str, *, code: str = "403", dest: str = "", event: str = "e1") -> Event:
    """Return an event as the dead letter gets it after a function has refused it."""
    where = dest or f"http://{function}.molt.svc.cluster.local"
    said = base64.b64encode(f"{reason}\n".encode()).decode()
    extensions = {"knativeerrorcode": code, "knativeerrordata": said, "knativeerrordest": where}
    return Event(event, "/somebody", "io.molt-project.x.v1", {}, subject="shop/pod/web-1", extensions=extensions)


def left(cluster: FakeCluster) -> list[dict[str, object]]:
    """Return the Events in molt's namespace."""
    return [dict(one) for one in cluster.list(EVENTS, "molt")]


def test_one_who_looks_at_the_functions_sees_it() -> None:
    """A Warning on the Knative Service of the function, with the event, the sender that it names, and the reason."""
    clock = FakeClock()
    cluster = FakeCluster(clock)
    event = refused("evidence", seal.UNSIGNED)
    assert isinstance(handler()(event, cluster, clock), DeadLettered)
    (told,) = left(cluster)
    assert {
        "type": "Warning",
        "reason": "MoltEventRefused",
        "note": "evidence has refused event 'e1' from '/somebody' about 'shop/pod/web-1': it has no signature",
        "regarding": {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "namespace": "molt",
            "name": "evidence",
        },
    }.items() <= told.items()


def asked(cluster: FakeCluster) -> int:
    """Return how many calls there were about Events."""
    return sum(one.resource == "events" for one in cluster.requests)


def test_a_flood_makes_one_event_for_each_function_and_reason() -> None:
    """A thousand forgeries are one call, and another ten minutes later: that the Event is there is no error."""
    clock = FakeClock()
    cluster = FakeCluster(clock)
    handle = handler()
    for number in range(1000):
        handle(refused("tag", f"{seal.FOREIGN}: 'x{number}', this is 'y'", event=f"e{number}"), cluster, clock)
    assert 1 == asked(cluster)
    handle(refused("tag", seal.ALTERED), cluster, clock)
    handle(refused("rotate", seal.ALTERED), cluster, clock)
    assert 3 == asked(cluster)
    clock.time += timedelta(minutes=10)
    assert isinstance(handle(refused("tag", f"{seal.FOREIGN}: 'x'"), cluster, clock), DeadLettered)
    assert 4 == asked(cluster)
    assert 3 == len(left(cluster))


def test_it_never_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """An API server that refuses it is told of in the log, and the letter is kept all the same."""
    clock = FakeClock()
    cluster = FakeCluster(clock)
    cluster.failing = {("create", "events"): Forbidden("may not")}
    assert isinstance(handler()(refused("evidence", seal.UNSIGNED), cluster, clock), DeadLettered)
    assert "evidence has refused an event: no Event: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (refused("tag", seal.EXPIRED + ": 2026"), ("tag", seal.EXPIRED)),
        (refused("", seal.UNSIGNED, dest="http://127.0.0.1:1/functions/molt/terminate"), ("terminate", seal.UNSIGNED)),
        (refused("", seal.UNSIGNED, dest="http://127.0.0.1:1/functions/molt/terminate/"), ("terminate", seal.UNSIGNED)),
        (refused("tag", seal.UNSIGNED, code="422"), None),
        (refused("tag", "RBAC: access denied"), None),
        (refused("somebody", seal.UNSIGNED), None),
        (refused("", seal.UNSIGNED, dest="http://[bad"), None),
        (refused("", seal.UNSIGNED, dest="x"), None),
        (Event("1", "/s", "t", {}), None),
    ],
)
def test_only_a_refusal_of_a_function_of_molt_counts(event: Event, expected: tuple[str, str] | None) -> None:
    """Whatever is posted to the dead letter itself, no other name and no other reason gets into an Event."""
    assert expected == refusal(event)


def test_the_functions_are_those_that_have_a_key() -> None:
    """Whoever can sign and check is in the list, and nobody else."""
    keyed = [path.parent.name for path in FUNCTIONS.glob("*/service.yaml") if "MOLT_SIGNING_KEY" in path.read_text()]
    assert sorted(GATED) == sorted(keyed)
