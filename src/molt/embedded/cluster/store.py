"""The objects, in memory: one lock, one resourceVersion counter, and every change told to who subscribes.

The controllers use it in process; the HTTP side validates and authorises before it comes here. `plural` is always the
qualified key: "pods", "replicasets.apps", "networkpolicies.networking.k8s.io". `namespace` is None for cluster-scoped
objects. Objects come in and go out as copies: nobody can alter what is stored but by `update`.

    create, update, delete   optimistic concurrency, dry run, finalizers, graceful deletion of pods
    subscribe                ADDED, MODIFIED, DELETED in the order in which they happened
"""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from molt.embedded.cluster import lifecycle
from molt.embedded.cluster.changes import ADDED, DELETED, MODIFIED, Changes, Record, Subscription
from molt.embedded.cluster.errors import AlreadyExists, StoreNotFound
from molt.embedded.cluster.objects import copied, desired, generated, key_of, meta, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
        self._objects: dict[str, dict[Key, Object]] = {}
        self._changes = Changes(window)
        self._version = 1
        self.now = now

    @property
    def version(self) -> str:
        """Return the resourceVersion of the newest change."""
        with self.lock:
            return str(self._version)

    def get(self, plural: str, namespace: str | None, name: str) -> Object:
        """Return a copy of the object. Raises StoreNotFound."""
        with self.lock:
            return copied(self._stored(plural, namespace, name))

    def list(
        self,
        plural: str,
        namespace: str | None = None,
        *,
        at: int | None = None,
        where: Callable[[Object], bool] = _any,
    ) -> list[Object]:
        """Return copies of the objects, of one namespace or of all, ordered by namespace and name.

        With `at`, as they were at that version. `where` is shown each object itself, and picks those to be copied.
        Raises StoreGone when the history does not reach back that far.
        """
        with self.lock:
            objects = self._objects.get(plural, {})
            if at is not None:
                objects = self._changes.undone(plural, objects, at)
            here = [objects[key] for key in sorted(objects) if namespace in (None, key[0])]
            return [copied(one) for one in here if where(one)]

    def create(self, plural: str, obj: Object, *, dry_run: bool = False) -> Object:
        """Store a new object and return it: uid, creationTimestamp, resourceVersion, generation 1, generated name.

        Raises AlreadyExists. A dry run stores nothing and returns an object without resourceVersion.
        """
        with self.lock:
            made = copied(obj)
            objects = self._objects.setdefault(plural, {})
            metadata = meta(made)
            metadata["name"] = name = self._name(plural, metadata)
            if (key := key_of(made)) in objects:
                raise AlreadyExists(plural, name)
            metadata["uid"] = str(uuid.uuid4())
            metadata["creationTimestamp"] = rfc3339(self.now())
            for server_side in ("resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
                metadata.pop(server_side, None)
            if plural not in lifecycle.UNVERSIONED:
                metadata["generation"] = 1
            if not dry_run:
                self._write(plural, key, made, None)
            return copied(made)

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
            new = copied(old) if status_only else copied(obj)
            if status_only:
                new.pop("status", None)
                new |= {"status": copied(obj["status"])} if "status" in obj else {}
            lifecycle.keep(new, old)
            if new == old:
                return new
            if "generation" in new["metadata"] and desired(new) != desired(old):
                new["metadata"]["generation"] += 1
            if not dry_run and "deletionTimestamp" in new["metadata"] and not lifecycle.held(plural, new):
                self._remove(plural, key_of(new))
            elif not dry_run:
                self._write(plural, key_of(new), new, old)
            return copied(new)

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
            key = key_of(old)
            if new != old:
                if not lifecycle.held(plural, new):
                    return self._remove(plural, key)
                self._write(plural, key, new, old)
            return copied(new)

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
        try:
            return self._objects[plural][(namespace or "", name)]
        except KeyError:
            raise StoreNotFound(plural, name) from None

    def _name(self, plural: str, metadata: Object) -> str:
        if metadata.get("name"):
            return str(metadata["name"])
        taken: Iterable[Key] = self._objects[plural]
        for _ in range(GENERATE_TRIES):
            name = generated(metadata["generateName"])
            if (metadata.get("namespace") or "", name) not in taken:
                break
        return name

    def _write(self, plural: str, key: Key, obj: Object, previous: Object | None) -> None:
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        kept = self._objects[plural][key] = copied(obj)
        kind = ADDED if previous is None else MODIFIED
        self._changes.publish(Record(self._version, kind, plural, kept, previous))

    def _remove(self, plural: str, key: Key) -> Object:
        previous = self._objects[plural].pop(key)
        self._version += 1
        last = copied(previous)
        last["metadata"]["resourceVersion"] = str(self._version)
        self._changes.publish(Record(self._version, DELETED, plural, last, previous))
        return copied(last)
