"""How full the spool is, what goes when it is, and the record of what went."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from molt.forwarder.tables import REJECTED
from molt.priority import Priority

if TYPE_CHECKING:
    import sqlite3

_COUNTED = (
    *("alerts", "bytes", "received", "again", "repeats", "sent"),
    *("dropped", "rejected", "forgotten"),
)
_COUNT = "UPDATE totals SET " + ", ".join(f"{name} = {name} + :{name}" for name in _COUNTED)  # noqa: S608 - ours
UNREAD = "unread files"
"""Among the priorities of what was dropped: files, or the rest of them, that were gone before they were read."""
_NOTHING = dict.fromkeys(_COUNTED, 0)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a spool holds, and for how many seconds a repeat is one (0: nothing is a repeat)."""

    alerts: int = 100_000
    bytes: int = 256 * 2**20
    window: float = 30.0


def count(connection: sqlite3.Connection, **more: int) -> None:
    """Add to the totals."""
    connection.execute(_COUNT, _NOTHING | more)


def make(  # noqa: PLR0913 - one caller's numbers
    connection: sqlite3.Connection,
    limits: Limits,
    size: int,
    priority: int,
    now: float,
    *,
    rows: int = 1,
    besides: int | None = None,
) -> bool:
    """Make room for `rows` of `size` bytes in all, at the cost of what is less urgent than `priority`.

    The least urgent go first, of these the oldest, never the row `besides`. Returns False, and drops nothing, when that
    is not enough.
    """
    alerts, used = connection.execute("SELECT alerts, bytes FROM totals").fetchone()
    over_rows, over_bytes = alerts + rows - limits.alerts, used + size - limits.bytes
    if (over_rows <= 0 or not rows) and over_bytes <= 0:
        return True
    victims = []
    worst = "SELECT seq, priority, bytes FROM alerts WHERE priority > ? AND seq IS NOT ? ORDER BY priority DESC, seq"
    for victim in connection.execute(worst, (priority, besides)):
        victims.append(victim)
        over_rows, over_bytes = over_rows - 1, over_bytes - victim[2]
        if over_rows <= 0 and over_bytes <= 0:
            _drop(connection, victims, now)
            return True
    return False


def _drop(connection: sqlite3.Connection, victims: list[tuple[int, int, int]], now: float) -> None:
    connection.executemany("DELETE FROM alerts WHERE seq = ?", [(seq,) for seq, _, _ in victims])
    lost = [str(Priority(priority)) for _, priority, _ in victims if priority < REJECTED]
    freed = sum(size for _, _, size in victims)
    count(connection, alerts=-len(victims), bytes=-freed, dropped=len(lost), forgotten=len(victims) - len(lost))
    if lost:
        _note(connection, lost, now)


def unread(connection: sqlite3.Connection, now: float) -> None:
    """Count a file, or the rest of one, that was gone before it was read: as one drop, whatever was in it."""
    count(connection, dropped=1)
    _note(connection, [UNREAD], now)


def _note(connection: sqlite3.Connection, lost: list[str], now: float) -> None:
    """Add to the batch of drops that is not being told of yet."""
    row = connection.execute("SELECT batch, n, since, priorities FROM drops WHERE NOT told").fetchone()
    batch, n, since, written = row or (None, 0, now, "{}")
    by_name = Counter(json.loads(written))
    by_name.update(lost)
    connection.execute(
        "INSERT OR REPLACE INTO drops (batch, n, since, until, priorities) VALUES (?, ?, ?, ?, ?)",
        (batch, n + len(lost), since, now, json.dumps(by_name)),
    )
