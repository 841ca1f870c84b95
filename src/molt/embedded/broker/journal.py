"""What the broker says on standard output: one JSON object a line, one line for every delivery that is settled."""

from __future__ import annotations

import contextlib
import json
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from molt.embedded.broker.message import Message
    from molt.embedded.broker.store import Try


class Journal:
    """Writes whole lines, from any thread."""

    def __init__(self, stream: TextIO) -> None:
        """Write to `stream`."""
        self._stream = stream
        self._turn = threading.Lock()

    def settled(self, message: Message, trigger: str, tried: Try, outcome: str) -> None:
        """Say how a delivery ended.

        Outcomes: done, replied; dead-lettered (the sink took it), undeliverable (it did not), dead (there is no sink).
        """
        self._event(
            message, trigger=trigger, tries=tried.tries, status=tried.status, outcome=outcome, reason=tried.reason
        )

    def unrouted(self, message: Message) -> None:
        """Say that no trigger wants an event: it ends here."""
        self._event(message, trigger=None, tries=0, status=None, outcome="unrouted", reason="no trigger wants it")

    def trouble(self, reason: str, **more: object) -> None:
        """Say what keeps the broker from its work."""
        self.say(level="error", reason=reason, **more)

    def say(self, **fields: object) -> None:
        """Write one line with the time and `fields`; strings are escaped, so that a line stays a line.

        A log that cannot be written is no reason to fail: on a full disk a delivery would lose its thread.
        """
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **fields})
        with self._turn, contextlib.suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    def _event(self, message: Message, **fields: object) -> None:
        self.say(event=message.attributes["id"], type=message.attributes["type"], **fields)
