"""The evidence function: a bundle of everything about the pod, before anything happens to it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from evidence import custody, plan
from evidence.collect import Collector, Wanted
from molt import marks
from molt.cluster import PODS, NotFound
from molt.evidence.archive import Archive
from molt.evidence.bundle import bundle_id, pack
from molt.itinerary import Entry, Slip
from molt.outcome import BadEvent, Done, MoltError, Outcome, PermanentError, Skipped, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.events import Event
    from molt.evidence.archive import Objects
    from molt.evidence.bundle import Bundle, Missing
    from molt.evidence.index import Entry as Indexed
    from molt.outcome import Clock
    from molt.server import Handler

FUNCTION: Final = "evidence"
COLLECTED: Final = "io.molt-project.evidence.collected.v1"
SKIPPED: Final = "io.molt-project.remedy.skipped.v1"
STOP: Final = "Stop"
LOG_LINES: Final = 10_000
PATIENCE: Final = timedelta(seconds=10)
"""How old an event may be for a failure that may pass to be tried again, when the policy says `Continue`: isolating the
pod waits for it."""
_SHOWN: Final = 8  # names of missing things in a reason
_LONGEST: Final = 1024  # characters of a reason: names in it are of any length, and a slip's reason is not


def handler(objects: Objects, collector: str) -> Handler:
    """Return the handler that keeps its bundles in `objects`, collected in the name of an account."""
    archive = Archive(objects)

    def handle(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
        """Collect the evidence of the slip's target once.

        Raises BadEvent for an event that is no slip with `evidence` at its head, TemporaryError when what is missing
        may be had by a later try, and PermanentError when it stays missing and the policy says to stop.
        """
        slip = Slip.parse(event.data)
        parameters = slip.current(FUNCTION).parameters
        stops = parameters.get("ifMissing") == STOP
        now = clock.now()
        patient = stops or (event.time is not None and abs(now - event.time) < PATIENCE)
        checkpoint = parameters.get("checkpoint") is True
        one = Collector(cluster, clock, slip, Wanted(_lines(parameters), checkpoint=checkpoint, patient=patient))
        if slip.mode == "DryRun":
            return _rehearsed(slip, event, one, now)
        name = bundle_id(slip.alert["id"], slip.target.uid)
        try:
            entry, bundle = archive.keep(name, lambda: _collected(name, one, collector))
        except MoltError as error:
            if stops or (patient and isinstance(error, TemporaryError)):
                raise
            return _without(slip, event, error.reason, now)
        if stops and (lacking := [missing for missing in bundle.missing if missing.essential]):
            lacks = marks.printable(_named(lacking), _LONGEST)
            raise PermanentError(f"bundle {name} lacks {lacks}, and the policy says ifMissing: Stop")
        return _done(slip, event, entry, bundle, now)

    return handle


def _lines(parameters: Mapping[str, Any]) -> int:
    """Return how many lines of a log are wanted."""
    lines = parameters.get("logLines", LOG_LINES)
    if type(lines) is not int or lines < 1:
        raise BadEvent("itinerary[0].parameters.logLines: not a whole number from 1 on")
    return lines


def _pod(one: Collector) -> dict[str, Any] | None:
    """Return the target; None when it is gone, or another pod has its name."""
    target = one.slip.target
    try:
        pod = one.cluster.get(PODS, target.name, target.namespace)
    except NotFound:
        return None
    return pod if pod["metadata"]["uid"] == target.uid else None


def _collected(name: str, one: Collector, collector: str) -> bytes:
    """Return the bundle's file."""
    began = one.clock.now()
    one.collect(_pod(one))
    cluster = one.identity()
    box = one.box
    record = custody.record(
        one.slip,
        collector=collector,
        cluster=cluster,
        began=began,
        ended=one.clock.now(),
        calls=len(one.cluster.requests),
    )
    limits = {"itemBytes": box.item, "totalBytes": box.total, "logLines": one.wanted.log_lines}
    return pack(name, box.items, box.missing, record, limits)


def _done(slip: Slip, event: Event, entry: Indexed, bundle: Bundle, now: datetime) -> Done:
    """Return the fact that follows; the same for a redelivery, since all of it comes from the slip and the bundle."""
    missing = bundle.missing
    lacks = f", without {_named(missing)}" if missing else ""
    reason = marks.printable(f"bundle {entry.bundle}: {len(bundle.manifest['files'])} files{lacks}", _LONGEST)
    details = {"bundle": entry.bundle, "sha256": entry.sha256, "anchor": entry.hash, "missing": len(missing)}
    left = slip.record(Entry(FUNCTION, "acted", reason, entry.at, details))
    at = marks.time_of(entry.at) or now
    return Done(left.event(function=FUNCTION, type=COLLECTED, cause=event, time=at), reason)


def _without(slip: Slip, event: Event, why: str, now: datetime) -> Skipped:
    """Return the outcome when nothing could be kept, and the policy goes on all the same."""
    reason = marks.printable(f"no evidence was kept: {why}", _LONGEST)
    left = slip.record(Entry(FUNCTION, "skipped", reason, marks.stamp(now)))
    if not left.itinerary:
        return Skipped(reason)
    return Skipped(reason, left.event(function=FUNCTION, type=SKIPPED, cause=event, time=now))


def _rehearsed(slip: Slip, event: Event, one: Collector, now: datetime) -> Done:
    """Return what would be collected; only the pod is read."""
    pod = _pod(one)
    known = plan.containers(pod) if pod else []
    logs = [container.name for container in known if container.started]
    owned = [f"{owner.kind} {owner.name}" for owner in plan.owners(pod)] if pod else []
    what = ", ".join([*owned, *(f"log of {name}" for name in logs)]) or "nothing of the pod, which is gone"
    told = f"would collect {what}, events, node, network policies, services and alert"
    reason = marks.printable(told, _LONGEST)
    fact = slip.record(Entry(FUNCTION, "rehearsed", reason, marks.stamp(now)))
    return Done(fact.event(function=FUNCTION, type=COLLECTED, cause=event, time=now), reason, rehearsed=True)


def _named(missing: Iterable[Missing]) -> str:
    names = [one.what for one in missing]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
