"""How long a pod lives: a keyed hash of its UID, so that nothing needs to be remembered.

    U(uid)      = HMAC-SHA256(key, uid) as a fraction, uniform in [0, 1)
    {min, max}  L = min + (max - min) * U
    {every}     L = every * (1 - 0.2 * U)

The same pod has the same lifetime at every tick: lost, late and doubled ticks do no harm. Without the key nobody can
tell when a pod will move, however many moves were seen. At the same mean a fixed lifetime leaves an attacker who cannot
see the clock the least time, and an exponential one 36-78 % more; a uniform one is in between, is bounded, so that no
pod outlives its policy, and helps against one who can see the clock. Replicas that were made together must not move
together: up to 20 % less than `every` parts them, and costs about 1 %. Whoever writes `min` and `max` has chosen the
spread: none, where they are equal.

A new key would draw every lifetime anew, and all pods that are older than their new one would be due in the same
minute. So a pod that was made before the key counts keeps the lifetime that the previous key drew; nothing is redrawn.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from molt import timestamps

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from molt.policy import Lifetime

SPREAD = 0.2
SHORTEST_KEY = 16
KEY = "MOLT_ROTATION_KEY"
PREVIOUS, SINCE = f"{KEY}_PREVIOUS", f"{KEY}_SINCE"
LONG_AGO = datetime.min.replace(tzinfo=UTC)
FAR_OFF = datetime(9000, 1, 1, tzinfo=UTC)
"""No clock says so, though anybody may write it: a time from then on, and what is reckoned from it, may be no date."""
_BITS = 53  # of a float's mantissa: any more could round up to 1.0


@dataclass(frozen=True, slots=True)
class Keys:
    """The secret that lifetimes are drawn with; before `since` it was `previous`."""

    current: bytes = field(repr=False)
    previous: bytes = field(default=b"", repr=False)
    since: datetime = LONG_AGO

    def of(self, born: datetime) -> bytes:
        """Return the key of a pod that was made at `born`."""
        return self.previous if born < self.since else self.current


def keys(settings: Mapping[str, str]) -> Keys:
    """Return the keys that KEY, PREVIOUS and SINCE (RFC 3339) of the settings are; the last two together, or neither.

    A key is its bytes as they stand, be they base64, hexadecimal or a pass phrase. Raises ValueError when one is
    missing or too short: whoever guesses it knows when each pod moves.
    """
    current = _secret(settings, KEY)
    said = [name for name in (PREVIOUS, SINCE) if settings.get(name, "").strip()]
    if not said:
        return Keys(current)
    if len(said) == 1:
        raise ValueError(f"{PREVIOUS} and {SINCE} belong together, and only {said[0]} is set")
    since = timestamps.rfc3339(settings[SINCE].strip())
    if since is None:
        raise ValueError(f"{SINCE} is no time such as 2026-11-24T12:00:00Z")
    return Keys(current, _secret(settings, PREVIOUS), since)


def _secret(settings: Mapping[str, str], name: str) -> bytes:
    key = settings.get(name, "").strip().encode()
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"{name} has {len(key)} bytes, and must have {SHORTEST_KEY} at least")
    return key


def fraction(key: bytes, uid: str) -> float:
    """Return U: in [0, 1), the same for the same key and UID."""
    digest = hmac.digest(key, uid.encode(), "sha256")
    return float(int.from_bytes(digest[:8], "big") >> (64 - _BITS)) / float(1 << _BITS)


def lifetime(span: Lifetime, key: bytes, uid: str) -> timedelta:
    """Return how long the pod of this UID lives: between the span's ends, or up to a fifth less than a fixed one."""
    drawn = fraction(key, uid)
    if span.fixed:
        return span.max * (1 - SPREAD * drawn)
    return span.min + (span.max - span.min) * drawn


def bounds(span: Lifetime) -> tuple[timedelta, timedelta]:
    """Return the shortest and the longest lifetime that can be drawn."""
    return (span.max * (1 - SPREAD) if span.fixed else span.min), span.max
