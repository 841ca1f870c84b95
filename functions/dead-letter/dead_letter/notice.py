"""What is said to those who look at the functions, without the log: Events, and no more of them than are of use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from molt import log, marks
from molt.cluster import EVENTS, AlreadyExists
from molt.events import deterministic_id
from molt.outcome import MoltError

if TYPE_CHECKING:
    from molt.cluster import Cluster

NAMESPACE: Final = "molt"
QUIET: Final = timedelta(minutes=10)
"""How long one is not told of again: not even by asking whether the Event is there."""


class Notice(NamedTuple):
    """What is told, on the Knative Service of a function. What has the same `key` is told once in a while."""

    function: str
    reason: str
    action: str
    note: str
    key: tuple[str, ...]
    short: str


class Teller:
    """Tells, and remembers for a while of what it has told."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._told: dict[tuple[str, ...], datetime] = {}

    def tell(self, notice: Notice | None, cluster: Cluster, now: datetime) -> None:
        """Leave an Event, if there is something to tell, and none was left lately.

        The log tells it too, so that a failure is logged only.
        """
        if notice is None or now - self._told.get(notice.key, datetime.min.replace(tzinfo=UTC)) < QUIET:
            return
        self._told[notice.key] = now
        try:
            cluster.create(EVENTS, _event(notice, now), NAMESPACE)
        except AlreadyExists:
            return
        except MoltError as error:
            log.write("warning", "dead-letter", message=f"{notice.short}: no Event: {error.reason}")


def _event(notice: Notice, now: datetime) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{notice.function}.{deterministic_id(*notice.key)[:16]}", "namespace": NAMESPACE},
        "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "type": "Warning",
        "reason": notice.reason,
        "action": notice.action,
        "note": marks.note(notice.note),
        "regarding": {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "namespace": NAMESPACE,
            "name": notice.function,
        },
        "reportingController": "molt-project.io/dead-letter",
        "reportingInstance": "dead-letter",
    }
