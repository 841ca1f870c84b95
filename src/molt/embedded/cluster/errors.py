"""What can go wrong in the store, as data: the HTTP side words each as the API server does.

StoreError
+-- StoreNotFound   no such object
+-- AlreadyExists   the name is taken
+-- StoreConflict   resourceVersion or UID is not the one that was named
+-- StoreGone       the history no longer reaches back to the version asked for

All carry which object it was.
"""

from __future__ import annotations


class StoreError(Exception):
    """Base of the store's errors: `plural` and `name` say which object."""

    def __init__(self, plural: str, name: str, reason: str) -> None:
        """Keep which object it was, and why."""
        super().__init__(f"{plural} {name!r}: {reason}")
        self.plural = plural
        self.name = name
        self.reason = reason


class StoreNotFound(StoreError, LookupError):
    """There is no such object."""

    def __init__(self, plural: str, name: str) -> None:
        """Say which object is missing."""
        super().__init__(plural, name, "not found")


class AlreadyExists(StoreError):
    """Another object has the name."""

    def __init__(self, plural: str, name: str) -> None:
        """Say which name is taken."""
        super().__init__(plural, name, "already exists")


class StoreConflict(StoreError):
    """The object is not in the state that the writer named."""


class StoreGone(StoreError):
    """The history does not reach back that far: list again."""
