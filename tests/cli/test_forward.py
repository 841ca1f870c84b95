"""`molt forward`: the forwarder, told by options or the environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from molt.cli.app import build
from molt.cli.forward import forward
from molt.forwarder import settings
from tests.cli.conftest import Molt
from tests.molt.forwarder.kit import ask, body, brokering, until


def test_alerts_from_standard_input(molt: Molt, tmp_path: Path) -> None:
    """They are sent, and the command ends; an option counts for more than the environment."""
    with brokering() as broker:
        result = molt(
            *("forward", "--broker", broker.url, "--spool", tmp_path / "spool", "--listen", "", "--file", "-"),
            stdin=body("1") + b"\n" + body("2", rule="another"),
        )
    assert 0 == result.code
    assert ["1", "2"] == sorted(broker.ids)


def test_the_environment_says_what_the_options_do_not(molt: Molt, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong or missing setting is one line and exit code 2."""
    assert (2, "molt: MOLT_FORWARD_BROKER is missing\n") == ((none := molt("forward")).code, none.err)
    monkeypatch.setenv("MOLT_FORWARD_BROKER", "http://127.0.0.1:1/")
    assert "molt: MOLT_FORWARD_SPOOL is missing\n" == molt("forward").err
    wrong = molt("forward", "--spool", "/nowhere/spool", "--listen", "127.0.0.1:0")
    assert (2, True) == (wrong.code, "No such file" in wrong.err)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order(tmp_path: Path, number: int) -> None:
    """Ctrl-C and SIGTERM let it finish, with exit code 0."""
    log = tmp_path / "log"
    command = [sys.executable, "-c", "from molt.cli import main; main()", "forward", "--listen", "127.0.0.1:0"]
    with brokering() as broker, log.open("wb") as out:
        options = ["--broker", broker.url, "--spool", str(tmp_path / "spool")]
        with subprocess.Popen([*command, *options], stdout=out, env=dict(os.environ)) as process:
            until(lambda: b'"listening"' in log.read_bytes())
            port = next(
                int(line["port"]) for line in map(yaml.safe_load, log.read_text().splitlines()) if "port" in line
            )
            assert (202, "") == ask(port, "POST", content=body("1"))
            process.send_signal(number)
            assert 0 == process.wait(60)
    assert ["1"] == broker.ids


def test_every_setting_has_its_option() -> None:
    """One name for both, and the help has it."""
    documented = {word for word in (settings.__doc__ or "").split() if word.startswith(settings.PREFIX)}
    assert forward in [command.callback for command in build().registered_commands]
    names = {name.upper() for name in forward.__annotations__} - {"CONTEXT"}
    expected = {name.removeprefix(settings.PREFIX).rstrip(",") for name in documented}
    assert names - expected == {"KEY", "BROKER_KEY"}
    assert not expected - names
