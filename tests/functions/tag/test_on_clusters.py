"""tag over HTTP, with the account's own rights, on both API servers with their controllers."""

from __future__ import annotations

import pytest

from molt import marks
from molt.cluster import NAMESPACES, PODS
from molt.itinerary import Mode, Step
from molt.outcome import Done, Skipped, SystemClock
from tag.handler import handle
from tests.functions.fake_cluster import Killed
from tests.functions.installation import Installation
from tests.functions.mortal import Mortal
from tests.functions.slips import event_of, slip_for

TAG = Step("tag", {})


@pytest.mark.parametrize("mode", ["Enforce", "DryRun"])
def test_a_pod_is_marked_and_stays_where_it_is(here: Installation, mode: Mode) -> None:
    """It serves on, owned by the same ReplicaSet; a rehearsal is checked by the server and changes nothing."""
    with here.account("tag") as cluster:
        target = here.deployment()[0]
        name, event = target["metadata"]["name"], event_of(slip_for(target, TAG, mode=mode))
        first = handle(event, cluster, SystemClock())
        assert isinstance(first, Done)
        after = here.admin.get(PODS, name, here.namespace)
        assert (mode == "Enforce") == (marks.SUSPECT in marks.labels_of(after))
        for field in ("uid", "ownerReferences"):
            assert target["metadata"][field] == after["metadata"][field]
        assert marks.labels_of(target).items() <= marks.labels_of(after).items()
        assert 3 == len(here.serving())
        if mode == "Enforce":
            assert first == handle(event, cluster, SystemClock()), "a redelivery has the same answer"


def test_an_exempt_namespace_is_left_alone(here: Installation) -> None:
    """The label counts from the moment that it is there."""
    with here.account("tag") as cluster:
        target = here.deployment()[0]
        here.admin.merge(NAMESPACES, here.namespace, {"metadata": {"labels": {marks.EXEMPT: "true"}}})
        outcome = handle(event_of(slip_for(target, TAG)), cluster, SystemClock())
        assert isinstance(outcome, Skipped)
        assert "is exempt" in outcome.reason


def test_killed_after_each_call_the_redelivery_completes_it(here: Installation) -> None:
    """Each of three pods is marked, once, whichever call was the last of the first delivery."""
    with here.account("tag") as cluster:
        for calls, target in enumerate(here.deployment()):
            event = event_of(slip_for(target, TAG))
            with pytest.raises(Killed):
                handle(event, Mortal(cluster, calls), SystemClock())
            outcome = handle(event, cluster, SystemClock())
            assert isinstance(outcome, Done)
            after = here.admin.get(PODS, target["metadata"]["name"], here.namespace)
            assert marks.TRUE == marks.labels_of(after)[marks.SUSPECT]
            assert outcome == handle(event, cluster, SystemClock())
