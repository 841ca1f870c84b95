"""Wires the function up and serves it on PORT until SIGTERM."""

from __future__ import annotations

import os
import sys

from molt.cluster import Cluster, Misconfigured
from molt.outcome import SystemClock
from molt.server import create_app, serve
from rotate.handler import FUNCTION, handler, secret

if __name__ == "__main__":
    try:
        handle = handler(secret(os.environ.get("MOLT_ROTATION_KEY", "")))
        app = create_app(FUNCTION, handle, Cluster.from_environ(os.environ), SystemClock())
    except (Misconfigured, ValueError) as error:
        sys.stderr.write(f"{FUNCTION}: {error}\n")
        sys.exit(2)
    serve(app, int(os.environ.get("PORT", "8080")))
