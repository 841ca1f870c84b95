"""One program of the control plane: started with a log file, stopped by its own id."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.recipe import TestbedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_TAIL = 2_000  # characters of a log that an error quotes


@dataclass(frozen=True, slots=True)
class Program:
    """A running program and the file that holds all it says."""

    name: str
    log: Path
    popen: subprocess.Popen[bytes]

    @classmethod
    def start(cls, binary: Path, folder: Path, arguments: Sequence[str]) -> Program:
        """Start a program with a folder of its own as home and with no other environment.

        On Linux it also ends when the thread that started it does: a test run that is killed leaves nothing behind.
        """
        log = folder / f"{binary.name}.log"
        with log.open("wb") as sink:
            popen = subprocess.Popen(  # noqa: S603 - a program that the testbed built
                [*_tether(), str(binary), *arguments],
                cwd=folder,
                env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        return cls(binary.name, log, popen)

    def check(self) -> None:
        """Raise TestbedError, with the end of the log, when the program has ended."""
        if self.popen.poll() is not None:
            raise TestbedError(f"{self.name} ended with {self.popen.returncode}:\n{self.tail()}")

    def tail(self) -> str:
        """Return the end of the log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-_TAIL:]

    def kill(self) -> None:
        """End the program at once. Nothing it holds is worth a graceful stop, which takes an API server a minute."""
        self.popen.kill()
        self.popen.wait()


def _tether() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
