"""Lines out of a file that is followed, or out of standard input: cut, read, and handed to the spool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from molt import log
from molt.commits import StoreError
from molt.forwarder.spool import Full
from molt.forwarder.wire import LIMIT

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from io import BufferedReader, BytesIO

    from molt.forwarder.spool import Item, Position

FUNCTION = "forwarder"
CHUNK = 2**16
WAIT = 0.25  # seconds between two looks, and between two tries when the spool is full
_AT_ONCE = 256  # lines in a transaction


@dataclass(slots=True)
class Lines:
    """Cuts lines out of what is read; `offset` is the byte after the last line that was taken."""

    offset: int = 0
    rest: bytes = b""
    skipping: bool = False

    def feed(self, chunk: bytes, *, last: bool = False) -> list[tuple[bytes, int]]:
        """Return the lines that are whole now, each with the offset after it; the `last` needs no end.

        A line that is longer than the limit is cut there, and the rest of it is passed over.
        """
        self.rest += chunk
        *whole, self.rest = self.rest.split(b"\n")
        found = []
        for line in whole:
            self.offset += len(line) + 1
            if not self.skipping and line.strip():
                found.append((line[: LIMIT + 1], self.offset))
            self.skipping = False
        if len(self.rest) > LIMIT or (last and self.rest):
            self.offset += len(self.rest)
            if not self.skipping and self.rest.strip():
                found.append((self.rest[: LIMIT + 1], self.offset))
            self.rest, self.skipping = b"", not last
        return found


class Reader:
    """Hands lines to the spool, and waits while that is full: the file, or the pipe, is the buffer then."""

    def __init__(
        self,
        take: Callable[[list[Item], Position | None], None],
        read: Callable[[bytes], Item],
        stop: threading.Event,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        """Give to `take` what `read` makes of each line, until `stop`; `lost` counts what nobody will read."""
        self._take = take
        self._read = read
        self.stop = stop
        self._lost = lost

    def lose(self, what: str) -> None:
        """Say and count that something is gone before it was read."""
        log.write("error", FUNCTION, message=what)
        try:
            self._lost()
        except StoreError as error:
            log.write("error", FUNCTION, message=f"not counted: {error.reason}")

    def give(self, lines: list[tuple[bytes, int]], mark: Callable[[int], Position | None]) -> bool:
        """Return whether all were taken, with the `mark` of how far: False when it was stopped while it waited."""
        for start in range(0, len(lines), _AT_ONCE):
            part = lines[start : start + _AT_ONCE]
            if not self._insist([self._item(line) for line, _ in part], [offset for _, offset in part], mark):
                return False
        return True

    def _item(self, line: bytes) -> Item:
        found = self._read(line)
        if found.reason:
            letter = line.decode(errors="replace")
            log.write("warning", FUNCTION, event=found.id, outcome="rejected", reason=found.reason, letter=letter)
        return found

    def _insist(self, items: list[Item], offsets: list[int], mark: Callable[[int], Position | None]) -> bool:
        """Give all, at once if there is room; else ever fewer, since all may be more than a spool ever holds."""
        told, size = False, len(items)
        while items and not self.stop.is_set():
            size = min(size, len(items))
            try:
                self._take(items[:size], mark(offsets[size - 1]))
            except (Full, StoreError) as error:
                if isinstance(error, Full) and size > 1:
                    size //= 2
                    continue
                if not told:
                    why = error.reason if isinstance(error, StoreError) else "the spool is full"
                    log.write("warning", FUNCTION, message=f"reading waits: {why}")
                told = True
                self.stop.wait(WAIT)
            else:
                items, offsets = items[size:], offsets[size:]
        return not items


def stream(source: BufferedReader | BytesIO, reader: Reader) -> None:
    """Read standard input, or another pipe, to its end. What is in the pipe when we are killed is its writer's loss."""
    lines = Lines()
    while not reader.stop.is_set() and (chunk := source.read1(CHUNK)):
        if not reader.give(lines.feed(chunk), _nowhere):
            return
    reader.give(lines.feed(b"", last=True), _nowhere)


def _nowhere(_: int) -> None:
    """Mark nothing: a pipe cannot be read again."""
