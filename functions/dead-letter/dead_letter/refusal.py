"""What is said to those who look at the functions: an Event when one of them has refused an event (molt.seal).

Somebody may be giving forged orders, or a key was changed too fast: both want to be seen, without the log. One Event
for each function and reason, as long as the API server keeps it (an hour, as it comes): a flood of forgeries adds none.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from dead_letter import letter
from molt import log, marks
from molt.cluster import EVENTS, AlreadyExists
from molt.events import deterministic_id
from molt.outcome import MoltError
from molt.seal import REASONS

if TYPE_CHECKING:
    from molt.cluster import Cluster
    from molt.events import Event

REFUSED: Final = "MoltEventRefused"
NAMESPACE: Final = "molt"
GATED: Final = ("cordon", "detect-router", "evidence", "quarantine", "release", "rotate", "tag", "terminate")
"""The functions that check signatures; nobody else's name comes into an Event, whatever is posted here."""
QUIET: Final = timedelta(minutes=10)
"""How long one is not told of again: not even by asking whether the Event is there."""
NOTE_LIMIT: Final = 1000  # of the 1024 bytes that an Event's note may have
_STATUS: Final = "403"


class Teller:
    """Tells of refusals, and remembers for a while of which it has told."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._told: dict[tuple[str, str], datetime] = {}

    def tell(self, event: Event, cluster: Cluster, now: datetime) -> None:
        """Leave an Event on the function that has refused this one, if one has, and none was left lately.

        The log tells it too, so that a failure is logged only.
        """
        found = refusal(event)
        if found is None or now - self._told.get(found, datetime.min.replace(tzinfo=UTC)) < QUIET:
            return
        self._told[found] = now
        try:
            cluster.create(EVENTS, _event(*found, event, now), NAMESPACE)
        except AlreadyExists:
            return
        except MoltError as error:
            log.write("warning", "dead-letter", message=f"{found[0]} has refused an event: no Event: {error.reason}")


def refusal(event: Event) -> tuple[str, str] | None:
    """Return which function has refused the event, and which of molt.seal.REASONS it gave; None when none has."""
    status, _, said = letter.reason(event).partition(" ")
    reason = next((reason for reason in REASONS if said.startswith(reason)), None)
    function = _function(event.extensions.get(letter.DEST, ""))
    return (function, reason) if status == _STATUS and reason and function else None


def _function(dest: str) -> str | None:
    """Return the function at an address: `http://NAME.molt.svc...` in a cluster, `.../NAME` in the local runtime."""
    try:
        address = urlsplit(dest)
        names = ((address.hostname or "").partition(".")[0], address.path.rstrip("/").rpartition("/")[2])
    except ValueError:
        return None
    return next((name for name in names if name in GATED), None)


def _event(function: str, reason: str, event: Event, now: datetime) -> dict[str, Any]:
    what = f"{function} has refused event {event.id!r} from {event.source!r} about {event.subject!r}: {reason}"
    return {
        "metadata": {"name": f"{function}.{deterministic_id(function, reason)[:16]}", "namespace": NAMESPACE},
        "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "type": "Warning",
        "reason": REFUSED,
        "action": "Refuse",
        "note": marks.printable(what, NOTE_LIMIT).encode()[:NOTE_LIMIT].decode(errors="ignore"),
        "regarding": {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "namespace": NAMESPACE,
            "name": function,
        },
        "reportingController": "molt-project.io/dead-letter",
        "reportingInstance": "dead-letter",
    }
