"""Which file is which in the folder of a log: one is known by its inode and how it begins, whatever its name is now.

The order of those that it was rotated into is that in which they were written last, since names have many forms. What
packs them (logrotate, by gzip and its like) gives the packed one the time of the other.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from molt.forwarder.spool import Position

if TYPE_CHECKING:
    from io import FileIO

_HEAD = 256  # bytes that tell a file from another of the same inode
_ENDING = re.compile(r"[.-]\d[\d.T:_-]*(\.(?:gz|bz2|xz|zst|lz4))?", re.ASCII)  # .1 -20251130 .2025-11-30T10:00 .2.gz


def mark(path: Path, number: int, offset: int) -> Position:
    """Return how far the open file `number`, which is followed as `path`, has been read."""
    return Position(str(path), _inode(os.fstat(number).st_ino), _head(number, offset), offset)


def moved(path: Path, position: Position) -> Path | None:
    """Return the path of the file that the position is of, among those of its folder; of a link, where it leads."""
    try:
        folder = Path(os.path.realpath(path)).parent
        entries = [entry for entry in os.scandir(folder) if _inode(entry.inode()) == position.inode]
    except OSError:
        return None
    for entry in entries:
        found = Path(entry.path)
        if entry.is_file() and _is_the_same(found, position):
            return found
    return None


@dataclass(frozen=True, slots=True, order=True)
class Rotated:
    """A file that a log was rotated into. `written`: when it was written last; `is_packed`: nobody can follow it."""

    written: int
    inode: int
    path: Path
    is_packed: bool

    def open(self) -> FileIO:
        """Open it. Raises OSError, also when another has its name meanwhile."""
        file = self.path.open("rb", buffering=0)
        if os.fstat(file.fileno()).st_ino != self.inode:
            file.close()
            raise OSError(errno.ESTALE, "rotated again meanwhile")
        return file


def later(path: Path, number: int) -> list[Rotated]:
    """Return the files that the log was rotated into after the open file `number`, in their order. Raises OSError."""
    real, left = Path(os.path.realpath(path)), os.fstat(number)
    found = []
    with os.scandir(real.parent) as entries:
        for entry in entries:
            ending = _ENDING.fullmatch(entry.name.removeprefix(real.name))
            if ending and entry.name.startswith(real.name) and entry.is_file(follow_symlinks=False):
                stat = entry.stat(follow_symlinks=False)
                if stat.st_size and stat.st_ino != left.st_ino and stat.st_mtime_ns > left.st_mtime_ns:
                    found.append(Rotated(stat.st_mtime_ns, stat.st_ino, Path(entry.path), is_packed=bool(ending[1])))
    return sorted(found)


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
