"""Garbage collection and namespaces: what goes with what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molt.embedded.cluster.changes import ADDED, DELETED, MODIFIED, Record
from molt.embedded.cluster.controllers import namespace
from molt.embedded.cluster.controllers.cache import Cache, ref
from molt.embedded.cluster.controllers.garbage import FOREGROUND, ORPHAN, GarbageCollector
from molt.embedded.cluster.controllers.kinds import NAMESPACE, POD, REPLICA_SET, SERVICE_ACCOUNT
from molt.embedded.cluster.controllers.namespace import Namespaces
from molt.embedded.cluster.controllers.ownership import reference_to
from tests.embedded.controllers.made import NOW, ago, created, deleted, pod, thing, updated, workload

if TYPE_CHECKING:
    from molt.embedded.cluster.controllers.actions import Action, Object

RS = workload(REPLICA_SET)
LOST = workload(REPLICA_SET, "lost")
ROLLOUT = {"apiVersion": "argoproj.io/v1", "kind": "Rollout", "name": "r", "uid": "uid-r", "controller": True}


def _collect(obj: Object, plural: str, *others: tuple[str, Object]) -> list[Action]:
    cache = Cache()
    for kind, other in ((plural, obj), *others):
        cache.seed(kind, [other])
    return GarbageCollector().decide(cache, ref(plural, obj), obj, NOW)


def _going(obj: Object, *finalizers: str) -> Object:
    return obj | {"metadata": obj["metadata"] | {"deletionTimestamp": ago(0), "finalizers": list(finalizers)}}


def test_orphans_go() -> None:
    """What has lost its only owner goes; what has one left, or none from the start, or a strange one, stays."""
    assert ["web-a"] == deleted(_collect(pod(owner=(REPLICA_SET, LOST)), POD.plural))
    assert [] == _collect(pod(owner=(REPLICA_SET, RS)), POD.plural, (REPLICA_SET.plural, RS))
    assert [] == _collect(pod(), POD.plural)
    assert [] == _collect(pod(ownerReferences=[ROLLOUT]), POD.plural)


def test_strange_owner_that_was_seen() -> None:
    """An owner of a custom kind counts as gone once that kind is known here."""
    other = thing(POD, "other") | {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
    actions = _collect(pod(ownerReferences=[ROLLOUT]), POD.plural, ("rollouts.argoproj.io", other))
    assert ["web-a"] == deleted(actions)


def test_lost_owners_are_forgotten() -> None:
    """While one owner lives the references to lost ones are dropped."""
    shared = pod(ownerReferences=[reference_to(REPLICA_SET, LOST), reference_to(REPLICA_SET, RS)])
    (kept,) = updated(_collect(shared, POD.plural, (REPLICA_SET.plural, RS)))
    assert [reference_to(REPLICA_SET, RS)] == kept["metadata"]["ownerReferences"]


def test_orphaning() -> None:
    """The finalizer orphan waits until nobody refers to the owner."""
    owner, dependent = _going(RS, ORPHAN, "x"), pod(owner=(REPLICA_SET, RS))
    (freed,) = updated(_collect(owner, REPLICA_SET.plural, (POD.plural, dependent)))
    assert "ownerReferences" not in freed["metadata"]
    (let_go,) = updated(_collect(owner, REPLICA_SET.plural, (POD.plural, pod())))
    assert ["x"] == let_go["metadata"]["finalizers"]


def test_foreground() -> None:
    """The finalizer foregroundDeletion waits until all that blocks the owner is gone."""
    owner, dependent = _going(RS, FOREGROUND), pod(owner=(REPLICA_SET, RS))
    assert ["web-a"] == deleted(_collect(owner, REPLICA_SET.plural, (POD.plural, dependent)))
    assert [] == _collect(owner, REPLICA_SET.plural, (POD.plural, _going(dependent)))
    unblocking = pod(ownerReferences=[reference_to(REPLICA_SET, RS) | {"blockOwnerDeletion": False}])
    (let_go,) = updated(_collect(owner, REPLICA_SET.plural, (POD.plural, unblocking)))
    assert [] == let_go["metadata"]["finalizers"]


def test_other_finalizers() -> None:
    """Finalizers of others are not its business."""
    assert [] == _collect(_going(RS, "x"), REPLICA_SET.plural)


def test_touched() -> None:
    """It looks at the dependents of what is gone, at what has owners, and at owners of what changed."""
    cache, dependent, plain = Cache(), pod(owner=(REPLICA_SET, RS)), pod("plain")
    cache.seed(POD.plural, [dependent, plain])
    collector = GarbageCollector()
    key, owner_key = ref(POD.plural, dependent), ref(REPLICA_SET.plural, RS)
    assert [key] == list(collector.touched(cache, Record(2, DELETED, REPLICA_SET.plural, RS, RS)))
    assert [key] == list(collector.touched(cache, Record(2, ADDED, POD.plural, dependent, None)))
    cache.seed(REPLICA_SET.plural, [RS])
    assert [owner_key] == list(collector.touched(cache, Record(2, MODIFIED, POD.plural, plain, dependent)))
    assert [] == list(collector.touched(cache, Record(2, ADDED, POD.plural, plain, None)))


SPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "uid": "uid-shop"}, "spec": {}}
ACCOUNT = thing(SERVICE_ACCOUNT, "default")


def test_default_account() -> None:
    """A namespace has its default ServiceAccount, made once."""
    assert ["default"] == [one["metadata"]["name"] for one in created(namespace.reconcile(SPACE, {}))]
    assert [] == namespace.reconcile(SPACE, {ref(SERVICE_ACCOUNT.plural, ACCOUNT): ACCOUNT})


def test_emptied() -> None:
    """A namespace that is going takes its content along, and lets go when it is empty."""
    going = _going(SPACE)
    content = [pod("a"), pod("b", deleted=True)]
    assert ["a"] == deleted(namespace.reconcile(going, {ref(POD.plural, one): one for one in content}))
    assert [] == namespace.reconcile(going, {})
    held = going | {"spec": {"finalizers": ["kubernetes", "x"]}}
    assert [["x"]] == [one["spec"]["finalizers"] for one in updated(namespace.reconcile(held, {}))]
    assert [] == namespace.reconcile(going | {"spec": None}, {})


def test_namespaces_gather() -> None:
    """What is in a namespace that is gone follows it; what goes already is left."""
    cache, left, going = Cache(), pod("a"), pod("b", deleted=True)
    cache.seed(POD.plural, [left, going])
    namespaces = Namespaces()
    touched = list(namespaces.touched(cache, Record(2, DELETED, NAMESPACE.plural, SPACE, SPACE)))
    assert [ref(NAMESPACE.plural, SPACE), ref(POD.plural, left), ref(POD.plural, going)] == touched
    assert ["a"] == deleted(namespaces.decide(cache, ref(POD.plural, left), left, NOW))
    assert [] == namespaces.decide(cache, ref(POD.plural, going), going, NOW)
    assert ["a"] == deleted(namespaces.decide(cache, ref(NAMESPACE.plural, SPACE), _going(SPACE), NOW))
    assert [ref(NAMESPACE.plural, SPACE)] == list(namespaces.touched(cache, Record(3, DELETED, POD.plural, left, left)))
    assert [] == list(namespaces.touched(cache, Record(3, ADDED, POD.plural, left, None)))
