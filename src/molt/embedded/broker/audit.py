"""What the broker knows of its events, for people, the command line and tests: read only."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molt.embedded.broker.database import Database

_COUNTS = """
    SELECT 'accepted', count(*) FROM events UNION ALL
    SELECT 'replies', count(*) FROM events WHERE cause IS NOT NULL UNION ALL
    SELECT state, count(*) FROM deliveries GROUP BY state UNION ALL
    SELECT what, n FROM forgotten"""
_KEPT = "SELECT count(*) FROM deliveries WHERE state = 'dead' AND sink IN ('none', 'undeliverable')"
_DELIVERIES = """
    SELECT event, trigger, state, tries, sink_tries, status, reason, sink, next_try, settled, extensions,
           attributes, data, broker, accepted
    FROM deliveries JOIN events ON seq = event"""
_PENDING = f"{_DELIVERIES} WHERE state IN ('pending', 'dying') ORDER BY event LIMIT :limit"
_DEAD = f"{_DELIVERIES} WHERE state = 'dead' AND event > :after ORDER BY event LIMIT :limit"
_ALL = f"{_DELIVERIES} ORDER BY event DESC LIMIT :limit"
_OF_EVENT = f"{_DELIVERIES} WHERE event = :event ORDER BY trigger"
_EVENTS = """
    SELECT seq, broker, attributes, data, hops, accepted, root, cause, answerer FROM events
    WHERE (:id IS NULL OR id = :id) AND (:type IS NULL OR type = :type)
      AND (:root IS NULL OR coalesce(root, seq) = CAST(:root AS INTEGER))
    ORDER BY seq DESC LIMIT :limit"""


@dataclass(frozen=True, slots=True)
class Audit:
    """Answers questions on one database."""

    database: Database

    def status(self) -> dict[str, int]:
        """Return counts since the state file was made.

        accepted: events, replies among them; pending (dying too), done, dead: deliveries; kept: dead ones that no dead
        letter sink took.
        """
        counts = dict.fromkeys(("accepted", "replies", "pending", "done", "dead"), 0)
        with self.database.reader() as connection:
            for name, count in connection.execute(_COUNTS):
                known = "pending" if name == "dying" else name
                counts[known] += count
            counts["kept"] = connection.execute(_KEPT).fetchone()[0]
        return counts

    def events(self, query: Mapping[str, str], limit: int) -> list[dict[str, Any]]:
        """Return the newest events and their deliveries; `query` may name their id, type, or the root they follow."""
        values = {name: query.get(name) for name in ("id", "type", "root")} | {"limit": limit}
        with self.database.reader() as connection:
            return [
                {
                    "seq": seq,
                    "broker": broker,
                    "event": _event(attributes, data),
                    "hops": hops,
                    "accepted": _time(accepted),
                    "root": seq if root is None else root,
                    "answers": None if cause is None else {"seq": cause, "trigger": answerer},
                    "deliveries": [_delivery(row) for row in connection.execute(_OF_EVENT, {"event": seq}).fetchall()],
                }
                for seq, broker, attributes, data, hops, accepted, root, cause, answerer in connection.execute(
                    _EVENTS, values
                ).fetchall()
            ]

    def deliveries(self, limit: int, *, pending: bool) -> list[dict[str, Any]]:
        """Return deliveries: those that are not settled, oldest first, or all, newest first."""
        with self.database.reader() as connection:
            rows = connection.execute(_PENDING if pending else _ALL, {"limit": limit}).fetchall()
        return [_delivery(row) | {"event": _event(row[11], row[12])} for row in rows]

    def dead_letters(self, limit: int, after: int) -> list[dict[str, Any]]:
        """Return the dead deliveries of events numbered above `after`, oldest first, each with its event and why."""
        with self.database.reader() as connection:
            rows = connection.execute(_DEAD, {"limit": limit, "after": after}).fetchall()
        return [
            _delivery(row) | {"at": _time(row[9]), "event": _event(row[11], row[12]), "extensions": json.loads(row[10])}
            for row in rows
        ]


def _delivery(row: tuple[Any, ...]) -> dict[str, Any]:
    names = ("seq", "trigger", "state", "tries", "sinkTries", "status", "reason", "sink")
    times = {"nextTry": _time(row[8]) if row[8] else None, "settled": _time(row[9]) if row[9] else None}
    return dict(zip(names, row, strict=False)) | times


def _event(attributes: str, data: bytes) -> dict[str, Any]:
    """Return the event in the JSON format of CloudEvents."""
    try:
        return {**json.loads(attributes), "data": json.loads(data)}
    except (ValueError, RecursionError):
        return {**json.loads(attributes), "data_base64": base64.b64encode(data).decode()}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
