"""The places under a policy's limits that this process has given away, and that a list may not show yet.

Events are handled at once. Who has counted and not yet patched has a place already, or another would count the same
and take it, too. No call to the API is made while others wait: they count what was listed and what was given away.
A place is remembered until its pod is isolated and every count that began before that is done; whoever begins later
finds the pod in the list.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Pod = dict[str, Any]


@dataclass
class Place:
    """A place that was given away: the pod as it will be listed, and the moment since which it is."""

    pod: Pod
    listed_since: int | None = None


class Places:
    """The places of one process; made where the handler is, and safe to share between threads."""

    def __init__(self) -> None:
        """Begin with none given away."""
        self._lock = threading.Lock()
        self._moment = 0
        self._counts: list[int] = []  # the moments at which the counts under way began
        self._given: list[Place] = []

    @contextmanager
    def count(self) -> Iterator[None]:
        """Surround the list, and the `take` that decides by it."""
        with self._lock:
            began = self._next()
            self._counts.append(began)
        try:
            yield
        finally:
            with self._lock:
                self._counts.remove(began)
                self._forget()

    def take(
        self, pod: Pod, listed: Iterable[Pod], exceeded: Callable[[list[Pod]], str | None], *, dry_run: bool
    ) -> Place | str:
        """Return a place for `pod`, or why there is none: what `exceeded` says to all others that have one.

        Not the pod itself: its alert, delivered twice at once, may have isolated it since it was read. With `dry_run`
        nobody else finds the place taken.
        """
        uid = pod["metadata"]["uid"]
        with self._lock:
            known = {item["metadata"]["uid"]: item for item in [*(place.pod for place in self._given), *listed]}
            if reason := exceeded([item for name, item in known.items() if name != uid]):
                return reason
            place = Place(pod)
            self._given += [] if dry_run else [place]
            return place

    @contextmanager
    def use(self, place: Place) -> Iterator[None]:
        """Surround the patch that isolates the pod. Done or not, who counts from now on sees it for himself."""
        try:
            yield
        finally:
            with self._lock:
                place.listed_since = self._next()
                self._forget()

    def _next(self) -> int:
        self._moment += 1
        return self._moment

    def _forget(self) -> None:
        """Forget the places whose pods are in the list of whoever counts."""
        first = min(self._counts, default=self._moment + 1)
        self._given = [place for place in self._given if place.listed_since is None or place.listed_since > first]
