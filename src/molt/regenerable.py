"""What a Secret's metadata says of its regeneration, and when the next is due. Pure; no value of a Secret gets here.

The function that regenerates and the command that foretells it decide by this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import due, marks
from molt.lifetime import FAR_OFF, LONG_AGO, bounds, lifetime
from molt.policy.regeneration import PREVIOUS
from molt.workload import controller

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from molt.lifetime import Keys
    from molt.policy.regeneration import Regeneration

Object = dict[str, Any]

MANAGER = "molt"
"""The field manager of molt's writes."""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A regeneration that is not finished."""

    keys: tuple[str, ...]
    """Whose former values are kept."""
    since: datetime
    put_back_at: datetime | None = None
    """When the former values were put back, since a dependant did not get on with the new ones."""


def objection(secret: Mapping[str, Any]) -> str | None:
    """Return why nothing of this Secret is touched, or None."""
    if marks.annotations_of(secret).get(marks.REGENERABLE) != marks.TRUE:
        return f'its owner does not let it: it has no annotation {marks.REGENERABLE}: "true"'
    if owner := controller(secret):
        return f"it belongs to {owner['kind']}/{owner['name']}, which would put its own values back"
    if marks.REGENERATING in marks.annotations_of(secret) and under_way(secret) is None:
        seen = f"{marks.REGENERATING_SINCE} and {marks.PUT_BACK_AT}"
        return f"nobody can read since when it is regenerated: see its annotations {seen}"
    return None


def under_way(secret: Mapping[str, Any]) -> UnderWay | None:
    """Return the regeneration that the Secret is in, or None; what nobody can read is none."""
    notes = marks.annotations_of(secret)
    keys, since = notes.get(marks.REGENERATING), _time(secret, marks.REGENERATING_SINCE)
    put_back_at = _time(secret, marks.PUT_BACK_AT)
    # Not known to be put back, its values would change places a second time.
    if not keys or since is None or (marks.PUT_BACK_AT in notes and put_back_at is None):
        return None
    return UnderWay(tuple(keys.split(",")), since, put_back_at)


def changed_by(secret: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    """Return who has written one of these keys, or its former value, after molt did; None when nobody has.

    Told by managedFields, which name the last writer of each key, and no value.
    """
    wanted = {f"f:{name}" for key in keys for name in (key, key + PREVIOUS)}
    for entry in secret["metadata"].get("managedFields") or ():
        written = ((entry.get("fieldsV1") or {}).get("f:data") or {}).keys() & wanted
        if written and entry.get("manager") != MANAGER:
            return f"{entry.get('manager')} has written {min(written).removeprefix('f:')} since"
    return None


def born(secret: Mapping[str, Any]) -> datetime:
    """Return since when the Secret has its values: its last regeneration, else when it was made."""
    made = marks.time_of(secret["metadata"].get("creationTimestamp"))
    return _time(secret, marks.REGENERATED_AT) or made or LONG_AGO


def due_at(one: Regeneration, secret: Mapping[str, Any], keys: Keys, now: datetime) -> datetime:
    """Return when the values have lived long enough; later when a regeneration was tried and put back."""
    since = born(secret)
    return _at(secret, since, _lives(one, secret, since, keys), now)


def due_after(one: Regeneration, secret: Mapping[str, Any], since: datetime, keys: Keys) -> datetime:
    """Return when values that were made at `since` will have lived long enough."""
    return since + _lives(one, secret, since, keys)


def due_between(one: Regeneration, secret: Mapping[str, Any], now: datetime) -> tuple[datetime, datetime]:
    """Return between which times `due_at` is, for those who have no key."""
    since = born(secret)
    shortest, longest = bounds(one.lifetime)
    return _at(secret, since, shortest, now), _at(secret, since, longest, now)


def _time(secret: Mapping[str, Any], name: str) -> datetime | None:
    """Return the time that an annotation says; what no clock can have said, though anybody may write it, is none."""
    time = marks.time_of(marks.annotations_of(secret).get(name))
    return time if time and time < FAR_OFF else None


def _lives(one: Regeneration, secret: Mapping[str, Any], since: datetime, keys: Keys) -> timedelta:
    # Each regeneration draws anew: the UID stays the same, and nobody must learn the next time from the last one.
    return lifetime(one.lifetime, keys.of(since), f"{secret['metadata']['uid']}/{marks.stamp(since)}")


def _at(secret: Mapping[str, Any], since: datetime, lives: timedelta, now: datetime) -> datetime:
    return max(since + lives, due.rests_until(secret, now) or LONG_AGO)
