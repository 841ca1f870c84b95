"""The runtime's folder."""

from __future__ import annotations

import fcntl
import time
from pathlib import Path

import pytest

from molt.embedded.runtime import state as module
from molt.embedded.runtime.state import (
    Addresses,
    AlreadyRunning,
    NotRunning,
    StateFolder,
    UnusableFolder,
    write_private,
)

AT = Addresses(pid=7, broker="http://b", falco="http://f", kubeconfig="/k", context="")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"MOLT_STATE": "/a/b", "XDG_STATE_HOME": "/x"}, Path("/a/b")),
        ({"XDG_STATE_HOME": "/x"}, Path("/x/molt")),
        ({}, Path.home() / ".local" / "state" / "molt"),
    ],
)
def test_the_users_folder(environ: dict[str, str], expected: Path) -> None:
    """The folder is the one that is named, else where the platform keeps state."""
    assert expected == StateFolder.default(environ).root


def test_one_runtime_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second runtime is refused while the first holds the folder, and let in after."""
    monkeypatch.setattr(module, "_PAUSE", 0)
    first, second = StateFolder(tmp_path / "s"), StateFolder(tmp_path / "s")
    with first.claim(), pytest.raises(AlreadyRunning, match="already"), second.claim():
        pass
    with second.claim():
        pass


def test_who_only_looks_is_in_nobodys_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that looks whether a runtime is there holds the lock for a moment: the runtime tries again."""
    state = StateFolder(tmp_path)
    with state.claim():
        pass
    looks = (tmp_path / "lock").open()
    fcntl.flock(looks, fcntl.LOCK_SH)
    monkeypatch.setattr(time, "sleep", lambda _: looks.close())
    with state.claim():
        assert looks.closed


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    """A file where the folder should be is said in one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableFolder, match="Not a directory"), StateFolder(tmp_path / "file" / "s").claim():
        pass
    with pytest.raises(NotRunning):
        StateFolder(tmp_path / "file" / "s").addresses()


def test_addresses_are_published_while_it_runs(tmp_path: Path) -> None:
    """Other commands find the runtime while it runs, and are told so when it does not, or not yet."""
    state = StateFolder(tmp_path)
    with state.claim():
        with pytest.raises(NotRunning, match="is starting"):
            state.addresses()
        state.publish(AT)
        assert AT == state.addresses()
    with pytest.raises(NotRunning, match="molt up"):
        state.addresses()


def test_addresses_of_a_runtime_that_was_killed_are_not_believed(tmp_path: Path) -> None:
    """A file left by kill -9 names nobody: the lock is free. Nor does it name the next runtime while that starts."""
    state = StateFolder(tmp_path)
    with state.claim():
        pass
    state.publish(AT)
    with pytest.raises(NotRunning, match="molt up"):
        state.addresses()
    with state.claim(), pytest.raises(NotRunning, match="is starting"):
        state.addresses()


def test_private_files_are_private_and_whole(tmp_path: Path) -> None:
    """A file with a token is readable by its owner alone, and replaced as a whole."""
    path = tmp_path / "token"
    path.with_name("token.draft").write_text("left over by a kill")
    write_private(path, "one")
    write_private(path, "two")
    assert (0o600, "two", ["token"]) == (
        path.stat().st_mode & 0o777,
        path.read_text(),
        [file.name for file in tmp_path.iterdir()],
    )
