"""The table of what somebody may do to an archive, and what `verify` says of it.

What only an anchor shows is in the table, too: without one it is not found, with one it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from molt.evidence.archive import Archive, entry_of, key_of
from molt.evidence.audit import ORPHAN, verify
from molt.evidence.bundle import digest, unpack
from molt.evidence.index import Entry
from tests.molt.evidence.made import bundle, kept, rewrite


@dataclass
class Scene:
    """An archive of five bundles, and the hands of an intruder."""

    root: Path
    archive: Archive

    def line(self, number: int) -> Path:
        """Return the file of a line."""
        return self.root / key_of(number)

    def entry(self, number: int) -> Entry:
        """Return a line as an entry."""
        return Entry.parse(self.line(number).read_bytes())

    def file(self, name: str) -> Path:
        """Return the file of a bundle."""
        return self.root / "bundles" / f"{name}.tar.gz"

    def drop(self, number: int, *, with_bundle: bool = False) -> None:
        """Remove a line."""
        if with_bundle:
            self.file(f"b{number}").unlink()
        self.line(number).unlink()

    def swap(self, one: int, other: int) -> None:
        """Have two lines change places."""
        first, second = self.line(one).read_bytes(), self.line(other).read_bytes()
        rewrite(self.line(one), second)
        rewrite(self.line(other), first)

    def spoil(self, number: int) -> None:
        """Replace a bundle by what is none, and its line to match."""
        rewrite(self.file(f"b{number}"), b"none")
        rewrite(self.line(number), replace(self.entry(number), size=4, sha256=digest(b"none")).line())

    def litter(self, *keys: str) -> None:
        """Add files."""
        for key in keys:
            rewrite(self.root / key, b"x")

    def forge(self, first: int, name: str = "") -> None:
        """Replace a bundle, by another one if it is named, and make all lines anew from its on."""
        data = bundle(name or f"b{first}", "innocent")
        rewrite(self.file(f"b{first}"), data)
        prev = self.entry(first).prev
        for number in range(first, 6):
            stored = self.file(f"b{number}").read_bytes()
            entry = entry_of(number, f"b{number}", stored, unpack(stored), prev)
            rewrite(self.line(number), entry.line())
            prev = entry.hash


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Make the archive."""
    return Scene(tmp_path, kept(tmp_path, "b1", "b2", "b3", "b4", "b5"))


def _says(scene: Scene, *anchors: str) -> list[str]:
    return [f"{finding.where}: {finding.problem}" for finding in verify(scene.archive, anchors).findings]


def test_an_archive_that_nobody_touched_is_sound(scene: Scene) -> None:
    """Its head is the last line's hash; every line's hash is an anchor."""
    found = verify(scene.archive, [scene.entry(number).hash for number in range(1, 6)])
    assert (True, 5, scene.entry(5).hash) == (found.sound, len(found.entries), found.head)


def test_an_empty_archive_is_sound(tmp_path: Path) -> None:
    """Unless an anchor says that there was something."""
    scene = Scene(tmp_path, kept(tmp_path))
    assert ("", True) == (verify(scene.archive).head, verify(scene.archive).sound)
    assert 1 == len(_says(scene, "0" * 64))


OTHERWISE = "says otherwise than its line ({}): one of the two was replaced"
STRAY = "was added: it is neither a line nor a bundle"
FOLLOWS = "does not follow the line before: one of the two was replaced"
ALTERED = "was altered: it is not the file that the index has the sum of"

TAMPERING = [
    pytest.param(
        lambda scene: rewrite(scene.file("b2"), bundle("b2", "innocent")),
        [f"bundle b2: {ALTERED}"],
        id="a bundle altered",
    ),
    pytest.param(lambda scene: scene.file("b2").unlink(), ["bundle b2: is gone"], id="a bundle removed"),
    pytest.param(lambda scene: rewrite(scene.file("b9"), bundle("b9")), [f"bundle b9: {ORPHAN}"], id="a bundle added"),
    pytest.param(
        lambda scene: rewrite(scene.line(2), scene.line(2).read_bytes().replace(b"web-1", b"web-9")),
        ["line 2: was altered: its hash is another", f"bundle b2: {ORPHAN}"],
        id="a line altered",
    ),
    pytest.param(
        lambda scene: rewrite(scene.line(2), replace(scene.entry(2), pod="web-9").line()),
        [f"line 3: {FOLLOWS}", f"bundle b2: {OTHERWISE.format('pod')}"],
        id="a line altered with its hash",
    ),
    pytest.param(lambda scene: scene.drop(2), ["line 2: gone", f"bundle b2: {ORPHAN}"], id="a line removed"),
    pytest.param(
        lambda scene: (scene.drop(2, with_bundle=True), scene.drop(3, with_bundle=True)),
        ["lines 2 to 3: gone"],
        id="lines and their bundles removed",
    ),
    pytest.param(
        lambda scene: scene.drop(1, with_bundle=True), ["line 1: gone"], id="the first line and its bundle removed"
    ),
    pytest.param(
        lambda scene: scene.swap(2, 3),
        [
            "line 2: was moved: it was written as line 3",
            f"line 2: {FOLLOWS}",
            "line 3: was moved: it was written as line 2",
            f"line 3: {FOLLOWS}",
            f"line 4: {FOLLOWS}",
        ],
        id="lines reordered",
    ),
    pytest.param(
        lambda scene: rewrite(scene.line(6), scene.line(2).read_bytes()),
        [
            "line 6: was moved: it was written as line 2",
            f"line 6: {FOLLOWS}",
            "bundle b2: is in the index a second time",
        ],
        id="a line repeated",
    ),
    pytest.param(
        lambda scene: rewrite(scene.line(9_999_999_999), b"{}"),
        ["lines 6 to 9999999998: gone", "line 9999999999: no entry: KeyError('hash')"],
        id="a line far away",
    ),
    pytest.param(
        lambda scene: rewrite(scene.line(5), b""),
        ["line 5: no entry", f"bundle b5: {ORPHAN}"],
        id="the last line emptied",
    ),
    pytest.param(lambda scene: scene.drop(5), [f"bundle b5: {ORPHAN}"], id="the tail cut, its bundle left"),
    pytest.param(
        lambda scene: scene.spoil(2),
        [f"line 3: {FOLLOWS}", "bundle b2: no tar.gz"],
        id="a bundle that is none, its line made to match",
    ),
    pytest.param(
        lambda scene: rewrite(scene.line(5), replace(scene.entry(5), pod="web-9", alert="alert-9", at="never").line()),
        [f"bundle b5: {OTHERWISE.format('at, alert, pod')}"],
        id="the last line made to tell of another pod",
    ),
    pytest.param(
        lambda scene: scene.forge(5, "b1"),
        ["bundle b5: is another bundle: b1"],
        id="the last bundle replaced by another one, its line made to match",
    ),
    pytest.param(
        lambda scene: scene.litter(
            "index/evil.json",
            "index/0000000001a.json",
            "index/0000000000.json",
            "index/0000000006.json.draft",
            "bundles/b1",
            "bundles/b1.tar.gz.draft",
            "bundles/\x1b[2J",
        ),
        [
            *(
                f"index/{name}: {STRAY}"
                for name in ("0000000000.json", "0000000001a.json", "0000000006.json.draft", "evil.json")
            ),
            *(f"bundles/{name}: {STRAY}" for name in (" [2J", "b1", "b1.tar.gz.draft")),
        ],
        id="files that are neither lines nor bundles",
    ),
]


@pytest.mark.parametrize(("tamper", "says"), TAMPERING)
def test_tampering_is_found(scene: Scene, tamper: Callable[[Scene], object], says: list[str]) -> None:
    """Without help from outside."""
    tamper(scene)
    found = _says(scene)
    assert len(says) == len(found), found
    assert all(line.startswith(start) for line, start in zip(found, says, strict=True)), found


ONLY_BY_ANCHOR = [
    pytest.param(lambda scene: scene.drop(5, with_bundle=True), id="the tail cut with its bundle"),
    pytest.param(lambda scene: scene.forge(3), id="a bundle replaced, and the chain made anew from there"),
    pytest.param(lambda scene: scene.forge(5), id="the last bundle and line replaced"),
]


@pytest.mark.parametrize("tamper", ONLY_BY_ANCHOR)
def test_what_only_an_anchor_shows(scene: Scene, tamper: Callable[[Scene], object]) -> None:
    """Without one nothing is found, with the hash of the last line it is."""
    anchor = scene.entry(5).hash
    tamper(scene)
    assert [] == _says(scene)
    assert [
        f"anchor {anchor}: no line of the index has this hash: what it stood for was removed or made anew"
    ] == _says(scene, anchor)


def test_an_anchor_does_not_show_what_came_before_it_was_kept(scene: Scene) -> None:
    """The hash of a line covers that line and those before it, none after."""
    anchor = scene.entry(2).hash
    scene.forge(3)
    assert [] == _says(scene, anchor.upper())


def test_evidence_goes_on_after_a_line_was_destroyed(scene: Scene) -> None:
    """Whoever spoils the last line does not stop the function; the spoilt line is found, and nothing else."""
    rewrite(scene.line(5), b"spoilt")
    scene.archive.keep("b6", lambda: bundle("b6"))
    assert scene.archive.entry("b5") is None
    assert ["line 5", "bundle b5"] == [line.partition(":")[0] for line in _says(scene)]
    assert 6 == scene.entry(6).number
