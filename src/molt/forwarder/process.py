"""A forwarder as a process: settings in, signals obeyed, an exit code out."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING

from molt.forwarder import run, settings

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNUSABLE = 2


def main(environ: Mapping[str, str]) -> int:
    """Forward until SIGTERM or SIGINT, or until standard input is at its end and sent; return the exit code.

    A setting that is wrong, or cannot be had, is one line on standard error and exit code 2.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        run.run(settings.read(environ), stop)
    except ValueError as error:
        sys.stderr.write(f"forwarder: {error}\n")
        return _UNUSABLE
    return 0
