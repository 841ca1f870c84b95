"""Who asked for what, in order: for tests of least privilege, and for people who wonder."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One request to a resource, in the words of RBAC, and the code of its answer."""

    user: str
    verb: str
    group: str
    resource: str  # with the subresource: pods/eviction
    namespace: str | None
    name: str | None
    code: int

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


class Audit:
    """The latest requests, oldest first."""

    def __init__(self, limit: int = 10_000) -> None:
        """Keep `limit` of them."""
        self._records: deque[AuditRecord] = deque(maxlen=limit)
        self._lock = threading.Lock()

    def add(self, record: AuditRecord) -> None:
        """Keep one more."""
        with self._lock:
            self._records.append(record)

    def records(self) -> list[AuditRecord]:
        """Return what was asked so far."""
        with self._lock:
            return list(self._records)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._records.clear()
