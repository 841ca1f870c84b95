"""How many moves one tick begins in the whole cluster, and how they are shared. Pure.

The most overdue go first, whatever their policy and namespace, one of each workload. What a namespace does not use of
its share, since its pods cannot move now, is left to those after it: nobody who is stuck starves the others.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

MOST = 50
"""Moves that one tick begins in the whole cluster, unless MOLT_MOVES_PER_TICK says otherwise."""
LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to do in a namespace: since when each workload's first pod is overdue, and if moves are under way."""

    namespace: str
    overdue: Sequence[datetime]
    under_way: bool = False


def most(text: str) -> int:
    """Return the cap that `text` says, MOST when it is empty. Raises ValueError when it is none."""
    if not text.strip():
        return MOST
    if not text.strip().isdecimal() or not 1 <= int(text) <= LIMIT:
        raise ValueError(f"MOLT_MOVES_PER_TICK is not a number in 1..{LIMIT}")
    return int(text)


class Quota:
    """The moves that one tick may still begin."""

    def __init__(self, cap: int) -> None:
        """Begin a tick."""
        self.cap = cap
        self._shares: Counter[str] = Counter()
        self._spare = 0

    def share(self, outlooks: Iterable[Outlook]) -> Iterator[Outlook]:
        """Share the cap out; yield the outlooks with anything to do, the most overdue first."""
        found = [outlook for outlook in outlooks if outlook.overdue or outlook.under_way]
        queue = sorted((at, outlook.namespace) for outlook in found for at in outlook.overdue)
        self._shares.update(namespace for _, namespace in queue[: self.cap])
        self._spare = self.cap - self._shares.total()
        never = max((at for at, _ in queue), default=None)
        yield from sorted(found, key=lambda outlook: (min(outlook.overdue, default=never), outlook.namespace))

    def take(self, namespace: str) -> bool:
        """Take one move's place; return False when there is none for this namespace now."""
        if self._shares[namespace] > 0:
            self._shares[namespace] -= 1
        elif self._spare > 0:
            self._spare -= 1
        else:
            return False
        return True

    def give_back(self) -> None:
        """Leave the place of a move that was not begun to whoever comes next."""
        self._spare += 1

    def leave(self, namespace: str) -> None:
        """Leave what the namespace did not use to those after it."""
        self._spare += self._shares.pop(namespace, 0)
