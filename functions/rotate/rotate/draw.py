"""Which combination comes next: a keyed hash of what there is now, so that nothing needs to be remembered. Pure.

    index = HMAC-SHA256(key, the state) mod (combinations - avoided)

Each combination that may come is as likely as any other (to 2^-224, as there are 2^32 at most); the one that there is
now never comes. The same state draws the same: a doubled tick does no harm. Without the key nobody can tell what comes.
"""

from __future__ import annotations

import hmac
import json
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from molt.combination import Combination
    from molt.policy.reconfigure import Dimension

DOMAIN = "molt reconfigure"
"""Keeps these hashes apart from those that lifetimes are drawn by, with the same key."""


def draw(
    key: bytes, state: Sequence[object], dimensions: Sequence[Dimension], avoided: Iterable[Mapping[str, str | None]]
) -> Combination:
    """Return the next combination: none of those avoided, the first above all.

    Of the others, only as many are avoided as leave a choice of one. `state` is what JSON can tell.
    """
    total = prod(len(one.options) for one in dimensions)
    barred: list[int] = []
    for combination in avoided:
        index = _index(dimensions, combination)
        if index is not None and index not in barred and len(barred) < total - 1:
            barred.append(index)
    message = json.dumps([DOMAIN, *state], sort_keys=True).encode()
    index = int.from_bytes(hmac.digest(key, message, "sha256"), "big") % (total - len(barred))
    for taken in sorted(barred):
        index += index >= taken
    return _at(dimensions, index)


def _index(dimensions: Iterable[Dimension], combination: Mapping[str, str | None]) -> int | None:
    """Return the number of a combination, or None when it is none that could be drawn."""
    index = 0
    for one in dimensions:
        value = combination.get(one.name)
        if value is None or value not in one.options:
            return None
        index = index * len(one.options) + one.options.index(value)
    return index


def _at(dimensions: Sequence[Dimension], index: int) -> Combination:
    """Return the combination of a number: the last dimension changes fastest."""
    found: Combination = {}
    for one in reversed(dimensions):
        index, digit = divmod(index, len(one.options))
        found[one.name] = one.options[digit]
    return {one.name: found[one.name] for one in dimensions}
