"""The store shares its objects with everybody: whoever writes into one of them is found out here."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from molt.embedded.cluster.changes import Changes
from molt.embedded.cluster.objects import copied

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from molt.embedded.cluster.changes import Record


@contextmanager
def unaltered(patcher: pytest.MonkeyPatch) -> Iterator[None]:
    """See to it that every object that a store has held is in the end what it was when it was written."""
    written: list[tuple[Any, Any]] = []
    publish = Changes.publish

    def noted(changes: Changes, record: Record) -> None:
        written.append((record.obj, copied(record.obj)))
        publish(changes, record)

    patcher.setattr(Changes, "publish", noted)
    yield
    assert [before for _, before in written] == [obj for obj, _ in written]
