"""Alerts out of a file that Falco writes (file_output), followed through rotation.

How far a file has been read is committed together with what was read: after a kill nothing is lost and nothing comes
twice. A file is known by its inode and a hash of how it begins, since inodes are given again. Rotated while nobody was
looking, it is found by its inode in the same folder, and read to its end first, then those that came after it, in their
order. A writer goes on with the old file until it is told to reopen: that is left when a newer one has something in it.
What a truncation took, or is packed or gone before it was read, is lost: it is said, and counted as dropped.
"""

from __future__ import annotations

import os
from itertools import takewhile
from typing import TYPE_CHECKING

from molt import log
from molt.forwarder import lines, rotated
from molt.forwarder.lines import CHUNK, FUNCTION, Lines, Reader

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

    from molt.forwarder.spool import Position


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
                self._reader.stop.wait(lines.WAIT)
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
        chunk = self._file.read(CHUNK)
        if chunk:
            return self._pass(chunk)
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            self._reader.lose(f"{self._path} was truncated: what was not read of it is lost")
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
        found = self._path if self._position is None else rotated.moved(self._path, self._position)
        try:
            file = (found or self._path).open("rb", buffering=0)
        except OSError:
            return False  # it is not there yet, or not for us: `run` looks again
        if self._position and not found:
            self._reader.lose(f"{self._path}: what was read last is gone, with what may have followed")
            self._position = None
        self._begin(file, self._position.offset if self._position else 0)
        return True

    def _begin(self, file: FileIO, offset: int) -> None:
        file.seek(offset)
        self._file, self._lines = file, Lines(offset)

    def _mark(self, offset: int) -> Position:
        assert self._file is not None  # noqa: S101 - opened
        return rotated.mark(self._path, self._file.fileno(), offset)

    def _is_left(self) -> bool:
        """Tell whether the name belongs to another file now, and something has been written after this one."""
        assert self._file is not None  # noqa: S101 - opened
        number = self._file.fileno()
        try:
            now = self._path.stat()
        except OSError:
            return False
        if now.st_ino == os.fstat(number).st_ino:
            return False
        return now.st_size > 0 or not all(one.is_packed for one in rotated.later(self._path, number))

    def _leave(self) -> bool:
        """Take what is left of the old file, an unfinished line too, and go on with the one that came after it."""
        assert self._file is not None  # noqa: S101 - opened
        if chunk := self._file.read(CHUNK):
            return self._pass(chunk)
        if not self._pass(b"", last=True):
            return False
        later = rotated.later(self._path, self._file.fileno())
        packed = list(takewhile(lambda one: one.is_packed, later))
        following = later[len(packed)].open() if len(packed) < len(later) else None
        for one in packed:
            self._reader.lose(f"{one.path} was packed before it was read: it is lost")
        self.close()
        self._position = None
        if following:
            self._begin(following, 0)
        return True
