"""Wires the function up and serves it on PORT until SIGTERM."""

from __future__ import annotations

import os
import sys

from detect_router import FUNCTION
from detect_router.handler import handle
from molt.cluster import Cluster, Misconfigured
from molt.outcome import SystemClock
from molt.server import create_app, serve

if __name__ == "__main__":
    try:
        cluster, port = Cluster.from_environ(os.environ), int(os.environ.get("PORT", "8080"))
    except (Misconfigured, ValueError) as error:
        sys.stderr.write(f"{FUNCTION}: {error}\n")
        sys.exit(2)
    serve(create_app(FUNCTION, handle, cluster, SystemClock()), port)
