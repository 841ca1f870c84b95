"""Bundles and their index in a store that can do three things: read, create what is not there, and list.

The entry of number N is created and never replaced, so of two writers one gets N and the other sees it and takes N + 1:
the chain has no fork, without a lock that outlives a killed process.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

from molt.evidence.bundle import BadBundle, Bundle, digest, opened
from molt.evidence.index import GENESIS, BadEntry, Entry
from molt.outcome import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Callable

INDEX: Final = "index/"
BUNDLES: Final = "bundles/"
_KEY: Final = re.compile(INDEX + r"(?!0{10})(\d{10})\.json", re.ASCII)
_FILE: Final = re.compile(BUNDLES + r"(.+)\.tar\.gz", re.DOTALL)
ATTEMPTS: Final = 50
"""Numbers that other writers may take from under one before it gives up and is delivered again."""


class Objects(Protocol):
    """A store; keys are relative paths. A method raises TemporaryError when a later try may help."""

    def read(self, key: str) -> bytes | None:
        """Return what stands under `key`, None when nothing does."""

    def create(self, key: str, data: bytes) -> bool:
        """Write all of `data`, durably; False, and nothing written, when something stands there."""

    def keys(self, prefix: str) -> list[str]:
        """Return the sorted keys that start with `prefix`, which ends in a slash."""


class Archive:
    """The bundles of a store and their index."""

    def __init__(self, objects: Objects) -> None:
        """Use `objects`; nothing is read or written yet."""
        self._objects = objects

    def entry(self, name: str) -> Entry | None:
        """Return the entry of a bundle, None when there is none; lines that are no entries are passed over."""
        return next((entry for number in reversed(self.numbers()) if (entry := self._of(number, name))), None)

    def numbers(self) -> list[int]:
        """Return the numbers of the lines there are, in order."""
        return [int(found[1]) for key in self._objects.keys(INDEX) if (found := _KEY.fullmatch(key))]

    def line(self, number: int) -> bytes:
        """Return the line that stands at a number, empty when none does."""
        return self._objects.read(key_of(number)) or b""

    def names(self) -> list[str]:
        """Return the names of the bundles there are, in the index or not."""
        return [found[1] for key in self._objects.keys(BUNDLES) if (found := _FILE.fullmatch(key))]

    def strays(self) -> list[str]:
        """Return the keys beside lines and bundles that are neither: nothing here writes one."""
        known = ((INDEX, _KEY), (BUNDLES, _FILE))
        return [key for prefix, form in known for key in self._objects.keys(prefix) if not form.fullmatch(key)]

    def file(self, name: str) -> bytes | None:
        """Return a bundle's file."""
        return self._objects.read(f"{BUNDLES}{name}.tar.gz")

    def keep(self, name: str, collect: Callable[[], bytes]) -> tuple[Entry, Bundle]:
        """Return the bundle and its entry; what is not there is collected, written and entered.

        A bundle that was written before is kept as it is, entered or not: the first evidence is the best. Safe to
        repeat after a kill anywhere, and at the same time as others. Raises BadBundle for one that was altered,
        TemporaryError when others were always first, and what `collect` and the store raise.
        """
        seen, data = self._last(), self.file(name)  # in this order: a bundle that is not there has no entry so far
        if data is None:
            fresh = collect()
            if self._objects.create(f"{BUNDLES}{name}.tar.gz", fresh):
                bundle = opened(name, fresh)
                return self._enter(name, fresh, bundle, seen), bundle
            data = self.file(name) or fresh
        bundle = opened(name, data)
        entry = self.entry(name) or self._enter(name, data, bundle, seen)
        if entry.sha256 != digest(data):
            raise BadBundle(f"bundle {name} was altered: it is not the file that the index has the sum of")
        return entry, bundle

    def _enter(self, name: str, data: bytes, bundle: Bundle, seen: int) -> Entry:
        """Append the entry of a bundle, unless another writer has done so after number `seen`.

        A line that is no entry any more is chained on to all the same: `verify` tells of it, and evidence goes on.
        """
        for _ in range(ATTEMPTS):
            for number in [number for number in self.numbers() if number > seen]:
                if found := self._of(number, name):
                    return found
                seen = number
            entry = entry_of(seen + 1, name, data, bundle, self._hash(seen))
            if self._objects.create(key_of(entry.number), entry.line()):
                return entry
        raise TemporaryError(f"the index changed under each of {ATTEMPTS} attempts to enter bundle {name}")

    def _last(self) -> int:
        return max(self.numbers(), default=0)

    def _of(self, number: int, name: str) -> Entry | None:
        """Return the entry at a number if it is that of a bundle."""
        try:
            entry = Entry.parse(self.line(number))
        except BadEntry:
            return None
        return entry if entry.bundle == name else None

    def _hash(self, number: int) -> str:
        """Return what the line after `number` carries as `prev`."""
        if not number:
            return GENESIS
        line = self.line(number)
        try:
            return Entry.parse(line).hash
        except BadEntry:
            return digest(line)


def entry_of(number: int, name: str, data: bytes, bundle: Bundle, prev: str) -> Entry:
    """Return the entry of a bundle: all of it follows from the bundle, its number and the line before."""
    custody = bundle.custody
    pod = custody["pod"]
    return Entry(
        number=number,
        bundle=name,
        sha256=digest(data),
        size=len(data),
        at=custody["collectedAt"],
        alert=custody["alert"]["id"],
        policy=custody["policy"]["name"],
        namespace=pod["namespace"],
        pod=pod["name"],
        uid=pod["uid"],
        prev=prev,
    )


def key_of(number: int) -> str:
    """Return the key of the entry of a number; keys sort as numbers do."""
    return f"{INDEX}{number:010d}.json"
