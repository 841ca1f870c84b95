"""Jobs: parallelism, completions, failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from molt.embedded.cluster.controllers import job
from molt.embedded.cluster.controllers.job import CONTROLLER_UID, JOB_NAME
from molt.embedded.cluster.controllers.kinds import JOB
from tests.embedded.controllers.made import NOW, TEMPLATE, ago, created, deleted, pod, status_of, thing, updated

if TYPE_CHECKING:
    from molt.embedded.cluster.controllers.actions import Object

LABELS = {"app": "web", CONTROLLER_UID: "uid-sum", JOB_NAME: "sum"}


def _job(**spec: Any) -> Object:
    return thing(JOB, "sum", {"template": TEMPLATE} | spec)


def _pod(name: str, phase: str = "Running", **details: Any) -> Object:
    return pod(name, owner=(JOB, _job()), phase=phase, **({"labels": LABELS} | details))


def test_starts() -> None:
    """A Job starts as many pods as run in parallel, and labels them as its own."""
    actions = job.reconcile(_job(parallelism=2, completions=5), [], NOW)
    assert 2 == len(created(actions))
    assert LABELS.items() <= created(actions)[0]["metadata"]["labels"].items()
    assert {"ready": 0, "startTime": ago(0)} == status_of(actions)


@pytest.mark.parametrize(
    ("spec", "phases", "expected"),
    [
        ({}, ["Running"], 0),
        ({"parallelism": 3, "completions": 4}, ["Succeeded", "Running"], 2),
        ({"parallelism": 3, "completions": 4}, ["Succeeded", "Succeeded", "Succeeded"], 1),
        ({"parallelism": 2}, ["Failed", "Running"], 1),
        ({"suspend": True}, [], 0),
    ],
)
def test_how_many_more(spec: dict[str, Any], phases: list[str], expected: int) -> None:
    """A Job replaces what failed or went, and starts no more than are still needed."""
    pods = [_pod(str(number), phase) for number, phase in enumerate(phases)]
    assert expected == len(created(job.reconcile(_job(**spec), pods, NOW)))


def test_replaced_when_removed() -> None:
    """A pod that is going, or was released, is replaced."""
    assert 1 == len(created(job.reconcile(_job(), [_pod("a", deleted=True)], NOW)))
    actions = job.reconcile(_job(), [_pod("a", labels={})], NOW)
    assert (1, 1) == (len(created(actions)), len(updated(actions)))


def test_selector_of_its_own() -> None:
    """A Job with a selector adopts by that."""
    actions = job.reconcile(_job(selector={"matchLabels": {"app": "web"}}), [pod("orphan")], NOW)
    assert (0, 1) == (len(created(actions)), len(updated(actions)))


def test_complete() -> None:
    """After enough successes the Job is complete, what still runs goes, and it is looked at no more."""
    one = _job(parallelism=2, completions=1)
    actions = job.reconcile(one, [_pod("a", "Succeeded"), _pod("b")], NOW)
    assert ["b"] == deleted(actions)
    one["status"] = status_of(actions)
    assert ("Complete", ago(0)) == (one["status"]["conditions"][0]["type"], one["status"]["completionTime"])
    assert [] == job.reconcile(one, [], NOW)


def test_work_queue() -> None:
    """Without completions one success ends the Job once nothing more is to run."""
    assert (
        "Complete"
        == status_of(job.reconcile(_job(parallelism=2), [_pod("a", "Succeeded")], NOW))["conditions"][0]["type"]
    )


def test_failed() -> None:
    """More failures than the limit end the Job."""
    one = _job(backoffLimit=0)
    one["status"] = {"failed": 1}
    actions = job.reconcile(one, [_pod("b")], NOW)
    assert ["b"] == deleted(actions)
    one["status"] = status_of(actions)
    assert "Failed" == one["status"]["conditions"][0]["type"]
    assert [] == job.reconcile(one, [], NOW)


def test_being_deleted() -> None:
    """A Job that is being deleted starts nothing."""
    going = _job()
    going["metadata"]["deletionTimestamp"] = ago(0)
    assert [] == created(job.reconcile(going, [], NOW))
