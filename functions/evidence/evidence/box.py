"""What was collected so far, and how much more may be: every item has a cap, and the bundle has one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from evidence.redaction import redacted
from molt.evidence.bundle import Item, Missing, document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ITEM_BYTES: Final = 4 * 1024 * 1024
TOTAL_BYTES: Final = 24 * 1024 * 1024
"""Before compression; a pod's objects take some 10 KB, so this is for logs."""


@dataclass(slots=True)
class Box:
    """Items within the caps, and what is missing. Sizes are in bytes, before compression."""

    item: int = ITEM_BYTES
    total: int = TOTAL_BYTES
    items: list[Item] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    used: int = 0

    @property
    def room(self) -> int:
        """How large the next item may be."""
        return max(0, min(self.item, self.total - self.used))

    def put(self, path: str, data: bytes, truncated: str = "") -> None:
        """Take an item that the caller has cut to the room there is."""
        self.items.append(Item(path, data, truncated))
        self.used += len(data)

    def lack(self, what: str, why: str, *, essential: bool = True) -> None:
        """Note what could not be had."""
        self.missing.append(Missing(what, why, essential))

    def put_object(self, path: str, obj: Mapping[str, Any]) -> None:
        """Take an object without its credentials; one that is too large is missing."""
        data = document(redacted(obj))
        if len(data) > self.room:
            self.lack(path, f"has {len(data)} bytes, and there is room for {self.room}", essential=False)
        else:
            self.put(path, data)

    def put_list(self, path: str, objects: Sequence[Mapping[str, Any]]) -> None:
        """Take a list of objects without their credentials; of one that is too large the last ones."""
        kept: list[dict[str, Any]] = []
        size = len(document([]))
        for obj in reversed(objects):
            one = redacted(obj)
            size += len(document([one])) - len(document([]))  # a line's end and a comma take what its brackets took
            if size > self.room:
                break
            kept.append(one)
        truncated = f"the last {len(kept)} of {len(objects)} objects" if len(kept) < len(objects) else ""
        self.put(path, document(kept[::-1]), truncated)
