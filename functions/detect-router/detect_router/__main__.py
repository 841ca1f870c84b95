"""Wires the function up and serves it until SIGTERM."""

from __future__ import annotations

import os
import sys

from detect_router import FUNCTION
from detect_router.handler import handler
from molt.forward import TYPE as ALERT
from molt.process import run

if __name__ == "__main__":
    sys.exit(run(FUNCTION, lambda _: handler(), os.environ, unsigned={ALERT}))
