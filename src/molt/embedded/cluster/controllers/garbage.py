"""Garbage collector: what nobody owns any more goes, and so does what an owner's deletion waits for.

As k8s.io/kubernetes/pkg/controller/garbagecollector: an object goes when all its owners are gone; references to lost
owners are dropped while others live. The finalizers `orphan` and `foregroundDeletion` of an owner are honoured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from molt.embedded.cluster.changes import DELETED
from molt.embedded.cluster.controllers.actions import Action, Delete, Object, Update
from molt.embedded.cluster.controllers.cache import Ref, ref
from molt.embedded.cluster.controllers.controller import versions
from molt.embedded.cluster.controllers.ownership import amended, released
from molt.embedded.cluster.controllers.pods import is_terminating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from molt.embedded.cluster.changes import Record
    from molt.embedded.cluster.controllers.cache import Cache

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"


class GarbageCollector:
    """Deletes dependents after their owners."""

    def touched(self, cache: Cache, record: Record) -> Iterator[Ref]:
        """Return what depends on an object that is gone, or itself if it has owners or finalizers; and its owners."""
        if record.type == DELETED:
            yield from list(cache.dependents(record.obj["metadata"]["uid"]))
        elif record.obj["metadata"].get("ownerReferences") or record.obj["metadata"].get("finalizers"):
            yield ref(record.plural, record.obj)
        for obj in versions(record):
            for reference in obj["metadata"].get("ownerReferences") or ():
                owner = cache.find(reference["uid"])
                if owner is not None:
                    yield owner

    def decide(self, cache: Cache, key: Ref, obj: Object, now: datetime) -> list[Action]:
        """Gather who owns the object and what it owns."""
        del now  # nothing here has a time
        dependents = cache.dependents(obj["metadata"]["uid"])
        return reconcile(key.plural, obj, dependents, cache.is_dangling)


def reconcile(
    plural: str, obj: Object, dependents: Mapping[Ref, Object], dangling: Callable[[Object], bool]
) -> list[Action]:
    """Return the end of an object whose owners are all gone (`dangling`), or what its own deletion waits for."""
    if is_terminating(obj):
        return _let_go(plural, obj, dependents)
    references = obj["metadata"].get("ownerReferences") or []
    living = [reference for reference in references if not dangling(reference)]
    if len(living) == len(references):
        return []
    return [Update(plural, amended(obj, ownerReferences=living)) if living else Delete(plural, obj)]


def _let_go(plural: str, owner: Object, dependents: Mapping[Ref, Object]) -> list[Action]:
    """Return what the deletion of `owner` waits for, or the removal of the finalizer that waited for it."""
    finalizers, uid = owner["metadata"].get("finalizers") or [], owner["metadata"]["uid"]
    if ORPHAN in finalizers:
        dropped: list[Action] = [Update(key.plural, released(one, owner)) for key, one in dependents.items()]
        return dropped or [_without(plural, owner, ORPHAN)]
    if FOREGROUND in finalizers:
        blocking = {key: one for key, one in dependents.items() if _blocks(one, uid)}
        if not blocking:
            return [_without(plural, owner, FOREGROUND)]
        return [Delete(key.plural, one) for key, one in blocking.items() if not is_terminating(one)]
    return []


def _without(plural: str, obj: Object, finalizer: str) -> Update:
    return Update(plural, amended(obj, finalizers=[one for one in obj["metadata"]["finalizers"] if one != finalizer]))


def _blocks(obj: Object, uid: str) -> bool:
    references = obj["metadata"]["ownerReferences"]
    return any(one["uid"] == uid and one.get("blockOwnerDeletion") for one in references)
