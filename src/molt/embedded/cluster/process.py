"""The process: reads its arguments, serves until SIGTERM, says where it listens in one JSON line."""

from __future__ import annotations

import argparse
import json
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from molt.embedded.cluster import bootstrap, controllers
from molt.embedded.cluster.api import Api
from molt.embedded.cluster.http import ApiServer
from molt.embedded.cluster.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str], stdout: TextIO) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code. Raises OSError when port or token file cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m molt.embedded.cluster", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on the loopback (0: any free one)")
    parser.add_argument("--admin-token-file", type=Path, required=True, help="file with the administrator's token")
    chosen = parser.parse_args(argv)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    token = chosen.admin_token_file.read_text(encoding="utf-8").strip()
    store = Store()
    bootstrap.fill(store)
    running = controllers.start(store)
    with ApiServer(Api(store, admin_token=token, rbac=True), chosen.port) as server:
        print(json.dumps({"listening": server.url, "port": server.port}), file=stdout, flush=True)
        stopping.wait()
        running.stop()
    return 0
