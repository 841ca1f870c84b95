"""The index: one line of JSON for each bundle, chained by hashes. Pure.

An entry's `hash` is the SHA-256 sum of the rest of its line; `prev` is the hash of the entry before, of zeros for the
first. Whoever alters, removes or moves an entry breaks the chain from there on, unless he makes all later lines anew:
that, and an end that was cut off, only a hash shows that was kept elsewhere (an anchor). Each event that tells of a
bundle carries its entry's hash, so that the broker's subscribers and the functions' logs have anchors.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from molt.evidence.bundle import digest
from molt.outcome import PermanentError

GENESIS: Final = "0" * 64
LONGEST: Final = 256 * 1024
"""Bytes of a line; an entry has some 500, and its texts are no longer than a slip lets them be."""
_WORDS: Final = ("bundle", "sha256", "at", "alert", "policy", "namespace", "pod", "uid", "prev")
_NUMBERS: Final = ("number", "size")


class BadEntry(PermanentError):
    """The line is no entry, or was altered."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One bundle of the index: which one, its file's sum and size, and whose it is. `number` counts from 1."""

    number: int
    bundle: str
    sha256: str
    size: int
    at: str  # when it was collected, RFC 3339 in UTC
    alert: str
    policy: str
    namespace: str
    pod: str
    uid: str
    prev: str

    @property
    def hash(self) -> str:
        """The SHA-256 sum that the next entry carries as `prev`."""
        return digest(_text(asdict(self)))

    def line(self) -> bytes:
        """Return the entry as its line in the index."""
        return _text(asdict(self) | {"hash": self.hash}) + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Return the entry that a line is. Raises BadEntry unless it is one, byte for byte, with the hash it states."""
        if len(line) > LONGEST:
            raise BadEntry(f"no entry: {len(line)} bytes")
        try:
            found = json.loads(line)
            hashed = found.pop("hash")
            entry = cls(**found)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise BadEntry(f"no entry: {error!r}") from None
        texts = all(isinstance(getattr(entry, name), str) for name in _WORDS)
        if not texts or not all(type(getattr(entry, name)) is int for name in _NUMBERS):
            raise BadEntry("no entry: a member has another type")
        if entry.hash != hashed or entry.line() != line:
            raise BadEntry("was altered: its hash is another")
        return entry


def _text(members: dict[str, Any]) -> bytes:
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
