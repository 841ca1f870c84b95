"""What the store holds, as the controllers see it: fed by its records, indexed by namespace and by owner, read only."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from molt.embedded.cluster.changes import DELETED
from molt.embedded.cluster.controllers.kinds import SERVED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from molt.embedded.cluster.changes import Record
    from molt.embedded.cluster.controllers.actions import Object


class Ref(NamedTuple):
    """Which object: its plural, its namespace ("" for cluster-scoped ones), its name."""

    plural: str
    namespace: str
    name: str


def ref(plural: str, obj: Object) -> Ref:
    """Return the reference to `obj`."""
    return Ref(plural, obj["metadata"].get("namespace") or "", obj["metadata"]["name"])


class Cache:
    """Objects by plural, namespace and name. Nobody alters what it returns: the store shares its own objects."""

    def __init__(self) -> None:
        """Start empty."""
        self._objects: dict[str, dict[str, dict[str, Object]]] = defaultdict(lambda: defaultdict(dict))
        self._dependents: dict[str, dict[Ref, Object]] = defaultdict(dict)
        self._uids: dict[str, Ref] = {}
        self._kinds: set[tuple[str, str]] = set(SERVED)

    def get(self, key: Ref) -> Object | None:
        """Return the object, or None."""
        return self._objects[key.plural][key.namespace].get(key.name)

    def objects(self, plural: str, namespace: str | None = None) -> list[Object]:
        """Return the objects of one namespace ("" for cluster-scoped ones), or of all."""
        if namespace is not None:
            return list(self._objects[plural][namespace].values())
        return [obj for space in self._objects[plural].values() for obj in space.values()]

    def within(self, namespace: str) -> list[Ref]:
        """Return what is in `namespace`."""
        return [
            Ref(plural, namespace, name)
            for plural, spaces in self._objects.items()
            for name in spaces.get(namespace, ())
        ]

    def dependents(self, uid: str) -> dict[Ref, Object]:
        """Return the objects with an owner reference to `uid`."""
        return self._dependents.get(uid, {})

    def find(self, uid: str) -> Ref | None:
        """Return the object of that UID, None when there is none."""
        return self._uids.get(uid)

    def is_dangling(self, reference: Object) -> bool:
        """Tell whether an owner reference leads nowhere; one to a kind that was never seen here is left in peace."""
        group = reference["apiVersion"].rpartition("/")[0]
        return reference["uid"] not in self._uids and (group, reference["kind"]) in self._kinds

    def seed(self, plural: str, objects: Iterable[Object]) -> None:
        """Take in what the store held before its records were followed."""
        for obj in objects:
            self._put(ref(plural, obj), obj)

    def apply(self, record: Record) -> None:
        """Follow one change."""
        key = ref(record.plural, record.obj)
        self._drop(key)
        if record.type != DELETED:
            self._put(key, record.obj)

    def _put(self, key: Ref, obj: Object) -> None:
        self._objects[key.plural][key.namespace][key.name] = obj
        self._uids[obj["metadata"]["uid"]] = key
        self._kinds.add((obj.get("apiVersion", "").rpartition("/")[0], obj.get("kind", "")))
        for reference in obj["metadata"].get("ownerReferences") or ():
            self._dependents[reference["uid"]][key] = obj

    def _drop(self, key: Ref) -> None:
        old = self._objects[key.plural][key.namespace].pop(key.name, None)
        if old is None:
            return
        self._uids.pop(old["metadata"]["uid"], None)
        for reference in old["metadata"].get("ownerReferences") or ():
            of_owner = self._dependents[reference["uid"]]
            of_owner.pop(key, None)
            if not of_owner:
                del self._dependents[reference["uid"]]
