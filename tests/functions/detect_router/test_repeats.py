"""An attack in a loop: the first alert is routed, its repeats are ignored for two seconds, and nothing else is.

repeat          another alert of the same rule, priority, source, tags and host, in the same container of the same pod
no repeat       the same alert once more; later; of any other rule, pod, container, ...; when an expression may tell
not remembered  an alert that was not routed, or that does not name its container
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from detect_router import repeats
from detect_router.handler import handle, handler
from detect_router.policies import Policies
from detect_router.repeats import WINDOW, Repeats
from molt.outcome import Done, Ignored
from tests.functions.detect_router.world import (
    NOW,
    RULE,
    StillClock,
    World,
    alert_data,
    event,
    namespace,
    pod,
    policy,
)

REPEAT = "repeat of alert a1, routed less than 2 s ago"


class MovedClock(StillClock):
    """A clock that stands at another time."""

    def __init__(self, ahead: timedelta) -> None:
        """Stand so far from NOW."""
        self.ahead = ahead

    def now(self) -> datetime:
        """Return that time."""
        return NOW + self.ahead


def second(world: World, *, ahead: timedelta = timedelta(), fields: dict[str, Any] | None = None, **change: Any) -> Any:
    """Have the usual alert handled, and then another; return what became of that."""
    known = Repeats()
    handle(event(alert_data()), world, StillClock(), Policies(), known)
    return handle(event(alert_data(fields, **{"uuid": "a2", **change})), world, MovedClock(ahead), Policies(), known)


def shop(**spec: Any) -> World:
    return World(policy(**spec), pod(), namespace())


def test_a_repeat_is_ignored_without_a_call_and_names_what_it_repeats() -> None:
    """Whoever looks for the alert finds the one that was answered."""
    world = shop()
    assert Ignored(REPEAT) == second(world, ahead=WINDOW - timedelta(microseconds=1), output="of another process")
    assert 4 == len(world.requests)


@pytest.mark.parametrize(
    "change",
    [
        {"uuid": "a1"},
        {"ahead": WINDOW},
        {"ahead": -timedelta(seconds=1)},
        {"priority": "Critical"},
        {"tags": []},
        {"hostname": "n2"},
        {"fields": {"container.id": ""}},
        {"fields": {"k8s.pod.uid": "7d9f5c2e-aaaa-4000-8000-000000000001"}},
    ],
    ids=str,
)
def test_what_differs_is_routed(change: dict[str, Any]) -> None:
    """Also the same alert, which the broker brings again when it could not keep the answer."""
    assert isinstance(second(shop(), **change), Done)


def test_another_rule_is_decided_by_itself() -> None:
    """Although it is in the same container."""
    assert f"no policy is for the rule {'x'!r}".replace("'", '"') == second(shop(), rule="x").reason


def test_an_expression_for_the_rule_is_asked_each_time() -> None:
    """It may look at fields that the two do not have in common; one for other rules does not matter."""
    fussy = {"rules": [RULE], "expression": 'alert.fields["user.name"] == "root"'}
    elsewhere = {"rules": ["Other*"], "expression": "true"}
    others = policy("fussy", order=1, match=fussy), policy("any", order=2, match={"expression": "false"})
    for other in others:
        assert isinstance(second(World(other, policy(), pod(), namespace())), Done)
    assert Ignored(REPEAT) == second(World(policy("elsewhere", match=elsewhere), policy(), pod(), namespace()))


def test_what_was_not_routed_is_no_reason_to_ignore_the_next() -> None:
    """The policy may come between the two."""
    world = World(pod(), namespace())
    assert "no policy is for the rule" in second(world).reason
    assert 2 == len(world.requests)


def test_the_memory_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it all is forgotten: a repeat too many is routed, none too few."""
    monkeypatch.setattr(repeats, "MOST", 0)
    assert Ignored(REPEAT) == second(shop())


def test_a_process_remembers() -> None:
    """The handler that is served knows repeats, and each process has its own memory."""
    world, ours, others = shop(), handler(), handler()
    first, again = event(alert_data()), event(alert_data(uuid="a2"))
    said = [handle(each, world, StillClock()) for handle, each in ((ours, first), (ours, again), (others, again))]
    assert [Done, Ignored, Done] == [type(outcome) for outcome in said]
