"""Which file is which in the folder of a log: one is known by its inode and how it begins, whatever its name is now."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from molt.forwarder.spool import Position

_HEAD = 256  # bytes that tell a file from another of the same inode


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
