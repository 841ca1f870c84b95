"""After the isolation: what leaks is on the pod, in the outcome and in an Event, and no failure undoes anything."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from molt import marks
from molt.cluster import NETWORK_POLICIES, Forbidden, NotFound, Unavailable
from molt.itinerary import Slip, Step
from molt.outcome import Done, Skipped
from quarantine.handler import handler
from quarantine.recent import Recent
from quarantine.tick import TICK
from tests.functions.fake_cluster import FakeClock, FakeCluster
from tests.functions.quarantine.standing import REPORT, fence_in
from tests.functions.slips import QUARANTINE, ROTATE, event_of, over_the_wire, slip_for

ALLOW_ALL = {
    "metadata": {"name": "allow-all", "namespace": "shop"},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]},
}
OPENED = "NetworkPolicy: allow-all lets it have ingress"
PLUGIN = "Unknown: whether the node's network plugin enforces NetworkPolicies"
TOKEN = {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}


handle = handler(recent=Recent(timedelta()))  # each test has a cluster of its own


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    """Return a cluster with one bare pod that has a token, and a policy that opens it."""
    cluster = FakeCluster(clock)
    cluster.bare_pod("solo")["spec"]["volumes"] = [TOKEN]
    cluster.put(NETWORK_POLICIES, dict(ALLOW_ALL))
    return cluster


def _handled(cluster: FakeCluster, clock: FakeClock, *rest: Step, **changes: Any) -> tuple[Done, Slip]:
    parameters = {"ifLeaky": changes.pop("if_leaky", "Keep")}
    slip = slip_for(cluster.pod("solo"), Step("quarantine", parameters), *rest, **changes)
    outcome = handle(event_of(slip), cluster, clock)
    assert isinstance(outcome, Done)
    assert outcome.event is not None
    return outcome, Slip.parse(over_the_wire(outcome.event).data)


def _warnings(cluster: FakeCluster) -> list[dict[str, Any]]:
    events = [obj for (plural, _, _), obj in cluster.objects.items() if plural == "events"]
    return [event for event in events if event["reason"] == "MoltQuarantineLeaky"]


def test_what_leaks_is_told_everywhere(cluster: FakeCluster, clock: FakeClock) -> None:
    """In the reason, the trail, the annotation, and a warning on the pod; the fence is up, so the token is no leak."""
    fence_in(cluster)
    outcome, slip = _handled(cluster, clock)
    isolated = ["get pods", "patch networkpolicies", "patch pods", "create events"]
    assert [*isolated, *REPORT, "create events"] == cluster.asked()
    assert outcome.reason.endswith("; still leaks: NetworkPolicy")
    assert [OPENED, PLUGIN] == slip.trail[0].details["leaks"]
    assert (OPENED, PLUGIN) == marks.leaks_of(cluster.pod("solo"))
    (warning,) = _warnings(cluster)
    assert ("Warning", f"{OPENED}; {PLUGIN}") == (warning["type"], warning["note"])
    assert "solo" == warning["regarding"]["name"]
    assert 1 == sum("solo" in str(obj["spec"]) for (kind, _, _), obj in cluster.objects.items() if kind == "fences")


def test_what_the_pod_said_before_it_was_isolated_does_not_count(cluster: FakeCluster, clock: FakeClock) -> None:
    """An attacker who writes beforehand that nothing leaks is fenced, and told of, all the same."""
    fence_in(cluster)
    cluster.pod("solo")["metadata"]["annotations"] = {marks.LEAKS: "[]"}
    _, slip = _handled(cluster, clock)
    assert [OPENED, PLUGIN] == slip.trail[0].details["leaks"]
    assert any("solo" in str(obj["spec"]) for (kind, _, _), obj in cluster.objects.items() if kind == "fences")


def test_a_redelivery_asks_nothing_again(cluster: FakeCluster, clock: FakeClock) -> None:
    """The pod itself says what leaks, though the policy that opened it is gone now."""
    first, _ = _handled(cluster, clock, ROTATE, if_leaky="Terminate")
    cluster.asked()
    del cluster.objects["networkpolicies", "shop", "allow-all"]
    again, _ = _handled(cluster, clock, ROTATE, if_leaky="Terminate")
    assert (first, ["get pods"]) == (again, cluster.asked())


@pytest.mark.parametrize(
    ("if_leaky", "remedies"),
    [("Keep", ["rotate"]), ("Terminate", ["terminate", "rotate"]), ("CordonNode", ["cordon", "rotate"])],
)
def test_the_policy_says_what_follows(
    cluster: FakeCluster, clock: FakeClock, if_leaky: str, remedies: list[str]
) -> None:
    """The step comes before the remaining ones, for the function whose remedy it is."""
    outcome, slip = _handled(cluster, clock, ROTATE, if_leaky=if_leaky)
    assert remedies == [step.remedy for step in slip.itinerary]
    assert outcome.event
    assert remedies[0] == outcome.event.extensions["remedy"]


def test_without_a_fence_the_token_leaks(cluster: FakeCluster, clock: FakeClock) -> None:
    """Where no policy reads the list the outcome says so."""
    _, slip = _handled(cluster, clock)
    reason = "ValidatingAdmissionPolicy molt-fence is not there"
    assert f"Token: its token may still write to the API: {reason}" in slip.trail[0].details["leaks"]


@pytest.mark.parametrize("error", [Forbidden("no"), Unavailable("no")])
@pytest.mark.parametrize(
    ("call", "finding"),
    [
        (("patch", "fences"), "Token: its token may still write to the API: no"),
        (("get", "validatingadmissionpolicies"), "Token: its token may still write to the API: no"),
        (("list", "networkpolicies"), "Unknown: other NetworkPolicies: no"),
        (("list", "pods"), "Unknown: the network plugin: no"),
        (("create", "events"), OPENED),
    ],
)
def test_a_call_that_fails_is_a_finding(
    cluster: FakeCluster, clock: FakeClock, call: tuple[str, str], finding: str, error: Exception
) -> None:
    """The pod is isolated all the same."""
    fence_in(cluster)
    cluster.failing[call] = error
    _, slip = _handled(cluster, clock)
    assert finding in slip.trail[0].details["leaks"]
    assert marks.is_compromised(cluster.pod("solo"))


def test_a_pod_that_cannot_be_annotated_is_told_of(cluster: FakeCluster, clock: FakeClock) -> None:
    """The outcome has what the pod could not be given, and a redelivery asks anew."""

    def replaced(cluster: FakeCluster) -> None:
        cluster.pod("solo")["metadata"]["uid"] = "another"

    fence_in(cluster)
    cluster.meddle = [lambda _: None, lambda _: None, replaced]
    _, slip = _handled(cluster, clock)
    assert "Unknown: the pod does not say what leaks: uid is another" == slip.trail[0].details["leaks"][-1]
    assert marks.leaks_of(cluster.pod("solo")) is None


def test_a_late_redelivery_asks_anew(cluster: FakeCluster, clock: FakeClock) -> None:
    """What was found out lately is old by then, whenever the pod was isolated."""
    handle = handler()
    event = event_of(slip_for(cluster.pod("solo"), Step("quarantine", {"ifLeaky": "Keep"})))
    handle(event, cluster, clock)
    del cluster.pod("solo")["metadata"]["annotations"][marks.LEAKS]  # as if it could not have been written
    fence_in(cluster)
    clock.sleep(60)
    outcome = handle(event, cluster, clock)
    assert isinstance(outcome, Done)
    assert outcome.event is not None
    assert [OPENED, PLUGIN] == Slip.parse(over_the_wire(outcome.event).data).trail[0].details["leaks"]


def test_a_rehearsal_finds_and_leaves_nothing(cluster: FakeCluster, clock: FakeClock) -> None:
    """It says what would leak, and what would follow."""
    fence_in(cluster)
    state = cluster.state()
    outcome, slip = _handled(cluster, clock, mode="DryRun", if_leaky="CordonNode")
    assert (True, state) == (outcome.rehearsed, cluster.state())
    assert OPENED in slip.trail[0].details["leaks"]
    assert ["cordon"] == [step.remedy for step in slip.itinerary]


def test_a_pod_without_a_node_has_no_neighbours(cluster: FakeCluster, clock: FakeClock) -> None:
    """One that is not scheduled yet runs nowhere: nothing is asked."""
    fence_in(cluster)
    del cluster.pod("solo")["spec"]["nodeName"]
    _handled(cluster, clock)
    assert "list pods" not in cluster.asked()


def test_the_note_of_the_event_is_as_short_as_the_api_wants_it(cluster: FakeCluster, clock: FakeClock) -> None:
    """Many findings of wide characters are cut at a character, in bytes."""
    volumes = [{"name": f"v{number}", "hostPath": {"path": "/" + "ü" * 300}} for number in range(30)]
    cluster.pod("solo")["spec"]["volumes"] = volumes
    _handled(cluster, clock)
    (warning,) = _warnings(cluster)
    assert 900 < len(warning["note"].encode()) <= 1000
    assert 20 == len(json.loads(cluster.pod("solo")["metadata"]["annotations"][marks.LEAKS]))


def test_a_tick_mends_the_fence(cluster: FakeCluster, clock: FakeClock) -> None:
    """What is gone goes; then there is nothing to do; without the kind there never is."""
    fence_in(cluster)
    tick = event_of(slip_for(cluster.pod("solo"), QUARANTINE), type=TICK, data={})
    _handled(cluster, clock)
    cluster.remove("solo")
    outcome = handle(tick, cluster, clock)
    assert Done(reason="the fence is mended: pods added: 0, removed: 1") == outcome
    assert Skipped("the fence is as the labels say") == handle(tick, cluster, clock)
    cluster.failing["list", "fences"] = NotFound("no such kind")
    assert Skipped("the kind Fence is not installed") == handle(tick, cluster, clock)


def test_a_tick_closes_every_namespace_that_it_can(cluster: FakeCluster, clock: FakeClock) -> None:
    """One that refuses, or is gone, holds up no other; what failed is raised in the end."""
    tick = event_of(slip_for(cluster.pod("solo"), QUARANTINE), type=TICK, data={})
    _handled(cluster, clock)
    del cluster.objects["networkpolicies", "shop", marks.ISOLATION]
    handle(tick, cluster, clock)
    assert ("networkpolicies", "shop", marks.ISOLATION) in cluster.objects
    cluster.failing["patch", "networkpolicies"] = NotFound("the namespace is gone")
    handle(tick, cluster, clock)
    cluster.failing["patch", "networkpolicies"] = Forbidden("no")
    with pytest.raises(Forbidden):
        handle(tick, cluster, clock)


def test_more_than_there_is_room_for_is_not_read(cluster: FakeCluster, clock: FakeClock) -> None:
    """A tenant's thousand large policies are a finding, and no end of the process."""
    for number in range(5):
        bloat = {"name": f"p{number}", "namespace": "shop", "annotations": {"x": "x" * 1_000_000}}
        cluster.put(NETWORK_POLICIES, {"metadata": bloat, "spec": {"podSelector": {}}})
    _, slip = _handled(cluster, clock)
    assert any(
        leak.startswith("Unknown: other NetworkPolicies: the answer has") for leak in slip.trail[0].details["leaks"]
    )
