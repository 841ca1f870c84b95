"""The command itself: its parts, its exit codes, its one line of complaint."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Molt

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("demo", "up", "send", "explain", "status", "plan", "release", "simulate", "forward", "policy")


def test_every_command_is_there(molt: Molt) -> None:
    """The help names them, in the order of their use; without a command one gets the help."""
    result = molt("--help")
    places = [result.out.index(f"\u2502 {command} ") for command in COMMANDS]
    assert (0, sorted(places)) == (result.code, places)
    assert 2 == molt().code


@pytest.mark.parametrize("command", [*((name,) for name in COMMANDS), ("policy", "check")], ids=" ".join)
def test_every_command_says_what_it_does(molt: Molt, command: tuple[str, ...]) -> None:
    """`--help` is there for each."""
    result = molt(*command, "--help")
    assert (0, True) == (result.code, "Usage: molt" in result.out)


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-command",),
        ("send",),
        ("send", "x", "--as", "tetragon"),
        ("send", "x", "--wait", "-1"),
        ("up", "--port", "65535"),
        ("up", "--clock", "now and then"),
        ("up", "--idle", "-1"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_exit_code_2(molt: Molt, arguments: tuple[str, ...]) -> None:
    """Nothing is started, and standard error says what is wrong."""
    result = molt(*arguments)
    assert (2, "") == (result.code, result.out)
    assert result.err


@pytest.mark.parametrize("command", [("status",), ("send", "-"), ("explain", "-"), ("release", "web-1")], ids=" ".join)
def test_without_a_runtime_the_way_to_one_is_said(molt: Molt, command: tuple[str, ...]) -> None:
    """Exit code 3, one line."""
    result = molt(*command, stdin=b"{}")
    assert (3, "", 1) == (result.code, result.out, result.err.count("\n"))
    assert result.err.startswith("molt: no local runtime uses ")
    assert "start one with `molt up`" in result.err


@pytest.mark.parametrize(
    "command", [("status",), ("explain", "-"), ("release", "web-1"), ("up",), ("demo",)], ids=" ".join
)
def test_a_context_that_is_not_there_is_exit_code_3(molt: Molt, command: tuple[str, ...]) -> None:
    """The kubeconfig has no such context, or is not there: one line."""
    result = molt(*command, "--context", "nowhere", stdin=b"{}")
    assert (3, "", 1) == (result.code, result.out, result.err.strip().count("\n") + 1)
    assert "nowhere" in result.err or "kubeconfig" in result.err


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["table", "json"])
def test_a_reader_that_is_gone_is_no_traceback(form: tuple[str, ...]) -> None:
    """`molt ... | head` ends, and says nothing."""
    arguments = ["policy", "check", str(ROOT / "examples"), *form]
    with subprocess.Popen(
        [sys.executable, "-c", "from molt.cli import main; main()", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"" == process.stderr.read()
    assert process.returncode in {0, 1}
