"""Wires the function up and serves it until SIGTERM."""

from __future__ import annotations

import os
import sys

from dead_letter.handler import FUNCTION, handle
from dead_letter.letter import parse
from molt.process import run

if __name__ == "__main__":
    sys.exit(run(FUNCTION, lambda _: handle, os.environ, parse=parse, unsigned=None))
