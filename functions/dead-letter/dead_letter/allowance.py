"""How many dead letters a process writes into the cluster in a minute: whoever forges events must not keep it busy."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from dead_letter.kind import Kind

OF_A_KIND = 30
IN_ALL = 120
ALWAYS = 3  # of a kind, even when the others have taken all


class Allowance:
    """Counts by the minute, from any thread."""

    def __init__(self) -> None:
        """Begin with nothing taken."""
        self._turn = threading.Lock()
        self._minute = 0
        self._taken: Counter[Kind] = Counter()
        self._over = 0

    def take(self, kind: Kind, now: datetime) -> int:
        """Return 0 when one more may be written, else which one it is of those that may not, in this minute."""
        minute = int(now.timestamp() // 60)
        with self._turn:
            if minute != self._minute:
                self._minute, self._over = minute, 0
                self._taken.clear()
            if self._taken[kind] >= (OF_A_KIND if self._taken.total() < IN_ALL else ALWAYS):
                self._over += 1
                return self._over
            self._taken[kind] += 1
            return 0
