"""The objects, in memory: one lock, one resourceVersion counter, and every change told to who subscribes.

The controllers use it in process; the HTTP side validates and authorises before it comes here. `plural` is always the
qualified key: "pods", "replicasets.apps", "networkpolicies.networking.k8s.io". `namespace` is None for cluster-scoped
objects. Objects are shared, not copied, with who passed them in and with everybody who reads them: nobody alters one
that is or was here, but makes another of its parts. So a change of a large object costs what changes.

    create, update, delete   optimistic concurrency, dry run, finalizers, graceful deletion of pods
    subscribe                ADDED, MODIFIED, DELETED in the order in which they happened
"""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from molt.embedded.cluster import lifecycle
from molt.embedded.cluster.changes import ADDED, DELETED, MODIFIED, Changes, Record, Subscription
from molt.embedded.cluster.errors import AlreadyExists, StoreNotFound
from molt.embedded.cluster.objects import desired, generated, key_of, rfc3339, with_status

if TYPE_CHECKING:
    from collections.abc import Callable

    from molt.embedded.cluster.changes import Spaces
    from molt.embedded.cluster.objects import Key


Object = dict[str, Any]

GENERATE_TRIES = 8


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _any(_: Object) -> bool:
    return True


class Store:
    """Thread-safe objects by qualified plural, namespace and name."""

    def __init__(self, *, window: int = 8192, now: Callable[[], datetime] = _utc_now) -> None:
        """Start empty; remember the last `window` changes for watches that resume; `now` is the clock."""
        self.lock = threading.RLock()  # held by who needs several calls to be one step
        self._objects: dict[str, Spaces] = defaultdict(lambda: defaultdict(dict))
        self._changes = Changes(window)
        self._version = 1
        self.now = now

    @property
    def version(self) -> str:
        """Return the resourceVersion of the newest change."""
        with self.lock:
            return str(self._version)

    def get(self, plural: str, namespace: str | None, name: str) -> Object:
        """Return the object. Raises StoreNotFound."""
        with self.lock:
            return self._stored(plural, namespace, name)

    def list(
        self,
        plural: str,
        namespace: str | None = None,
        *,
        at: int | None = None,
        where: Callable[[Object], bool] = _any,
    ) -> list[Object]:
        """Return the objects that `where` holds for, of one namespace or of all, ordered by namespace and name.

        With `at`, as they were at that version. Raises StoreGone when the history does not reach back that far.
        """
        with self.lock:
            spaces = self._objects[plural]
            if at is not None:
                spaces = self._changes.undone(plural, spaces, at)
            wanted = sorted(spaces) if namespace is None else [namespace]
            found = (spaces[space][name] for space in wanted for name in sorted(spaces.get(space, ())))
            return [one for one in found if where(one)]

    def create(self, plural: str, obj: Object, *, dry_run: bool = False) -> Object:
        """Store a new object and return it: uid, creationTimestamp, resourceVersion, generation 1, generated name.

        Raises AlreadyExists. A dry run stores nothing and returns an object without resourceVersion.
        """
        with self.lock:
            metadata = dict(obj["metadata"])
            made = obj | {"metadata": metadata}
            metadata["name"] = self._name(plural, metadata)
            namespace, name = key_of(made)
            if name in self._objects[plural][namespace]:
                raise AlreadyExists(plural, name)
            metadata["uid"] = str(uuid.uuid4())
            metadata["creationTimestamp"] = rfc3339(self.now())
            for server_side in ("resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
                metadata.pop(server_side, None)
            if plural not in lifecycle.UNVERSIONED:
                metadata["generation"] = 1
            if not dry_run:
                self._write(plural, made, None)
            return made

    def update(self, plural: str, obj: Object, *, dry_run: bool = False, status_only: bool = False) -> Object:
        """Replace an object and return it; with `status_only` nothing but its status is taken from `obj`.

        metadata.resourceVersion and metadata.uid, when given, must be the stored ones (else StoreConflict); uid,
        creation and deletion times stay the stored ones. generation grows when more than metadata and status changes.
        What changes nothing is not written: resourceVersion stays, nobody is told. An object that is being deleted
        goes when its last finalizer does. Raises StoreNotFound.
        """
        with self.lock:
            metadata = obj["metadata"]
            old = self._stored(plural, metadata.get("namespace"), metadata["name"])
            lifecycle.check(plural, old, uid=metadata.get("uid"), resource_version=metadata.get("resourceVersion"))
            new = lifecycle.kept(with_status(old, obj) if status_only else obj, old)
            if new == old:
                return old
            if "generation" in new["metadata"] and desired(new) != desired(old):
                new["metadata"]["generation"] += 1
            if not dry_run and "deletionTimestamp" in new["metadata"] and not lifecycle.held(plural, new):
                self._remove(plural, key_of(new))
            elif not dry_run:
                self._write(plural, new, old)
            return new

    def delete(  # noqa: PLR0913 - the options of the API's DeleteOptions
        self,
        plural: str,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Delete an object, or begin to, and return it as it then is (or last was).

        Pods on a node get deletionTimestamp and deletionGracePeriodSeconds (`grace_seconds`, or their own) and stay
        until `finalize`; grace 0 removes at once. Objects with finalizers stay until those are gone. Raises
        StoreNotFound, and StoreConflict when `uid` or `resource_version` is not the stored one.
        """
        with self.lock:
            old = self._stored(plural, namespace, name)
            lifecycle.check(plural, old, uid=uid, resource_version=resource_version)
            grace = lifecycle.grace(old, grace_seconds) if plural == "pods" else 0
            new = lifecycle.marked(plural, old, self.now(), grace)
            if dry_run:
                return new
            if new == old:
                return old
            if not lifecycle.held(plural, new):
                return self._remove(plural, key_of(old))
            self._write(plural, new, old)
            return new

    def finalize(self, plural: str, namespace: str | None, name: str) -> Object:
        """End a graceful deletion: the object goes, unless finalizers still hold it. Raises StoreNotFound."""
        return self.delete(plural, namespace, name, grace_seconds=0)

    def subscribe(self, plural: str | None = None, *, since: int | None = None) -> Subscription:
        """Return the changes to come (of `plural`, or all), or those after version `since`. Raises StoreGone."""
        with self.lock:
            return self._changes.subscribe(plural, since)

    def begin(self, plural: str) -> None:
        """Let the history of a kind begin now: what was before is too old to be watched from."""
        with self.lock:
            self._changes.begin(plural, self._version)

    def close(self) -> None:
        """End every subscription."""
        self._changes.close()

    def _stored(self, plural: str, namespace: str | None, name: str) -> Object:
        found = self._objects[plural].get(namespace or "", {}).get(name)
        if found is None:
            raise StoreNotFound(plural, name)
        return found

    def _name(self, plural: str, metadata: Object) -> str:
        if metadata.get("name"):
            return str(metadata["name"])
        taken = self._objects[plural][metadata.get("namespace") or ""]
        for _ in range(GENERATE_TRIES):
            name = generated(metadata["generateName"])
            if name not in taken:
                break
        return name

    def _write(self, plural: str, obj: Object, previous: Object | None) -> None:
        """Keep an object whose metadata is its own."""
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        namespace, name = key_of(obj)
        self._objects[plural][namespace][name] = obj
        kind = ADDED if previous is None else MODIFIED
        self._changes.publish(Record(self._version, kind, plural, obj, previous))

    def _remove(self, plural: str, key: Key) -> Object:
        namespace, name = key
        previous = self._objects[plural][namespace].pop(name)
        self._version += 1
        last = previous | {"metadata": previous["metadata"] | {"resourceVersion": str(self._version)}}
        self._changes.publish(Record(self._version, DELETED, plural, last, previous))
        return last
