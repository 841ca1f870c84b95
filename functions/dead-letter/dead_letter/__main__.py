"""Wires the function up and serves it until SIGTERM."""

from __future__ import annotations

import os
import sys

from dead_letter.handler import FUNCTION, handler
from dead_letter.letter import parse
from molt.process import run

if __name__ == "__main__":
    sys.exit(run(FUNCTION, lambda _: handler(), os.environ, parse=parse))
