"""Haste: how an alarm shortens lifetimes for a while. Pure.

At time t of an alarm that was raised at `since` a lifetime L counts as L / f(t), where

    f(t) = 1 + (factor - 1) * (1 - (t - since) / length)    from `since` to `since + length`, else 1

falls evenly from `factor` to 1. A pod is due at the first moment at which its age is L / f(t), or else at the age of L.
The first moment, and not the present one, since later in the alarm L / f grows faster than a pod ages: who was due and
had to wait, for a window or a budget, stays due. So the time does not depend on when one asks. It is never later than
without the alarm, never earlier than an age of L / factor, and for a pod that is made after the alarm as ever. A new
alarm makes nobody due later who was due at its start.

Solved for x = t - since, with a = age at `since`, D = length and F = factor - 1:

    (x + a) * (1 + F - F * x / D) = L
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Alarm:
    """Lifetimes are divided by `factor` (> 1) at `since`, and by less and less until `length` later."""

    since: datetime
    factor: float
    length: timedelta

    @property
    def until(self) -> datetime:
        """Return when lifetimes are as ever again."""
        return self.since + self.length

    def at(self, time: datetime) -> float:
        """Return what lifetimes are divided by then."""
        if not self.since <= time <= self.until:
            return 1.0
        return 1 + (self.factor - 1) * (1 - (time - self.since) / self.length)


def due(born: datetime, lifetime: timedelta, alarm: Alarm | None) -> datetime:
    """Return when a pod that was made at `born` has lived for its lifetime, or for what the alarm leaves of it."""
    normal = born + lifetime
    wait = _wait(born, lifetime, alarm) if alarm and normal > alarm.since else None
    if alarm is None or wait is None:
        return normal
    earliest = born + lifetime / alarm.factor
    return min(normal, max(earliest, alarm.since + timedelta(seconds=wait)))


def _wait(born: datetime, lifetime: timedelta, alarm: Alarm) -> float | None:
    """Return how many seconds into the alarm the pod is due by it; None when it is not."""
    age, length = (alarm.since - born).total_seconds(), alarm.length.total_seconds()
    extra = alarm.factor - 1
    lack = lifetime.total_seconds() - age * alarm.factor
    if lack <= 0:
        return 0.0
    # -(extra / length) * x^2 + slope * x - lack = 0: due at the lesser root, in the form that loses no digits.
    slope = alarm.factor - age * extra / length
    square = slope * slope - 4 * lack * extra / length
    if square < 0 or slope <= 0:
        return None
    wait = 2 * lack / (slope + math.sqrt(square))
    return wait if wait <= length else None
