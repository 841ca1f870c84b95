"""What a RotationPolicy does under attack: for how long its lifetimes are shorter after an alert, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from molt import marks
from molt.haste import Alarm
from molt.lifetime import FAR_OFF
from molt.policy import duration
from molt.policy.fields import describe

if TYPE_CHECKING:
    from molt.policy.fields import Reader

FIELD = "underAttack"
SINCE = "underAttackSince"
"""The field of a policy's status that says when its last alarm was raised."""
SHORTEST = timedelta(seconds=1)
LARGEST = 100


@dataclass(frozen=True, slots=True)
class UnderAttack:
    """By what lifetimes are divided at first (more than 1), and after how long they are as ever."""

    factor: float
    length: timedelta

    def alarm(self, obj: Any) -> Alarm | None:
        """Return the alarm that the status of the policy's object tells of; a time that nobody can read is none."""
        status = obj.get("status") if isinstance(obj, Mapping) else None
        since = status.get(SINCE) if isinstance(status, Mapping) else None
        time = marks.time_of(since) if isinstance(since, str) else None
        return Alarm(time, self.factor, self.length) if time and time < FAR_OFF else None


def read(spec: Reader) -> UnderAttack | None:
    """Read spec.underAttack; None when it is absent, or wrong, which is noted."""
    reader = spec.object(FIELD)
    if not spec.has(FIELD):
        return None
    factor, length = _factor(reader), duration.read(reader, "for", least=SHORTEST, required=True)
    reader.close()
    return UnderAttack(factor, length) if factor and length else None


def _factor(reader: Reader) -> float:
    """Read a number of more than 1; 0 when absent or wrong."""
    value = reader.raw("factor", required=True)
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        reader.problems.note(reader.at("factor"), f"must be a number, not {describe(value)}")
    elif not 1 < value <= LARGEST:
        reader.problems.note(reader.at("factor"), f"{value} is not more than 1 and at most {LARGEST}")
    else:
        return float(value)
    return 0.0
