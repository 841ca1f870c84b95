"""quarantine and release over HTTP, with the account's own rights, on both API servers with their controllers."""

from __future__ import annotations

from molt import marks
from molt.cluster import EVENTS, NETWORK_POLICIES, PODS
from molt.outcome import Done, Skipped, SystemClock
from molt.release import release
from quarantine.handler import handler
from tests.functions.installation import Installation
from tests.functions.slips import QUARANTINE, event_of, slip_for

LIMITS = {"perWorkload": "40%", "perMinute": 20}

handle = handler()


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

        assert first == handle(event, cluster, SystemClock()), "a redelivery has the same answer"
        other = event_of(slip_for(second, QUARANTINE, limits=LIMITS, alert={"id": "alert-2"}))
        over = handle(other, cluster, SystemClock())
        assert isinstance(over, Skipped)
        assert over.reason.startswith("limits.perWorkload is 40%: 1 pod of Deployment/web")

        release(here.admin, here.namespace, name)
        assert labels == here.admin.get(PODS, name, here.namespace)["metadata"]["labels"]
        here.until(here.serving, lambda pods: len(pods) == 3)


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
