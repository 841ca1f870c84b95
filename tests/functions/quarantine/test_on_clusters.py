"""quarantine and release over HTTP, with the account's own rights, on both API servers with their controllers."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest

from molt import fence, ledger, marks
from molt.cluster import EVENTS, NETWORK_POLICIES, PODS
from molt.cluster.resources import FENCES, LEDGERS
from molt.itinerary import Step
from molt.outcome import Done, Skipped, SystemClock
from molt.release import release
from quarantine.handler import handler
from quarantine.recent import Recent
from quarantine.report import LEAKY
from quarantine.tick import TICK
from tests.functions.fake_cluster import Killed
from tests.functions.installation import Installation
from tests.functions.mortal import Mortal
from tests.functions.slips import QUARANTINE, event_of, slip_for

LIMITS = {"perWorkload": "40%", "perMinute": 20}

handle = handler(recent=Recent(timedelta()))  # each test has a cluster of its own


def test_a_pod_is_isolated_replaced_and_released(here: Installation) -> None:
    """It runs on alone, the workload is whole without it, a second one is over the limit, and a release undoes it."""
    with here.account("quarantine") as cluster:
        target, second, _ = here.deployment()
        name, labels = target["metadata"]["name"], target["metadata"]["labels"]
        event = event_of(slip_for(target, QUARANTINE, limits=LIMITS))
        first = handle(event, cluster, SystemClock())
        assert isinstance(first, Done)
        here.until(here.serving, lambda pods: len(pods) == 3 and name not in {p["metadata"]["name"] for p in pods})
        isolated = here.admin.get(PODS, name, here.namespace)
        assert {marks.COMPROMISED: "true"} == isolated["metadata"]["labels"]
        assert (target["metadata"]["uid"], "Running") == (isolated["metadata"]["uid"], isolated["status"]["phase"])
        assert ["Ingress", "Egress"] == here.admin.get(NETWORK_POLICIES, marks.ISOLATION, here.namespace)["spec"][
            "policyTypes"
        ]
        notes = [note for note in here.admin.list(EVENTS, here.namespace) if note.get("reason") == "Quarantined"]
        assert [name] == [note["regarding"]["name"] for note in notes]
        unknown = ("Unknown: whether the node's network plugin enforces NetworkPolicies",)
        assert unknown == marks.leaks_of(isolated)
        assert f"{here.namespace}/{name}" == _fenced(here).get(target["metadata"]["uid"])

        assert first == handle(event, cluster, SystemClock()), "a redelivery has the same answer"
        other = event_of(slip_for(second, QUARANTINE, limits=LIMITS, alert={"id": "alert-2"}))
        over = handle(other, cluster, SystemClock())
        assert isinstance(over, Skipped)
        assert over.reason.startswith("limits.perWorkload is 40%: 1 pod of Deployment/web")

        release(here.admin, here.namespace, name)
        assert target["metadata"]["uid"] not in _fenced(here)
        assert labels == here.admin.get(PODS, name, here.namespace)["metadata"]["labels"]
        here.until(here.serving, lambda pods: len(pods) == 3)


def _fenced(here: Installation) -> dict[str, str]:
    return {uid: pod for shard in here.admin.list(FENCES) for uid, pod in shard["spec"]["pods"].items()}


def test_a_leaky_pod_is_told_of_on_the_pod_and_in_an_event(here: Installation) -> None:
    """A policy with an empty selector opens it, its node's network is open anyway; the next step ends it."""
    with here.account("quarantine") as cluster:
        opening = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}
        here.admin.create(NETWORK_POLICIES, {"metadata": {"name": "out"}, "spec": opening}, here.namespace)
        spec = {"containers": [{"name": "main", "image": "web:1"}], "hostNetwork": True, "nodeName": "node-a"}
        pod = here.admin.create(
            PODS, {"metadata": {"name": "leaky", "labels": {"app": "x"}}, "spec": spec}, here.namespace
        )
        outcome = handle(event_of(slip_for(pod, Step("quarantine", {"ifLeaky": "Terminate"}))), cluster, SystemClock())
        assert isinstance(outcome, Done)
        assert outcome.event
        assert {"remedy": "terminate"} == outcome.event.extensions
        wanted = ["HostNetwork", "NetworkPolicy", "Unknown"]
        told = marks.leaks_of(here.admin.get(PODS, "leaky", here.namespace)) or ()
        assert wanted == [line.partition(":")[0] for line in told]
        warnings = [note for note in here.admin.list(EVENTS, here.namespace) if note.get("reason") == LEAKY]
        assert ["; ".join(told)] == [warning["note"] for warning in warnings]


def test_a_tick_takes_a_pod_that_is_gone_off_the_list(here: Installation) -> None:
    """With the account's own rights."""
    with here.account("quarantine") as cluster:
        fence.put_up(cluster, "stale", "gone/pod")
        tick = event_of(slip_for({"metadata": {"namespace": "x", "name": "x", "uid": "x"}}), type=TICK, data={})
        outcome = handle(tick, cluster, SystemClock())
        assert isinstance(outcome, Done)
        assert "stale" not in _fenced(here)


def test_a_policy_that_somebody_opens_is_closed(here: Installation) -> None:
    """Altered or deleted: by the next isolation in the namespace, and by the tick; until then it is told as a leak."""
    opened = {"spec": {"ingress": [{}], "egress": [{}], "policyTypes": ["Ingress"]}}
    tick = event_of(slip_for({"metadata": {"namespace": "x", "name": "x", "uid": "x"}}), type=TICK, data={})
    with here.account("quarantine") as cluster:
        first, second, _ = here.deployment()
        handle(event_of(slip_for(first, QUARANTINE)), cluster, SystemClock())
        sound = here.admin.get(NETWORK_POLICIES, marks.ISOLATION, here.namespace)["spec"]
        here.admin.merge(NETWORK_POLICIES, marks.ISOLATION, opened, here.namespace)
        handle(event_of(slip_for(second, QUARANTINE)), cluster, SystemClock())
        assert sound == here.admin.get(NETWORK_POLICIES, marks.ISOLATION, here.namespace)["spec"]
        for harm in (
            lambda: here.admin.merge(NETWORK_POLICIES, marks.ISOLATION, opened, here.namespace),
            lambda: here.admin.delete(NETWORK_POLICIES, marks.ISOLATION, here.namespace),
        ):
            harm()
            handle(tick, cluster, SystemClock())
            assert sound == here.admin.get(NETWORK_POLICIES, marks.ISOLATION, here.namespace)["spec"]


def test_a_rehearsal_is_checked_by_the_server_and_changes_nothing(here: Installation) -> None:
    """The server takes the policy and the patch as they are, and keeps neither."""
    with here.account("quarantine") as cluster:
        target, *_ = here.deployment()
        outcome = handle(event_of(slip_for(target, QUARANTINE, mode="DryRun", limits=LIMITS)), cluster, SystemClock())
        assert isinstance(outcome, Done)
        assert outcome.rehearsed
        assert (
            target["metadata"]["labels"]
            == here.admin.get(PODS, target["metadata"]["name"], here.namespace)["metadata"]["labels"]
        )
        assert [] == here.admin.list(NETWORK_POLICIES, here.namespace)


@pytest.mark.parametrize("calls", range(14))
def test_killed_after_any_call_the_redelivery_completes_it(here: Installation, calls: int) -> None:
    """One place, one pod in quarantine, a whole workload: whatever the first delivery got done."""
    with here.account("quarantine") as cluster:
        target, *_ = here.deployment(replicas=2)
        event = event_of(slip_for(target, QUARANTINE, limits={"perWorkload": 1, "perMinute": 100}))
        with suppress(Killed):
            handler()(event, Mortal(cluster, calls), SystemClock())
        outcome = handler()(event, cluster, SystemClock())
        assert isinstance(outcome, Done)
        assert outcome == handler()(event, cluster, SystemClock())
        here.until(here.serving, lambda pods: len(pods) == 2)
        held = here.admin.list(PODS, here.namespace, labels=f"{marks.COMPROMISED}=true")
        assert [target["metadata"]["uid"]] == [pod["metadata"]["uid"] for pod in held]
        assert target["metadata"]["uid"] in here.admin.get(LEDGERS, ledger.NAME)["spec"]["pods"]
        assert target["metadata"]["uid"] in _fenced(here)
