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
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

    from molt.policy import Lifetime

SPREAD = 0.2
SHORTEST_KEY = 16
_BITS = 53  # of a float's mantissa: any more could round up to 1.0


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
