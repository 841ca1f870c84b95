"""Which of two replicas goes first: one row for each rule, in the order in which the rules apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from molt.embedded.cluster.controllers.ranking import DELETION_COST, deletion_cost, victims
from tests.embedded.controllers.made import NOW, ago, names, pod

if TYPE_CHECKING:
    from molt.embedded.cluster.controllers.actions import Object

RESTARTED = {"containerStatuses": [{"restartCount": 1}, {"restartCount": 4}]}
COSTLY: dict[str, Any] = {"annotations": {DELETION_COST: "10"}}

# name: (goes first, stays longer); the second would go first by the rules that come after.
ROWS = {
    "unassigned": (pod("a", node="", phase="Pending", ready=None, **COSTLY), pod("b", phase="Pending", ready=None)),
    "pending before unknown": (pod("a", phase="Pending", **COSTLY), pod("b", phase="Unknown")),
    "unknown before running": (pod("a", phase="Unknown", **COSTLY), pod("b")),
    "not ready": (pod("a", ready=None, **COSTLY), pod("b", ready=1)),
    "lower deletion cost": (pod("a", ready=4000), pod("b", ready=1, **COSTLY)),
    "negative deletion cost": (pod("a", ready=4000, annotations={DELETION_COST: "-1"}), pod("b", ready=1)),
    "ready for less long": (pod("a", ready=1), pod("b", ready=4000, status=RESTARTED)),
    "like age: lower uid": (pod("a", ready=1001), pod("b", ready=1000)),
    "more restarts": (pod("a", status=RESTARTED, creationTimestamp=ago(4000)), pod("b", creationTimestamp=ago(1))),
    "younger": (pod("a", creationTimestamp=ago(1)), pod("b", creationTimestamp=ago(4000))),
    "like age of creation: lower uid": (pod("a", creationTimestamp=ago(1001)), pod("b", creationTimestamp=ago(1000))),
    "from the future": (pod("a", creationTimestamp=ago(-5)), pod("b", creationTimestamp=ago(4000))),
}


def _without_time(one: Object) -> Object:
    conditions = [{"type": "Ready", "status": "True"}]
    return one | {"status": one["status"] | {"conditions": conditions}}


@pytest.mark.parametrize(("first", "second"), ROWS.values(), ids=ROWS)
def test_goes_first(first: Object, second: Object) -> None:
    """The replica that Kubernetes would delete first is the victim, in whatever order the two are given."""
    for given in ([first, second], [second, first]):
        assert names([first]) == names(victims(given, [], 1, NOW))


def test_the_fuller_node_loses() -> None:
    """A replica beside others of its workload goes before one that is alone on its node, though it is older."""
    crowded, alone = pod("z", node="node-2", ready=4000), pod("a", node="node-1", ready=1)
    related = [crowded, alone, pod("other", node="node-2"), pod("gone", node="node-1", deleted=True)]
    assert ["z"] == names(victims([alone, crowded], related, 1, NOW))


def test_ready_without_a_time_goes_first() -> None:
    """A replica whose Ready condition has no time goes before one that has, in whatever order."""
    timeless, known = _without_time(pod("z")), pod("a", ready=1)
    assert ["z", "a"] == names(victims([timeless, known], [], 2, NOW))
    assert ["z", "a"] == names(victims([known, timeless], [], 2, NOW))


def test_alike_in_all() -> None:
    """Replicas that no rule tells apart keep the order in which they were given."""
    assert ["b", "a"] == names(victims([pod("b"), pod("a")], [], 2, NOW))


def test_cost_that_is_no_number() -> None:
    """A deletion cost that cannot be read counts as none."""
    assert 0 == deletion_cost(pod("a", annotations={DELETION_COST: "cheap"}))
