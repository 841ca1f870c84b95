"""Runs a module as a process that ends when its parent does: `python -P -m molt.embedded.lifeline MODULE ARGUMENT...`.

The parent holds the other end of our standard input. When the parent dies, even by kill -9, that end closes, and we
stop as on SIGTERM: no process of the local runtime outlives it. The module that runs knows nothing of this.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

_GRACE = 15.0  # seconds from SIGTERM to SIGKILL: there is no parent left to lose patience


def end_with(stdin: int) -> None:
    """Read `stdin` until its writer is gone, then ask this process to stop, and see to it that it does."""
    while os.read(stdin, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os.kill(os.getpid(), signal.SIGKILL)


def run(argv: list[str]) -> None:
    """Run module `argv[0]` as `__main__` with the rest as its arguments, tied to standard input."""
    module, *arguments = argv
    threading.Thread(target=end_with, args=(sys.stdin.fileno(),), name="lifeline", daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    run(sys.argv[1:])
