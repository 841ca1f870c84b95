"""What a Secret's regeneration needs next. Pure.

| next     | when                                                                                                  |
|----------|-------------------------------------------------------------------------------------------------------|
| begin    | every dependant is there, can be restarted, and is whole                                              |
| restart  | a dependant, once those before it have rolled out; who has been, its template's restartedAt says      |
| end      | all have been, and are whole, and the overlap is over                                                 |
| put back | one does not get on with the new values; who was restarted is restarted once more, the last one first |

Nothing else is remembered, so that whoever comes next, or twice, goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from molt import due, marks, pause
from rotate import restart, rollout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molt.policy.regeneration import Dependant
    from molt.regenerable import UnderWay
    from rotate.fleet import Fleet

Object = dict[str, Any]

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """A dependant as a tick found it; `fleet` None: it is not there."""

    dependant: Dependant
    fleet: Fleet | None = None
    pods: Sequence[Object] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next, and why."""

    action: Literal["restart", "put back", "end", "wait", "held", "keep"]
    """wait: for what was begun; held: by what may never end by itself."""
    reason: str = ""
    fleet: Fleet | None = field(default=None, compare=False)


def lack(standings: Sequence[Standing], now: datetime) -> str | None:
    """Return why no regeneration begins now, or None."""
    for one in standings:
        if one.fleet is None:
            return f"its dependant {one.dependant} is not there"
        if reason := pause.reason(one.fleet.pause, str(one.fleet), now) or _hindered(one.fleet, one.pods, now):
            return reason
    return None


def next_step(way: UnderWay, overlap: timedelta, standings: Sequence[Standing], now: datetime) -> Step:
    """Return what a regeneration that is under way needs next."""
    return _back(way, way.put_back_at, standings, now) if way.put_back_at else _forth(way, overlap, standings, now)


def moment(standings: Sequence[Standing], now: datetime) -> datetime:
    """Return the time to write down for what is done now: after all that the dependants say was done before.

    Their restarts may have been stamped by a clock that is ahead of this one.
    """
    tops = [one.fleet.top for one in standings if one.fleet]
    said = [time for top in tops for time in (marks.time_of(restart.stamped(top)), due.stays_since(top)) if time]
    return max([now, *(time + _SECOND for time in said if now <= time <= now + due.AHEAD)])


def stamp(since: datetime, now: datetime) -> datetime:
    """Return the time to stamp a restart with: in whole seconds, and never before what it is to follow."""
    return max(now, _whole(since))


def _forth(way: UnderWay, overlap: timedelta, standings: Sequence[Standing], now: datetime) -> Step:
    there = [(one.fleet, one.pods) for one in standings if one.fleet]
    for fleet, pods in there:
        if cause := _failure(fleet, pods, way.since, now):
            return Step("put back", cause)
    for fleet, pods in there:
        if not _restarted(fleet, way.since, now):
            reason = _hindered(fleet, pods, now)
            return Step("held", f"its dependants restart: {reason}") if reason else Step("restart", fleet=fleet)
        if reason := _unready(fleet, pods, now):
            return Step("wait", f"its dependants restart: {reason}")
    return Step("keep") if now < way.since + overlap else Step("end")


def _back(way: UnderWay, at: datetime, standings: Sequence[Standing], now: datetime) -> Step:
    """Restart again who was restarted before, the last first; who rests holds up no other."""
    there = [(one.fleet, one.pods) for one in reversed(standings) if one.fleet]
    waits = []
    for fleet, pods in there:
        if _touched(fleet, way.since, at, now):
            reason = _hindered(fleet, pods, now)
            if reason is None:
                return Step("restart", fleet=fleet)
            waits.append(Step("held", f"its former values are back: {reason}"))
        elif reason := _unready(fleet, pods, now):
            waits.append(Step("wait", f"its former values are back: {reason}"))
    return waits[0] if waits else Step("end")


def _failure(fleet: Fleet, pods: Sequence[Object], since: datetime, now: datetime) -> str | None:
    """Return why the dependant does not get on with the new values, or None.

    What somebody has changed in the meantime, or paused, is theirs, and may be the cure.
    """
    notes, stayed = marks.annotations_of(fleet.top), due.stays_since(fleet.top)
    if not _restarted(fleet, since, now):
        return f"the restart of {fleet} was undone" if stayed and _followed(stayed, since) else None
    if marks.POLICY in notes and _is_after(notes.get(marks.RESTARTED_FROM), since, now):
        return None  # the clock restarts who is whole: it was, with the new values
    ours = notes.get(marks.RESTARTED_AT) == restart.stamped(fleet.top)
    same = notes.get(marks.RESTARTED_TEMPLATE) == restart.digest(fleet.top)
    if not ours or not same or fleet.top["spec"].get("paused") or not _unready(fleet, pods, now):
        return None
    return rollout.cause(fleet, pods, now)


def _restarted(fleet: Fleet, since: datetime, now: datetime) -> bool:
    """Tell whether the dependant was restarted at `since` or later, whoever did it."""
    return _is_after(restart.stamped(fleet.top), since, now)


def _is_after(stamp: str | None, since: datetime, now: datetime) -> bool:
    at = marks.time_of(stamp)
    return at is not None and since <= at <= max(now, _whole(since)) + due.AHEAD


def _touched(fleet: Fleet, since: datetime, put_back_at: datetime, now: datetime) -> bool:
    """Tell whether pods of the dependant may have the values that were put back since."""
    stayed = due.stays_since(fleet.top)
    undone_before = stayed is not None and _followed(stayed, since) and stayed < put_back_at
    return not _restarted(fleet, put_back_at, now) and (_restarted(fleet, since, now) or undone_before)


def _followed(stayed: datetime, since: datetime) -> bool:
    """Tell whether a restart was undone after the regeneration began, maybe by a clock that is behind.

    An hour before, none can have been: its workload would have rested.
    """
    return stayed >= since - due.AHEAD


def _hindered(fleet: Fleet, pods: Sequence[Object], now: datetime) -> str | None:
    """Return why the dependant cannot be restarted now, or None."""
    below = restart.partition(fleet.top) if fleet.kind == "StatefulSet" else 0
    if below:
        return f"a restart of {fleet} would leave out the pods below its partition {below}"
    return fleet.lacks(pods, now) or restart.lack(fleet, pods, timedelta(), now)


def _unready(fleet: Fleet, pods: Sequence[Object], now: datetime) -> str | None:
    return f"{fleet} has a rollout in progress" if restart.rolls(fleet) else fleet.short(pods, now)


def _whole(time: datetime) -> datetime:
    """Return the first whole second that is not before `time`."""
    whole = time.replace(microsecond=0)
    return whole if whole == time else whole + _SECOND
