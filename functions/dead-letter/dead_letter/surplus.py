"""Which dead letters have to go, so that a flood of them neither fills the cluster nor washes the others away. Pure."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from dead_letter.kind import Kind

MOST = 1000
"""How many are kept: with the longest data that is 32 MiB of etcd's 2 GiB."""
RETENTION = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Kept:
    """A dead letter that the cluster keeps."""

    name: str
    uid: str
    kind: Kind
    at: datetime


def surplus(kept: Iterable[Kept], now: datetime) -> list[Kept]:
    """Return those older than RETENTION, and of the most frequent kinds the oldest, until MOST are left."""
    gone: list[Kept] = []
    kinds: dict[Kind, deque[Kept]] = defaultdict(deque)
    for one in sorted(kept, key=lambda one: (one.at, one.name)):
        if one.at <= now - RETENTION:
            gone.append(one)
        else:
            kinds[one.kind].append(one)
    over = sum(map(len, kinds.values())) - MOST
    return gone + [max(kinds.values(), key=len).popleft() for _ in range(over)]
