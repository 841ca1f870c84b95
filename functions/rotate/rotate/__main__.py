"""Wires the function up and serves it until SIGTERM."""

from __future__ import annotations

import os
import sys

from molt.process import run
from rotate.handler import FUNCTION, wired
from rotate.tick import TICK

if __name__ == "__main__":
    sys.exit(run(FUNCTION, wired, os.environ, unsigned={TICK}))
