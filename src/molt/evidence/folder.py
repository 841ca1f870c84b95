"""A folder as a store: a volume of the function, or the local runtime's."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from molt.outcome import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK: Final = ".lock"
PATIENCE: Final = 5.0
"""Seconds that a write waits for another process's: it takes some milliseconds, and a lock may be held for ever."""
_PAUSE: Final = 0.01
_DRAFT: Final = ".draft"
"""What is being written stands here, beside the folders of what was: only one writes at a time."""


class Folder:
    """Files below `root`, each whole or not there: written beside, flushed to the disk, then renamed, under a lock.

    The lock is the kernel's (flock): it ends with the process that held it, and holds between the pods of one node, and
    across nodes where the volume's file system carries it (NFS does).
    """

    def __init__(self, root: Path) -> None:
        """Use `root`, which is made with the first file."""
        self.root = root

    @classmethod
    def at(cls, url: str) -> Folder:
        """Return the folder of a file:// URL. Raises ValueError for any other."""
        parts = urlsplit(url)
        if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise ValueError(f"{url!r} is no folder: file:///path")
        return cls(Path(unquote(parts.path)))

    def read(self, key: str) -> bytes | None:
        """Return a file's content, None when it is not there."""
        with _failing(self.root):
            try:
                return (self.root / key).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def create(self, key: str, data: bytes) -> bool:
        """Write a file that is not there yet; False when it is."""
        path = self.root / key
        with _failing(self.root), self._alone():
            if path.exists():
                return False
            path.parent.mkdir(mode=0o700, exist_ok=True)
            draft = self.root / _DRAFT
            draft.unlink(missing_ok=True)  # left by a kill
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
            for folder in (path.parent, self.root):
                _flush(folder)
            return True

    def keys(self, prefix: str) -> list[str]:
        """Return the sorted keys of the files in the folder `prefix`."""
        with _failing(self.root):
            try:
                names = sorted(path.name for path in (self.root / prefix).iterdir())
            except (FileNotFoundError, NotADirectoryError):
                return []
        return [prefix + name for name in names]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other process writes. Raises TemporaryError when one does for too long."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.root / LOCK).open("w") as lock:
            end = time.monotonic() + PATIENCE
            while not _locked(lock.fileno()):
                if time.monotonic() >= end:
                    raise TemporaryError(f"evidence store {self.root}: locked by another for {PATIENCE} seconds")
                time.sleep(_PAUSE)
            yield


def _locked(descriptor: int) -> bool:
    """Take the lock if nobody has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _flush(folder: Path) -> None:
    """Make the folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _failing(root: Path) -> Iterator[None]:
    """Turn an error of the file system into TemporaryError: a disk that is full is emptied, a volume comes back."""
    try:
        yield
    except OSError as error:
        raise TemporaryError(f"evidence store {root}: {error.strerror or error}") from error
