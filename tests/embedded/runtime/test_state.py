"""The runtime's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from molt.embedded.runtime.state import Addresses, AlreadyRunning, NotRunning, StateFolder, write_private

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


def test_one_runtime_a_folder(tmp_path: Path) -> None:
    """A second runtime is refused while the first holds the folder, and let in after."""
    first, second = StateFolder(tmp_path / "s"), StateFolder(tmp_path / "s")
    with first.claim(), pytest.raises(AlreadyRunning, match="already"), second.claim():
        pass
    with second.claim():
        pass


def test_addresses_are_published_while_it_runs(tmp_path: Path) -> None:
    """Other commands find the runtime while it runs, and are told so when it does not."""
    state = StateFolder(tmp_path)
    with state.claim():
        state.publish(AT)
        assert state.addresses() == AT
    with pytest.raises(NotRunning, match="molt up"):
        state.addresses()


def test_addresses_of_a_runtime_that_was_killed_are_not_believed(tmp_path: Path) -> None:
    """A file left by kill -9 names nobody: the lock is free."""
    state = StateFolder(tmp_path)
    state.publish(AT)
    with pytest.raises(NotRunning):
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
