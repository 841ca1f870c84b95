"""Wires the function up and serves it until SIGTERM."""

from __future__ import annotations

import os
import sys

from molt.process import run
from tag.handler import FUNCTION, handle

if __name__ == "__main__":
    sys.exit(run(FUNCTION, lambda _: handle, os.environ))
