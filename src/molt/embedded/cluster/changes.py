"""What happened in the store, in order: a bounded history, and subscriptions to what comes."""

from __future__ import annotations

import queue
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from molt.embedded.cluster.errors import StoreGone
from molt.embedded.cluster.objects import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDED = "ADDED"
MODIFIED = "MODIFIED"
DELETED = "DELETED"

Spaces = defaultdict[str, dict[str, dict[str, Any]]]  # objects of one kind by namespace ("" for none) and name


class Change(NamedTuple):
    """One change as subscribers see it."""

    type: str
    plural: str
    obj: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """One change as the store keeps it: nobody may alter `obj` or `previous` (the object before, if any)."""

    version: int
    type: str
    plural: str
    obj: dict[str, Any]
    previous: dict[str, Any] | None


class Subscription:
    """The changes since it was made, in order. Iterating blocks until `close()`; one reader at a time."""

    def __init__(self, changes: Changes, plural: str | None) -> None:
        """Be fed by `changes` with what concerns `plural` (None: everything)."""
        self._changes = changes
        self._plural = plural
        self._queue: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        self.closed = False

    def put(self, record: Record | None) -> None:
        """Take one record in, if it concerns this subscription (None: wake the reader, nothing more will come)."""
        if record is None or self._plural in (None, record.plural):
            self._queue.put(record)

    def record(self, timeout: float | None = None) -> Record | None:
        """Return the next record; None when `timeout` seconds pass without one, or once closed."""
        if self.closed:
            return None
        try:
            return self._queue.get(timeout=timeout)
        except queue.Empty:
            return None

    def get(self, timeout: float | None = None) -> Change | None:
        """Return the next change; None when `timeout` seconds pass without one (see `closed`), or once closed."""
        record = self.record(timeout)
        return None if record is None else Change(record.type, record.plural, record.obj)

    def __iter__(self) -> Iterator[Change]:
        """Yield changes as they come, until closed."""
        while (change := self.get()) is not None:
            yield change

    def __enter__(self) -> Self:
        """Return itself: a `with` block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Stop: a blocked reader wakes up and ends."""
        self.closed = True
        self._changes.drop(self)
        self.put(None)


class Changes:
    """The history and its readers. Not locked by itself: the store calls it under its own lock."""

    def __init__(self, window: int) -> None:
        """Keep the last `window` records."""
        self._records: deque[Record] = deque(maxlen=window)
        self._subscriptions: list[Subscription] = []
        self._forgotten = 0
        self._begun: dict[str, int] = {}

    def publish(self, record: Record) -> None:
        """Remember `record` and hand it to every subscription."""
        if len(self._records) == self._records.maxlen:
            self._forgotten = self._records[0].version
        self._records.append(record)
        for subscription in self._subscriptions:
            subscription.put(record)

    def subscribe(self, plural: str | None, since: int | None) -> Subscription:
        """Return a subscription that starts after version `since` (None: now). Raises StoreGone."""
        subscription = Subscription(self, plural)
        if since is not None:
            self._check(plural, since)
            for record in self._records:
                if record.version > since:
                    subscription.put(record)
        self._subscriptions = [*self._subscriptions, subscription]
        return subscription

    def begin(self, plural: str, version: int) -> None:
        """Let the history of `plural` begin at `version`."""
        self._begun[plural] = version

    def undone(self, plural: str, spaces: Spaces, at: int) -> Spaces:
        """Return what the objects of `plural` were at version `at`. Raises StoreGone."""
        self._check(plural, at)
        before: Spaces = defaultdict(dict, {space: dict(objects) for space, objects in spaces.items()})
        for record in reversed(self._records):
            if record.plural == plural and record.version > at:
                namespace, name = key_of(record.obj)
                before[namespace].pop(name, None)
                if record.previous is not None:
                    before[namespace][name] = record.previous
        return before

    def _check(self, plural: str | None, version: int) -> None:
        oldest = max(self._forgotten, self._begun.get(plural or "", 0))
        if version < oldest:
            reason = f"too old resource version: {version} ({oldest})"
            raise StoreGone(plural or "objects", "", reason)

    def drop(self, subscription: Subscription) -> None:
        """Feed `subscription` no more."""
        self._subscriptions = [one for one in self._subscriptions if one is not subscription]

    def close(self) -> None:
        """Close every subscription."""
        for subscription in self._subscriptions:
            subscription.close()
