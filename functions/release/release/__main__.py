"""Wires the function up and serves it until SIGTERM."""

from __future__ import annotations

import os
import sys

from molt.process import run
from release.handler import FUNCTION, TICK, handle

if __name__ == "__main__":
    sys.exit(run(FUNCTION, lambda _: handle, os.environ, unsigned={TICK}))
