"""StatefulSets: ordinals, order, names that are taken, updates, history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from molt.embedded.cluster.controllers import statefulset
from molt.embedded.cluster.controllers.actions import Create, Update
from molt.embedded.cluster.controllers.history import HASH
from molt.embedded.cluster.controllers.kinds import CONTROLLER_REVISION, POD, STATEFUL_SET
from molt.embedded.cluster.controllers.ordinals import POD_INDEX, POD_NAME, ordinal
from molt.embedded.cluster.controllers.ownership import controller_of, reference_to
from tests.embedded.controllers.made import (
    NOW,
    TEMPLATE,
    ago,
    created,
    deleted,
    names,
    pod,
    status_of,
    thing,
    updated,
    wakes,
    workload,
)

if TYPE_CHECKING:
    from molt.embedded.cluster.controllers.actions import Action, Object

OLD_TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "web:1"}]}}


def _set(**spec: Any) -> Object:
    defaults: dict[str, Any] = {"replicas": 3, "serviceName": "web"}
    return workload(STATEFUL_SET, **(defaults | spec))


def _revision(owner: Object, name: str, template: Object, number: int) -> Object:
    made = thing(CONTROLLER_REVISION, name, ownerReferences=[reference_to(STATEFUL_SET, owner)])
    return made | {"data": {"spec": {"template": template}}, "revision": number}


def _member(owner: Object, index: int, revision: str = "web-new", **details: Any) -> Object:
    name = f"{owner['metadata']['name']}-{index}"
    labels = {"app": "web", POD_NAME: name, POD_INDEX: str(index), HASH: revision}
    return pod(name, owner=(STATEFUL_SET, owner), **({"labels": labels} | details))


def _reconcile(owner: Object, *pods: Object, revisions: list[Object] | None = None) -> list[Action]:
    known = [_revision(owner, "web-new", TEMPLATE, 1)] if revisions is None else revisions
    return statefulset.reconcile(owner, pods, known, NOW)


def _pods(actions: list[Action]) -> list[str]:
    return names(one.obj for one in actions if isinstance(one, Create) and one.plural == POD.plural)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("web-0", 0), ("web-12", 12), ("web-x", None), ("web", None), ("web-a-0", None), ("other-0", None)],
)
def test_ordinal(name: str, expected: int | None) -> None:
    """Only <set>-<number> is a name of the set."""
    assert expected == ordinal(_set(), name)


def test_first_pod() -> None:
    """An ordered set starts with ordinal 0 alone, fully named, and notes its template as the first revision."""
    actions = _reconcile(owner := _set(), revisions=[])
    revision, made = created(actions)
    assert (1, TEMPLATE) == (revision["revision"], revision["data"]["spec"]["template"])
    assert reference_to(STATEFUL_SET, owner) == controller_of(revision) == controller_of(made)
    labels = {"app": "web", POD_NAME: "web-0", POD_INDEX: "0", HASH: revision["metadata"]["name"]}
    assert ("web-0", labels) == (made["metadata"]["name"], made["metadata"]["labels"])
    assert ("web-0", "web") == (made["spec"]["hostname"], made["spec"]["subdomain"])


def test_template_without_metadata() -> None:
    """A template without metadata is noted, too."""
    assert {} == created(_reconcile(_set(template={"spec": TEMPLATE["spec"]}), revisions=[]))[0]["metadata"]["labels"]


def test_one_after_the_other() -> None:
    """OrderedReady: the next pod is made once its predecessor is available; Parallel: all at once."""
    owner = _set()
    assert [] == _pods(_reconcile(owner, _member(owner, 0, ready=None)))
    assert ["web-1"] == _pods(_reconcile(owner, _member(owner, 0)))
    assert [] == _pods(_reconcile(_set(minReadySeconds=60), _member(owner, 0)))
    assert ["web-1", "web-2"] == _pods(_reconcile(_set(podManagementPolicy="Parallel"), _member(owner, 0, ready=None)))


def test_start_ordinal() -> None:
    """Ordinals may start elsewhere than at 0."""
    assert ["web-5", "web-6"] == _pods(
        _reconcile(_set(ordinals={"start": 5}, replicas=2, podManagementPolicy="Parallel"))
    )


def test_released_pod_blocks_its_name() -> None:
    """A pod that was released keeps its name: its ordinal stays empty, and the later ones wait."""
    owner = _set()
    released = _member(owner, 1)
    released["metadata"]["labels"] = {"app": "quarantined"}
    actions = _reconcile(owner, _member(owner, 0), released)
    assert [None] == [controller_of(one) for one in updated(actions)]
    del released["metadata"]["ownerReferences"]
    assert [] == _pods(_reconcile(owner, _member(owner, 0), released))
    assert ["web-1"] == _pods(_reconcile(owner, _member(owner, 0)))
    parallel = _set(podManagementPolicy="Parallel")
    assert ["web-2"] == _pods(_reconcile(parallel, _member(owner, 0), released))


def test_terminating_pod_is_waited_for() -> None:
    """The name of a terminating pod is free only when it is gone."""
    owner = _set()
    assert [] == _pods(_reconcile(owner, _member(owner, 0, deleted=True)))


def test_finished_pod_is_replaced() -> None:
    """A pod that failed is deleted, so that its ordinal can be made anew."""
    owner = _set()
    assert ["web-0"] == deleted(_reconcile(owner, _member(owner, 0, phase="Failed")))


def test_identity_is_restored() -> None:
    """A pod that lost its identity labels, but still matches, gets them back."""
    owner = _set(replicas=1)
    (mended,) = updated(_reconcile(owner, _member(owner, 0, labels={"app": "web", HASH: "web-new"})))
    assert ("web-0", "0") == (mended["metadata"]["labels"][POD_NAME], mended["metadata"]["labels"][POD_INDEX])


def test_scale_down() -> None:
    """The highest ordinal goes first, one at a time where they are ordered."""
    owner = _set(replicas=1)
    members = [_member(owner, index) for index in range(4)]
    assert ["web-3"] == deleted(_reconcile(owner, *members))
    assert [] == deleted(_reconcile(owner, *members[:3], _member(owner, 3, deleted=True)))
    assert [] == deleted(_reconcile(owner, members[0], _member(owner, 1, ready=None), _member(owner, 2, ready=None)))
    assert ["web-2"] == deleted(_reconcile(owner, *members[:2], _member(owner, 2, ready=None)))
    parallel = _set(replicas=1, podManagementPolicy="Parallel")
    going = _member(owner, 3, deleted=True)
    assert ["web-2", "web-1"] == deleted(_reconcile(parallel, *members[:3], going))


def test_rolling_update() -> None:
    """The highest ordinal of the old revision goes, once all above it are available."""
    owner = _set()
    revisions = [_revision(owner, "web-old", OLD_TEMPLATE, 1), _revision(owner, "web-new", TEMPLATE, 2)]
    old = [_member(owner, index, "web-old") for index in range(3)]

    def next_gone(*pods: Object, **spec: Any) -> list[str]:
        return deleted(_reconcile(_set(**spec), *pods, revisions=revisions))

    assert ["web-2"] == next_gone(*old)
    assert ["web-1"] == next_gone(*old[:2], _member(owner, 2))
    assert [] == next_gone(*old[:2], _member(owner, 2, ready=None))
    assert [] == next_gone(*old[:2], _member(owner, 2, ready=None), podManagementPolicy="Parallel")
    assert [] == next_gone(*old[:2], _member(owner, 2, "web-old", deleted=True), podManagementPolicy="Parallel")
    assert [] == next_gone(*old[:2], podManagementPolicy="Parallel")
    assert [] == next_gone(*old[:2], _member(owner, 2), updateStrategy={"rollingUpdate": {"partition": 2}})
    assert [] == next_gone(*old, updateStrategy={"type": "OnDelete"})


def test_partition_keeps_the_old_revision() -> None:
    """Below the partition a lost pod comes back with the current revision's template, not the new one."""
    owner = _set(updateStrategy={"rollingUpdate": {"partition": 1}})
    owner["status"] = {"currentRevision": "web-old"}
    revisions = [_revision(owner, "web-old", OLD_TEMPLATE, 1), _revision(owner, "web-new", TEMPLATE, 2)]
    low, high = (
        created(_reconcile(owner, *pods, revisions=revisions))[0] for pods in ([], [_member(owner, 0, "web-old")])
    )
    assert ("web-old", "web:1") == (low["metadata"]["labels"][HASH], low["spec"]["containers"][0]["image"])
    assert "web-new" == high["metadata"]["labels"][HASH]


def test_revision_comes_back() -> None:
    """A template that comes back gets the highest number again."""
    owner = _set()
    revisions = [_revision(owner, "web-new", TEMPLATE, 1), _revision(owner, "web-old", OLD_TEMPLATE, 2)]
    actions = _reconcile(owner, revisions=revisions)
    (newest,) = [one.obj for one in actions if isinstance(one, Update)]
    assert ("web-new", 3) == (newest["metadata"]["name"], newest["revision"])


def test_history_limit() -> None:
    """Revisions that no pod has go beyond the limit, the lowest first; others' are left alone."""
    owner = _set(revisionHistoryLimit=1)
    revisions = [_revision(owner, f"web-{n}", OLD_TEMPLATE | {"n": n}, n) for n in range(1, 5)]
    revisions += [_revision(owner, "web-new", TEMPLATE, 5), _revision(_set() | thing(POD, "x"), "x-1", TEMPLATE, 1)]
    assert ["web-2", "web-3"] == deleted(_reconcile(owner, _member(owner, 0, "web-1"), revisions=revisions))


def test_status() -> None:
    """The status tells old from new; a finished update makes the new revision the current one."""
    owner = _set(minReadySeconds=10)
    owner["status"] = {"currentRevision": "web-old"}
    revisions = [_revision(owner, "web-old", OLD_TEMPLATE, 1), _revision(owner, "web-new", TEMPLATE, 2)]
    pods = [_member(owner, 0, "web-old"), _member(owner, 1, ready=4), _member(owner, 2, deleted=True)]
    actions = _reconcile(owner, *pods, revisions=revisions)
    expected = {
        "observedGeneration": 1,
        "replicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 2,
        "currentReplicas": 1,
        "updatedReplicas": 1,
        "currentRevision": "web-old",
        "updateRevision": "web-new",
        "collisionCount": 0,
    }
    assert expected == status_of(actions)
    assert [6.0] == wakes(actions)
    done = status_of(_reconcile(owner, *(_member(owner, index) for index in range(3)), revisions=revisions))
    assert ("web-new", 3) == (done["currentRevision"], done["currentReplicas"])


def test_unknown_current_revision() -> None:
    """A current revision that is not known any more is the update's."""
    owner = _set()
    owner["status"] = {"currentRevision": "web-lost"}
    assert "web-new" == status_of(_reconcile(owner))["currentRevision"]


def test_being_deleted() -> None:
    """A StatefulSet that is being deleted makes no pods."""
    owner = _set()
    owner["metadata"]["deletionTimestamp"] = ago(0)
    assert [] == _pods(_reconcile(owner))
