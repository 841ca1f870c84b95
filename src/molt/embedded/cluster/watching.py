"""Watches: what is there, what changes, bookmarks, and the end.

An object that starts to match the selectors is ADDED, one that stops to is DELETED (with what it was last seen as).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster.changes import ADDED, DELETED, MODIFIED
from molt.embedded.cluster.errors import StoreGone
from molt.embedded.cluster.problems import INVALID, Fault, gone, invalid
from molt.embedded.cluster.reads import selected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from molt.embedded.cluster.changes import Record, Subscription
    from molt.embedded.cluster.reads import Scope
    from molt.embedded.cluster.requests import Request
    from molt.embedded.cluster.store import Store

Object = dict[str, Any]

BOOKMARK: Final = "BOOKMARK"
DEFAULT_SECONDS: Final = 1800.0
BOOKMARK_SECONDS: Final = 60.0
INITIAL_END: Final = "k8s.io/initial-events-end"


def watch(
    store: Store, request: Request, wanted: Scope, *, monotonic: Callable[[], float] = time.monotonic
) -> Iterator[Object]:
    """Yield watch events until the time is over or the store is closed. Raises Refused (422) before the first."""
    query = request.query
    version = _version(query.get("resourceVersion", ""))
    initial = query.get("sendInitialEvents") == "true" or (version == 0 and "sendInitialEvents" not in query)
    seconds = float(query.get("timeoutSeconds") or DEFAULT_SECONDS)
    with store.lock:
        current = int(store.version)
        present = selected(store, wanted) if initial else []
        since = current if initial or version == 0 else version
        try:
            changes = store.subscribe(wanted.kind.store, since=since)
        except StoreGone as error:
            return iter([{"type": "ERROR", "object": gone(error.reason).status()}])
    bookmarks = request.flag("allowWatchBookmarks")
    announced = query.get("sendInitialEvents") == "true"
    head = [{"type": ADDED, "object": one} for one in present]
    if announced and bookmarks:
        head.append(_bookmark(wanted, current, {"annotations": {INITIAL_END: "true"}}))
    return _events(wanted, changes, head, current, Pace(monotonic, seconds, bookmarks=bookmarks))


def _version(text: str) -> int:
    if not text.isdecimal() and text:
        fault = Fault("resourceVersion", INVALID, text, f'strconv.ParseUint: parsing "{text}": invalid syntax')
        raise invalid("ListOptions.meta.k8s.io", "", [fault])
    return int(text or 0)


class Pace:
    """When the watch ends, and when the next bookmark is due."""

    def __init__(self, monotonic: Callable[[], float], seconds: float, *, bookmarks: bool) -> None:
        """End after `seconds` of `monotonic`; `bookmarks`: they were asked for."""
        self._now = monotonic
        start = monotonic()
        self._end = start + seconds
        self._bookmarks = bookmarks
        self._next = start + BOOKMARK_SECONDS if bookmarks else self._end

    def left(self) -> float:
        """Return the seconds until something is due."""
        return max(min(self._end, self._next) - self._now(), 0.0)

    def over(self) -> bool:
        """Tell whether the watch ends."""
        return self._now() >= self._end

    def bookmark(self) -> bool:
        """Tell whether a bookmark is due now: every so often, and at the end."""
        due = self._bookmarks and self._now() >= min(self._next, self._end)
        if due:
            self._next = self._now() + BOOKMARK_SECONDS
        return due


def _events(wanted: Scope, changes: Subscription, head: list[Object], version: int, pace: Pace) -> Iterator[Object]:
    with changes:
        yield from head
        while not changes.closed:
            record = changes.record(pace.left())
            if record is not None:
                version = record.version
                event = _event(wanted, record)
                if event is not None:
                    yield event
            if pace.bookmark():
                yield _bookmark(wanted, version, {})
            if pace.over():
                return


def _event(wanted: Scope, record: Record) -> Object | None:
    before = record.previous is not None and wanted.holds(record.previous)
    now = record.type != DELETED and wanted.holds(record.obj)
    if not before and not now:
        return None
    if before and not now:
        last = record.obj if record.type == DELETED else record.previous or record.obj
        gone_version = {"resourceVersion": record.obj["metadata"]["resourceVersion"]}
        return {"type": DELETED, "object": last | {"metadata": last["metadata"] | gone_version}}
    return {"type": MODIFIED if before else ADDED, "object": record.obj}


def _bookmark(wanted: Scope, version: int, extra: Object) -> Object:
    metadata = {"resourceVersion": str(version), "creationTimestamp": None} | extra
    kind = wanted.kind
    return {"type": BOOKMARK, "object": {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}}
