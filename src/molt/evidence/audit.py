"""Whether an archive is what was written: the bundles, the index's chain, and both against each other.

Found without help from outside: an altered bundle, one that is gone, one that is not in the index; an altered, removed,
inserted or moved line; a line that tells of its bundle what that does not say; a file beside them that is neither.
Not found: a chain made anew from some line on, with all bundles to match, or an end cut off together with its bundles.
A hash that was kept elsewhere finds those too: `anchors`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from molt import marks
from molt.evidence.archive import entry_of
from molt.evidence.bundle import BadBundle, digest, opened
from molt.evidence.index import GENESIS, BadEntry, Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from molt.evidence.archive import Archive


ORPHAN: Final = "is not in the index: its line was removed, or the function was killed before it wrote it"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and where: a line of the index (`line 3`), a bundle, another file, or an anchor."""

    where: str
    problem: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What was looked at and found; `head` is the last entry's hash, good as an anchor for later; "" without one."""

    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...]
    head: str

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify(archive: Archive, anchors: Iterable[str] = ()) -> Audit:
    """Read all of an archive and say what is wrong. Raises TemporaryError when it cannot be read."""
    entries: list[Entry] = []
    findings = list(_chain(archive, entries))
    findings += _bundles(archive, entries)
    findings += [
        Finding(marks.printable(key), "was added: it is neither a line nor a bundle") for key in archive.strays()
    ]
    hashes = {entry.hash for entry in entries}
    findings += [
        Finding(f"anchor {anchor}", "no line of the index has this hash: what it stood for was removed or made anew")
        for anchor in anchors
        if anchor.lower() not in hashes
    ]
    return Audit(tuple(entries), tuple(findings), entries[-1].hash if entries else "")


def _chain(archive: Archive, entries: list[Entry]) -> Iterator[Finding]:
    """Check the lines one by one, and add those that are entries to `entries`."""
    prev: str | None = GENESIS
    expected = 1
    for number in archive.numbers():
        where = f"line {number}"
        if number > expected:
            gone = f"line {expected}" if number == expected + 1 else f"lines {expected} to {number - 1}"
            yield Finding(gone, "gone")
            prev = None
        expected = number + 1
        try:
            entry = Entry.parse(archive.line(number))
        except BadEntry as error:
            yield Finding(where, error.reason)
            prev = None
            continue
        if entry.number != number:
            yield Finding(where, f"was moved: it was written as line {entry.number}")
        if prev is not None and entry.prev != prev:
            yield Finding(where, "does not follow the line before: one of the two was replaced")
        prev = entry.hash
        entries.append(entry)


def _bundles(archive: Archive, entries: Iterable[Entry]) -> Iterator[Finding]:
    """Check each bundle against its line, and look for bundles that have none."""
    entered: set[str] = set()
    for entry in entries:
        if entry.bundle in entered:
            yield Finding(f"bundle {entry.bundle}", "is in the index a second time")
        entered.add(entry.bundle)
        if wrong := problem(archive.file(entry.bundle), entry):
            yield Finding(f"bundle {entry.bundle}", wrong)
    for name in archive.names():
        if name not in entered:
            yield Finding(f"bundle {marks.printable(name)}", ORPHAN)


def problem(data: bytes | None, entry: Entry | None) -> str:
    """Return what is wrong with a bundle's file and its line, "" for nothing; None: there is none."""
    if entry is None:
        return ORPHAN
    if data is None:
        return "is gone"
    if (len(data), digest(data)) != (entry.size, entry.sha256):
        return "was altered: it is not the file that the index has the sum of"
    try:
        bundle = opened(entry.bundle, data)
    except BadBundle as error:
        return error.reason
    told, said = asdict(entry), asdict(entry_of(entry.number, entry.bundle, data, bundle, entry.prev))
    differ = ", ".join(name for name in told if told[name] != said[name])
    return f"says otherwise than its line ({differ}): one of the two was replaced" if differ else ""
