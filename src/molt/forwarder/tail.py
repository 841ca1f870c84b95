"""Alerts out of a file that Falco writes (file_output), followed through rotation, or out of standard input.

How far a file has been read is committed together with what was read: after a kill nothing is lost and nothing comes
twice. A file is known by its inode and a hash of how it begins, since inodes are given again. Rotated while nobody was
looking, it is found by its inode in the same folder, and read to its end first. A writer goes on with the old file
until it is told to reopen: that is left when the new one has something in it. What a truncation took is lost, and said.
Of several rotations while nobody was looking only the file that was read last and the newest one are read.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from molt import log
from molt.commits import StoreError
from molt.forwarder.spool import Full, Item, Position
from molt.forwarder.wire import LIMIT

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from io import BufferedReader, BytesIO, FileIO

FUNCTION = "forwarder"
_HEAD = 256  # bytes that tell a file from another of the same inode
_AT_ONCE = 256  # lines in a transaction
_CHUNK = 2**16
_WAIT = 0.25  # seconds between two looks, and between two tries when the spool is full


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
    ) -> None:
        """Give to `take` what `read` makes of each line, until `stop`."""
        self._take = take
        self._read = read
        self.stop = stop

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
                self.stop.wait(_WAIT)
            else:
                items, offsets = items[size:], offsets[size:]
        return not items


def stream(source: BufferedReader | BytesIO, reader: Reader) -> None:
    """Read standard input, or another pipe, to its end. What is in the pipe when we are killed is its writer's loss."""
    lines = Lines()
    while not reader.stop.is_set() and (chunk := source.read1(_CHUNK)):
        if not reader.give(lines.feed(chunk), _nowhere):
            return
    reader.give(lines.feed(b"", last=True), _nowhere)


def _nowhere(_: int) -> None:
    """Mark nothing: a pipe cannot be read again."""


class Tail:
    """Follows one file."""

    def __init__(self, path: Path, position: Position | None, reader: Reader) -> None:
        """Begin where `position` says, or at the start of what there is."""
        self._path = path
        self._reader = reader
        self._position = position
        self._file: FileIO | None = None
        self._lines = Lines()

    def run(self) -> None:
        """Follow it until stopped."""
        while not self._reader.stop.is_set():
            try:
                busy = self.turn()
            except OSError as error:  # a network file system lost it, mostly: it is opened anew, where it was read to
                log.write("error", FUNCTION, message=f"{self._path}: {error.strerror}")
                self.close()
                busy = False
            if not busy:
                self._reader.stop.wait(_WAIT)
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._file:
            self._file.close()
            self._file = None

    def turn(self) -> bool:
        """Read what is there; return whether there was something."""
        if self._file is None and not self._open():
            return False
        assert self._file is not None  # noqa: S101 - opened
        chunk = self._file.read(_CHUNK)
        if chunk:
            return self._pass(chunk)
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            log.write("error", FUNCTION, message=f"{self._path} was truncated: what was not read of it is lost")
            self._begin(self._file, 0)
            return True
        return self._is_left() and self._leave()

    def _pass(self, chunk: bytes, *, last: bool = False) -> bool:
        if not self._reader.give(self._lines.feed(chunk, last=last), self._mark):
            return False
        self._position = self._mark(self._lines.offset)
        return True

    def _open(self) -> bool:
        """Open the file that the position is of, wherever it is now; else the one that has the name."""
        found = self._path if self._position is None else self._moved(self._position)
        try:
            file = (found or self._path).open("rb", buffering=0)
        except OSError:
            return False  # it is not there yet, or not for us: `run` looks again
        if self._position and not found:
            log.write(
                "error", FUNCTION, message=f"{self._path}: what was read last is gone, with what may have followed"
            )
        self._begin(file, self._position.offset if self._position and found else 0)
        return True

    def _moved(self, position: Position) -> Path | None:
        """Return the path of the file that the position is of, among those of its folder; of a link, where it leads."""
        try:
            folder = Path(os.path.realpath(self._path)).parent
            entries = [entry for entry in os.scandir(folder) if _inode(entry.inode()) == position.inode]
        except OSError:
            return None
        for entry in entries:
            path = Path(entry.path)
            if entry.is_file() and _is_the_same(path, position):
                return path
        return None

    def _begin(self, file: FileIO, offset: int) -> None:
        file.seek(offset)
        self._file, self._lines = file, Lines(offset)

    def _mark(self, offset: int) -> Position:
        assert self._file is not None  # noqa: S101 - opened
        number = self._file.fileno()
        return Position(str(self._path), _inode(os.fstat(number).st_ino), _head(number, offset), offset)

    def _is_left(self) -> bool:
        """Tell whether the name belongs to another file now, in which something has been written."""
        assert self._file is not None  # noqa: S101 - opened
        try:
            now = self._path.stat()
        except OSError:
            return False
        return now.st_ino != os.fstat(self._file.fileno()).st_ino and now.st_size > 0

    def _leave(self) -> bool:
        """Take what is left of the old file, an unfinished line too, and go on with the new one."""
        assert self._file is not None  # noqa: S101 - opened
        if chunk := self._file.read(_CHUNK):
            return self._pass(chunk)
        if not self._pass(b"", last=True):
            return False
        self.close()
        self._position = None
        return True


def _inode(number: int) -> int:
    """Return the number of an inode as SQLite can hold it: network file systems use all of 64 bits."""
    return number & (2**63 - 1)


def _head(number: int, offset: int) -> str:
    """Return the hash of how an open file begins, of no more than what was read of it."""
    return hashlib.sha256(os.pread(number, min(_HEAD, offset), 0)).hexdigest()


def _is_the_same(path: Path, position: Position) -> bool:
    try:
        with path.open("rb", buffering=0) as file:
            long_enough = os.fstat(file.fileno()).st_size >= position.offset
            return long_enough and _head(file.fileno(), position.offset) == position.head
    except OSError:
        return False
