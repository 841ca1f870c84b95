"""The alarm of an alert: whose lifetimes it shortens, since when, and that it holds up nothing.

| the alert's step                                | a policy with underAttack that selects its workload   |
|-------------------------------------------------|-------------------------------------------------------|
| in mode Enforce                                 | is under attack since the quarantine, else the alert  |
| in mode DryRun                                  | would be                                              |
| delivered again, or late, or an older alert     | is as it was                                          |
| finds the policy changed, or the server refuses | is tried again, or told of; the pods move             |

Any other policy is as it was.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from molt import marks
from molt.cluster import PODS, ROTATION_POLICIES, Forbidden
from molt.events import Event
from molt.itinerary import Entry, Slip, Step
from molt.lifetime import Keys
from molt.outcome import Done, Outcome, Skipped
from rotate import alarm
from rotate.handler import handler
from tests.functions.fake_cluster import FakeClock, FakeCluster
from tests.functions.slips import QUARANTINE, ROTATE, event_of, isolation_of, over_the_wire, slip_for

ATTACK = {"factor": 4, "for": "1h"}
ALERT, ISOLATED = "2026-11-24T11:59:58Z", "2026-11-24T12:00:00Z"
UNTIL = "under attack until 2026-11-24T12:59:58Z"
POD = Step("rotate", {"scope": "Pod"})
NODE = Step("rotate", {"scope": "Node"})
NAMESPACE = Step("rotate", {"scope": "Namespace"})
TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})

handle = handler(Keys(b"sixteen bytes or more"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    """Return a cluster whose Deployment web is twenty minutes old, with a policy that lets it live for an hour."""
    clock.time -= timedelta(minutes=20)
    cluster = FakeCluster(clock)
    cluster.namespace()
    cluster.deployment()
    cluster._mature()
    clock.time += timedelta(minutes=20)
    cluster.policy(underAttack=ATTACK)
    return cluster


def _event(cluster: FakeCluster, *steps: Step, **more: Any) -> Event:
    return event_of(slip_for(cluster.pods()[0], *(steps or (ROTATE,)), **more))


def _since(cluster: FakeCluster, name: str = "web", namespace: str = "shop") -> str | None:
    status = cluster.objects["rotationpolicies", namespace, name].get("status") or {}
    return status.get("underAttackSince")


def _reason(outcome: Outcome) -> str:
    assert isinstance(outcome, Done | Skipped)
    return outcome.reason


def test_the_alarm_is_raised_before_the_first_pod_moves(cluster: FakeCluster, clock: FakeClock) -> None:
    """Two calls more, and the reason says until when; the hops after it raise none."""
    outcome = handle(_event(cluster), cluster, clock)
    first = ["get namespaces", "list rotationpolicies", "list pods", "patch rotationpolicies/status"]
    assert [*first, "list deployments"] == cluster.asked()[:5]
    assert _reason(outcome).endswith(f"replaced by a fresh pod; policy shop/web is {UNTIL}")
    assert ALERT == _since(cluster)
    assert isinstance(outcome, Done)
    assert outcome.event is not None
    second = handle(over_the_wire(outcome.event), cluster, clock)
    assert "attack" not in _reason(second)
    assert "list rotationpolicies" not in cluster.asked()


@pytest.mark.parametrize("order", [POD, NODE, NAMESPACE, Step("rotate", {"scope": "Workload", "strategy": "Restart"})])
def test_every_scope_and_strategy_raises_it(cluster: FakeCluster, clock: FakeClock, order: Step) -> None:
    """Whatever moves, the attacker may know the others."""
    outcome = handle(_event(cluster, order), cluster, clock)
    assert f"; policy shop/web is {UNTIL}" in _reason(outcome)
    assert ALERT == _since(cluster)


def test_it_counts_from_the_quarantine(cluster: FakeCluster, clock: FakeClock) -> None:
    """The pod in quarantine has lost its labels: what it had is what counts. Nothing is left to move, all the same."""
    cluster.objects["deployments", "shop", "web"]["spec"]["replicas"] = 1
    cluster.objects["replicasets", "shop", "web-5d9c7b"]["spec"]["replicas"] = 0
    event = _event(cluster, trail=[Entry("quarantine", "acted", "", ISOLATED)])
    pod = cluster.pods()[0]["metadata"]["name"]
    cluster.merge(PODS, pod, isolation_of(cluster.pod(pod)), "shop")
    outcome = handle(event, cluster, clock)
    assert isinstance(outcome, Skipped)
    assert outcome.reason.endswith("is left to move; policy shop/web is under attack until 2026-11-24T13:00:00Z")
    assert ISOLATED == _since(cluster)


def test_a_pod_that_nothing_replaces_raises_it_too(cluster: FakeCluster, clock: FakeClock) -> None:
    """Its neighbours are what the policy is about."""
    pod = cluster.bare_pod("solo")
    cluster.policy("solo", selector={"matchLabels": {"app": "solo"}}, underAttack=ATTACK)
    handle(event_of(slip_for(pod, ROTATE)), cluster, clock)
    assert (None, ALERT) == (_since(cluster), _since(cluster, "solo"))


def test_who_is_not_concerned_is_left(cluster: FakeCluster, clock: FakeClock) -> None:
    """Another workload's policy, another namespace's, one that asks for no alarm, and one that is invalid."""
    cluster.deployment("api", replicas=1)
    cluster.namespace("bank")
    cluster.deployment("web", replicas=1, namespace="bank")
    others = [("api", "shop", {"selector": {"matchLabels": {"app": "api"}}}), ("web", "bank", {}), ("bad", "shop", {})]
    for name, namespace, spec in others:
        cluster.policy(name, namespace, **{"underAttack": ATTACK, **spec})
    cluster.objects["rotationpolicies", "shop", "bad"]["spec"]["lifetime"] = {}
    cluster.policy("plain")
    handle(event_of(slip_for(cluster.pods()[-1], ROTATE)), cluster, clock)
    assert [None] * 4 == [_since(cluster, name, place) for name, place, _ in [*others, ("plain", "shop", {})]]
    assert ALERT == _since(cluster)


def test_scope_node_reaches_every_namespace_that_has_pods_there(cluster: FakeCluster, clock: FakeClock) -> None:
    """And no other; a node that nobody knows has none."""
    for name in ("bank", "idle"):
        cluster.namespace(name)
        cluster.policy("web", name, underAttack=ATTACK)
    cluster.deployment("web", replicas=1, namespace="bank")
    event = _event(cluster, NODE)
    event.data["target"]["node"] = "node-9"
    handle(event, cluster, clock)
    assert (None, None) == (_since(cluster), _since(cluster, "web", "bank"))
    handle(_event(cluster, NODE), cluster, clock)
    assert (ALERT, ALERT, None) == (_since(cluster), *(_since(cluster, "web", name) for name in ("bank", "idle")))


def test_a_node_that_nobody_knows_concerns_nobody(cluster: FakeCluster, clock: FakeClock) -> None:
    """The pod is gone."""
    event = _event(cluster, NODE)
    event.data["target"]["node"] = None
    event.data["target"]["name"] = "web-gone"
    assert "is not known" in _reason(handle(event, cluster, clock))
    assert _since(cluster) is None


def test_a_rehearsal_says_what_it_would_do(cluster: FakeCluster, clock: FakeClock) -> None:
    """The API server checks the patch, and nothing changes."""
    state = cluster.state()
    outcome = handle(_event(cluster, mode="DryRun"), cluster, clock)
    assert _reason(outcome).endswith(f"; policy shop/web would be {UNTIL}")
    assert "patch rotationpolicies/status" in cluster.asked()
    assert state == cluster.state()


@pytest.mark.parametrize(
    ("since", "alert", "expected"),
    [
        (None, ALERT, ALERT),
        ("2026-11-24T11:00:00Z", ALERT, ALERT),
        (ALERT, ALERT, ALERT),
        (ISOLATED, ALERT, ISOLATED),
        ("whenever", ALERT, ALERT),
        (None, "2026-11-24T11:00:00Z", None),
        (None, "2026-11-24T11:00:01Z", "2026-11-24T11:00:01Z"),
    ],
)
def test_the_latest_alert_counts(
    cluster: FakeCluster, clock: FakeClock, since: str | None, alert: str, expected: str | None
) -> None:
    """Delivered again, or after another, it changes nothing; one whose alarm would be over raises none."""
    policy = cluster.objects["rotationpolicies", "shop", "web"]
    policy["status"] = {"underAttackSince": since} if since else {}
    outcome = handle(_event(cluster, alert={"time": alert}), cluster, clock)
    assert expected == _since(cluster)
    assert (expected == alert != since) == ("under attack" in _reason(outcome))


def test_what_is_refused_is_told_and_holds_up_no_move(cluster: FakeCluster, clock: FakeClock) -> None:
    """The pods come first."""
    cluster.failing["patch", "rotationpolicies/status"] = Forbidden("not allowed")
    outcome = handle(_event(cluster), cluster, clock)
    assert isinstance(outcome, Done)
    assert outcome.reason.endswith("replaced by a fresh pod; policy shop/web is not put under attack: not allowed")


def _touch(cluster: FakeCluster) -> None:
    cluster.put(ROTATION_POLICIES, cluster.objects["rotationpolicies", "shop", "web"])


def _attack(cluster: FakeCluster) -> None:
    cluster.objects["rotationpolicies", "shop", "web"]["status"] = {"underAttackSince": ISOLATED}
    _touch(cluster)


def _calm(cluster: FakeCluster) -> None:
    del cluster.objects["rotationpolicies", "shop", "web"]["spec"]["underAttack"]
    _touch(cluster)


def _replace(cluster: FakeCluster) -> None:
    cluster.objects["rotationpolicies", "shop", "web"]["metadata"]["uid"] = "another"
    del cluster.objects["rotationpolicies", "shop", "web"]["spec"]["lifetime"]


@pytest.mark.parametrize(
    ("meddle", "since", "said"),
    [
        ([_touch], ALERT, f"policy shop/web is {UNTIL}"),
        ([_attack], ISOLATED, "replaced by a fresh pod"),
        ([_calm], None, "replaced by a fresh pod"),
        ([_replace], None, "replaced by a fresh pod"),
        (
            [_touch] * alarm.ATTEMPTS,
            None,
            "policy shop/web is not put under attack: it changed under each of 4 attempts",
        ),
    ],
)
def test_a_policy_that_changes_meanwhile_is_read_again(
    cluster: FakeCluster, clock: FakeClock, meddle: Any, since: str | None, said: str
) -> None:
    """A tick writes its status, another alert is later, somebody takes underAttack off it, or replaces it."""
    cluster.meddle = list(meddle)
    outcome = handle(_event(cluster), cluster, clock)
    assert (since, True) == (_since(cluster), _reason(outcome).endswith(said))


def test_many_policies_are_counted(cluster: FakeCluster, clock: FakeClock) -> None:
    """A reason has an end."""
    for number in range(6):
        cluster.policy(f"more-{number}", underAttack=ATTACK)
    outcome = handle(_event(cluster), cluster, clock)
    assert _reason(outcome).endswith(f"policy shop/more-4 is {UNTIL}; and 2 more policies")
    assert {ALERT} == {_since(cluster, f"more-{number}") for number in range(6)}


def test_ticks_move_what_the_alarm_makes_due(cluster: FakeCluster, clock: FakeClock) -> None:
    """Twenty minutes old, of an hour's lifetime by a factor of 4: due at once. The tick's status keeps the alarm."""
    assert "nothing is due" == _reason(handle(TICK, cluster, clock))
    event = _event(cluster, Step("rotate", {"scope": "Pod"}), QUARANTINE)
    handle(event, cluster, clock)
    for _ in range(2):
        assert "1 acted" == _reason(handle(TICK, cluster, clock))
    assert "nothing is due" == _reason(handle(TICK, cluster, clock)), "all are fresh"
    assert ALERT == _since(cluster)
    status = cluster.objects["rotationpolicies", "shop", "web"]["status"]
    assert status["nextRotation"] < "2026-11-24T12:40:00Z", "the fresh ones live shorter, too"
    assert 3 == status["managed"]


def test_windows_and_min_age_hold_in_an_alarm(cluster: FakeCluster, clock: FakeClock) -> None:
    """The clock begins no move outside of a window, and none of a pod below minAge."""
    windows = [{"cron": "0 3 * * *", "duration": "1h"}]
    for spec in ({"windows": windows}, {"minAge": "30m"}):
        cluster.policy(underAttack=ATTACK, **spec)
        cluster.objects["rotationpolicies", "shop", "web"]["status"] = {"underAttackSince": ALERT}
        assert "nothing is due" == _reason(handle(TICK, cluster, clock))


def test_a_first_hop_is_one_that_no_other_sent_back(cluster: FakeCluster, clock: FakeClock) -> None:
    """A second step of the same itinerary raises the alarm for what its own scope reaches."""
    done = Entry("rotate", "acted", "", marks.stamp(clock.now()), {"left": 0})
    handle(_event(cluster, NAMESPACE, trail=[done]), cluster, clock)
    assert _since(cluster)


def test_a_slip_that_went_round_says_so(cluster: FakeCluster, clock: FakeClock) -> None:
    """In the details of its last entry."""
    outcome = handle(_event(cluster), cluster, clock)
    assert isinstance(outcome, Done)
    assert outcome.event is not None
    assert [True] == [entry.details.get("more") for entry in Slip.parse(outcome.event.data).trail]
