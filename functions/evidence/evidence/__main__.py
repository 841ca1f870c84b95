"""Wires the function up and serves it until SIGTERM."""

from __future__ import annotations

import os
import sys

from evidence.handler import FUNCTION
from evidence.wiring import wire
from molt.process import run

if __name__ == "__main__":
    sys.exit(run(FUNCTION, wire, os.environ))
