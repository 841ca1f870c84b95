"""A folder as a store: whole files or none, one writer at a time, errors that may pass."""

from __future__ import annotations

import fcntl
import multiprocessing
from pathlib import Path

import pytest

from molt.evidence import folder as folders
from molt.evidence.archive import ATTEMPTS, Archive, key_of
from molt.evidence.audit import verify
from molt.evidence.folder import LOCK, Folder
from molt.outcome import TemporaryError
from tests.molt.evidence.made import bundle


def test_it_reads_creates_and_lists(tmp_path: Path) -> None:
    """What is there stays; a draft that a killed writer left is no file, and in nobody's way."""
    folder = Folder(tmp_path / "new" / "store")
    assert (None, []) == (folder.read("a/b"), folder.keys("a/"))
    assert folder.create("a/b", b"1")
    (folder.root / ".draft").write_bytes(b"half")
    assert not folder.create("a/b", b"2")
    assert folder.create("a/c", b"3")
    assert (b"1", b"3", ["a/b", "a/c"]) == (folder.read("a/b"), folder.read("a/c"), folder.keys("a/"))
    assert {"a", ".lock"} == {path.name for path in folder.root.iterdir()}
    assert (0o700, 0o400) == (folder.root.stat().st_mode & 0o777, (folder.root / "a/b").stat().st_mode & 0o777)
    assert (None, []) == (folder.read("a/b/c"), folder.keys("a/b/"))


@pytest.mark.parametrize(
    ("url", "path"), [("file:///evidence", "/evidence"), ("file://localhost/a%20b", "/a b"), ("file:/x", "/x")]
)
def test_an_address_names_a_folder(url: str, path: str) -> None:
    """With all its characters."""
    assert Path(path) == Folder.at(url).root


@pytest.mark.parametrize("url", ["s3://bucket/x", "file://host/x", "file:x", "/evidence", ""])
def test_any_other_address_is_refused(url: str) -> None:
    """A relative folder is nobody's."""
    with pytest.raises(ValueError, match="is no folder"):
        Folder.at(url)


def test_a_broken_volume_may_come_back(tmp_path: Path) -> None:
    """Every error of the file system is one that a later try may not meet."""
    (tmp_path / "file").write_bytes(b"")
    folder = Folder(tmp_path / "file")
    with pytest.raises(TemporaryError, match=r"evidence store .*file: Not a directory|File exists"):
        folder.create("a/b", b"")
    (tmp_path / "store" / "a" / "b").mkdir(parents=True)
    with pytest.raises(TemporaryError, match="Is a directory"):
        Folder(tmp_path / "store").read("a/b")


def test_a_lock_that_is_held_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has it may hang; the next try may find it free."""
    monkeypatch.setattr(folders, "PATIENCE", 0.02)
    folder = Folder(tmp_path)
    with (tmp_path / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TemporaryError, match=r"locked by another for 0\.02 seconds"):
            folder.create("a/b", b"1")
    assert folder.create("a/b", b"1")


def _keep(root: str, start: int) -> None:
    archive = Archive(Folder(Path(root)))
    for number in range(start, start + 10):
        name = f"b{number % 15}"  # each name by two processes, in another order
        archive.keep(name, lambda name=name: bundle(name))  # type: ignore[misc]


def test_writers_of_several_processes_make_one_chain(tmp_path: Path) -> None:
    """Forty writes of fifteen bundles by four processes: fifteen lines, one after the other."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_keep, args=(str(tmp_path), start)) for start in (0, 5, 10, 3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [0, 0, 0, 0] == [writer.exitcode for writer in writers]
    found = verify(Archive(Folder(tmp_path)))
    assert ((), 15) == (found.findings, len(found.entries))


def test_who_is_never_first_gives_up(tmp_path: Path) -> None:
    """And is delivered again."""

    class Busy(Folder):
        def create(self, key: str, data: bytes) -> bool:
            return super().create(key, data) if key.startswith("bundles/") else False

    archive = Archive(Busy(tmp_path))
    with pytest.raises(TemporaryError, match=f"changed under each of {ATTEMPTS} attempts to enter bundle b1"):
        archive.keep("b1", bundle)
    assert b"" == archive.line(1)


def test_who_takes_anothers_bundle_for_its_own_enters_it_once(tmp_path: Path) -> None:
    """A store that says yes to a write sent again (S3) cannot tell it from another's of the same bytes."""

    class Overtaken(Folder):
        def read(self, key: str) -> bytes | None:
            found = super().read(key)
            if found is None and key.startswith("bundles/"):
                Archive(Folder(tmp_path)).keep("b1", bundle)
            return found

        def create(self, key: str, data: bytes) -> bool:
            return super().create(key, data) or self.read(key) == data

    entry, _ = Archive(Overtaken(tmp_path)).keep("b1", bundle)
    assert ((), (entry,)) == ((found := verify(Archive(Folder(tmp_path)))).findings, tuple(found.entries))


def test_lines_are_named_so_that_they_sort() -> None:
    """`cat index/*` is the index in its order."""
    assert sorted(key_of(number) for number in (2, 10, 100)) == [key_of(number) for number in (2, 10, 100)]
