"""The ledger: which pods the limits of the policies count, and which circuit breakers are open.

One object of the kind Ledger for the whole cluster, so that a limit holds whichever replica of quarantine acts. A place
is taken in it before a pod is isolated, with a patch that holds only for the ledger as it was read: of two that count
the same places only one gets through, and the other counts anew.

A place is given back by a release at once, and otherwise when the pod is not in quarantine GRACE after the place was
taken: what is between reservation and isolation by then has failed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from molt import marks
from molt.cluster import PODS, AlreadyExists, Conflict, NotFound
from molt.cluster.resources import LEDGERS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from molt.cluster import Cluster

NAME: Final = "quarantine"
WINDOW: Final = timedelta(minutes=1)
"""What limits.perMinute counts, and how long a breaker stays open."""
_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
GRACE: Final = timedelta(minutes=2)
"""Longer than any event is worked on: four times the time-out of the function."""


@dataclass(frozen=True, slots=True)
class Place:
    """What is counted: a pod of a workload (`namespace/Kind/name`), isolated or about to be since `at`."""

    workload: str
    at: datetime

    @classmethod
    def parse(cls, text: str) -> Place:
        """Return the place that the ledger has; one without a readable time counts from when time began."""
        at, _, workload = text.partition(" ")
        return cls(workload, marks.time_of(at) or _EVER)

    def render(self) -> str:
        """Return the place as the ledger has it."""
        return f"{marks.stamp(self.at)} {self.workload}"


@dataclass(frozen=True, slots=True)
class Breaker:
    """The circuit breaker of a policy: when it opened, on which pod's account (its UID), when it was last reset."""

    opened: datetime | None = None
    by: str = ""
    reset: datetime | None = None

    def render(self) -> dict[str, str | None]:
        """Return the breaker as a merge patch makes it."""
        opened, reset = (marks.stamp(time) if time else None for time in (self.opened, self.reset))
        return {"opened": opened, "by": self.by or None, "reset": reset}

    def ends(self, now: datetime) -> datetime | None:
        """Return until when it is open; None when it is not."""
        return None if self.opened is None or self.opened + WINDOW <= now else self.opened + WINDOW


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger as it was read."""

    version: str
    places: Mapping[str, Place]
    breakers: Mapping[str, Breaker]

    @classmethod
    def parse(cls, obj: Mapping[str, Any]) -> Ledger:
        """Return the ledger that an object is."""
        spec = obj.get("spec") or {}
        return cls(
            obj["metadata"].get("resourceVersion", ""),
            {uid: Place.parse(place) for uid, place in (spec.get("pods") or {}).items()},
            {
                policy: Breaker(marks.time_of(said.get("opened")), said.get("by", ""), marks.time_of(said.get("reset")))
                for policy, said in (spec.get("breakers") or {}).items()
            },
        )

    def stale(self, held: Iterable[str], now: datetime) -> set[str]:
        """Return the UIDs whose place is none any more, when those of `held` are in quarantine."""
        return {uid for uid, place in self.places.items() if place.at <= now - GRACE} - set(held)

    def without(self, uids: Collection[str]) -> Ledger:
        """Return the ledger without the places of these pods."""
        return replace(self, places={uid: place for uid, place in self.places.items() if uid not in uids})


def read(cluster: Cluster, *, dry_run: bool = False) -> Ledger:
    """Return the ledger; where there is none yet, one is made of the pods that are in quarantine now."""
    try:
        return Ledger.parse(cluster.get(LEDGERS, NAME))
    except NotFound:
        pods = {pod["metadata"]["uid"]: _place(pod).render() for pod in in_quarantine(cluster)}
    ledger = {"metadata": {"name": NAME}, "spec": {"pods": pods}}
    try:
        return Ledger.parse(cluster.create(LEDGERS, ledger, dry_run=dry_run))
    except AlreadyExists:
        return Ledger.parse(cluster.get(LEDGERS, NAME))


def change(cluster: Cluster, ledger: Ledger, to: Ledger) -> Ledger:
    """Make the ledger, as it was read, what `to` says; return it as it is then. Raises Conflict if it is another.

    The answer is not read but for its version: what was read and what is changed is all that there can be in it, and of
    a long ledger that takes long.
    """
    spec = {"pods": _difference(ledger.places, to.places), "breakers": _difference(ledger.breakers, to.breakers)}
    if not any(spec.values()):
        return ledger
    patch = {"metadata": {"resourceVersion": ledger.version}, "spec": {part: new for part, new in spec.items() if new}}
    try:
        answer = cluster.merge(LEDGERS, NAME, patch)
    except NotFound as error:
        raise Conflict(error.reason) from error
    return replace(to, version=answer["metadata"]["resourceVersion"])


def free(cluster: Cluster, uid: str) -> None:
    """Give the place of a pod back; well if there is none."""
    try:
        cluster.merge(LEDGERS, NAME, {"spec": {"pods": {uid: None}}})
    except NotFound:
        return


def reset(cluster: Cluster, policy: str, now: datetime) -> bool:
    """Close the breaker of a policy, and count anew from now; return whether it was open."""
    try:
        ledger = Ledger.parse(cluster.get(LEDGERS, NAME))
    except NotFound:
        return False
    if ledger.breakers.get(policy, Breaker()).ends(now) is None:
        return False
    closed = {"opened": None, "by": None, "reset": marks.stamp(now)}
    cluster.merge(LEDGERS, NAME, {"spec": {"breakers": {policy: closed}}})
    return True


def opened(cluster: Cluster, now: datetime) -> dict[str, datetime]:
    """Return the policies whose breaker is open, and until when."""
    try:
        ledger = Ledger.parse(cluster.get(LEDGERS, NAME))
    except NotFound:
        return {}
    ends = {policy: breaker.ends(now) for policy, breaker in ledger.breakers.items()}
    return {policy: end for policy, end in sorted(ends.items()) if end}


def tidy(cluster: Cluster, now: datetime) -> None:
    """Take out the places that are none any more. Raises Conflict when the ledger changed meanwhile."""
    try:
        ledger = Ledger.parse(cluster.get(LEDGERS, NAME))
    except NotFound:
        return
    if ledger.stale((), now) and (stale := ledger.stale(_uids(in_quarantine(cluster)), now)):
        change(cluster, ledger, ledger.without(stale))


def in_quarantine(cluster: Cluster) -> list[dict[str, Any]]:
    """Return the pods in quarantine, of all namespaces."""
    pods = cluster.list(PODS, labels=f"{marks.COMPROMISED}={marks.TRUE}")
    return [pod for pod in pods if marks.is_quarantined(pod)]


def _difference(old: Mapping[str, Place | Breaker], new: Mapping[str, Place | Breaker]) -> dict[str, Any]:
    """Return the merge patch that makes the old entries the new ones."""
    gone: dict[str, Any] = dict.fromkeys(old.keys() - new.keys())
    return gone | {key: entry.render() for key, entry in new.items() if old.get(key) != entry}


def _uids(pods: Iterable[Mapping[str, Any]]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}


def _place(pod: Mapping[str, Any]) -> Place:
    notes, metadata = marks.annotations_of(pod), pod["metadata"]
    workload = marks.printable(notes.get(marks.WORKLOAD, f"Pod/{metadata['name']}"))
    at = marks.quarantined_at(pod) or marks.time_of(metadata.get("creationTimestamp"))
    return Place(f"{metadata['namespace']}/{workload}", at or _EVER)
