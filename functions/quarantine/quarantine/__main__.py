"""Wires the function up and serves it until SIGTERM."""

from __future__ import annotations

import os
import sys

from molt.process import run
from quarantine.handler import FUNCTION, handler
from quarantine.tick import TICK

if __name__ == "__main__":
    sys.exit(run(FUNCTION, lambda _: handler(), os.environ, unsigned={TICK}))
