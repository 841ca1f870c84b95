"""The broker as a process: what its command line means, and what it says when it is ready."""

from __future__ import annotations

import argparse
import signal
import threading
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO
from urllib.parse import quote

from molt.commits import StoreError
from molt.embedded import clock, manifests
from molt.embedded.broker import eventing
from molt.embedded.broker.journal import Journal
from molt.embedded.broker.service import BrokerService, Options, opened
from molt.embedded.manifests import ManifestError

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNUSABLE = 2


def main(arguments: Sequence[str], out: TextIO, err: TextIO) -> int:
    """Run a broker until SIGTERM or SIGINT; return the exit status: 0, or 2 when it could not start."""
    options = _parser().parse_args(arguments)
    try:
        documents = list(manifests.load(options.manifests))
        found = eventing.read(documents)
        sources = clock.read(documents, found.brokers, schedule=options.schedule) if options.clock else []
        journal = Journal(out)
        with opened(found, options.state, partial(_service, options.services), journal, _options(options)) as service:
            _run(service, sources, journal)
    except (ManifestError, StoreError, clock.BadSchedule, OSError) as error:
        err.write(f"molt broker: {error}\n")
        return _UNUSABLE
    return 0


def _run(service: BrokerService, sources: Sequence[clock.PingSource], journal: Journal) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stop())
    journal.say(listening=service.url, port=service.port, clocks=len(sources))
    if waiting := service.start():
        journal.say(resumed=waiting)
    with ExitStack() as undo:
        if sources:
            stop = threading.Event()
            ticking = clock.Ticking(sources, service.dispatcher.accept, journal.trouble)
            thread = threading.Thread(target=ticking.run, args=(stop.wait,), name="clock", daemon=True)
            thread.start()
            undo.callback(thread.join)
            undo.callback(stop.set)
        service.run()


def _service(template: str, reference: eventing.Reference, namespace: str) -> str:
    return template.format(namespace=quote(namespace, safe=""), name=quote(reference.name, safe=""))


def _options(options: argparse.Namespace) -> Options:
    return Options(options.host, options.port, options.width, options.keep, options.grace)


def _template(text: str) -> str:
    try:
        text.format(namespace="namespace", name="name")
    except (LookupError, ValueError) as error:
        message = "may hold {namespace} and {name}, no other braces"
        raise argparse.ArgumentTypeError(message) from error
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m molt.embedded.broker", description="A durable broker, as Knative's."
    )
    parser.add_argument("--manifests", type=Path, required=True, help="file, folder or kustomization to read")
    parser.add_argument("--state", type=Path, required=True, help="SQLite file to keep events in")
    parser.add_argument(
        "--services", type=_template, required=True, help="URL of a Service: http://host/{namespace}/{name}"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0: a free one")
    parser.add_argument("--width", type=int, default=10, help="deliveries of one trigger under way at once")
    parser.add_argument("--keep", type=int, default=10_000, help="settled events to remember, for a day at most")
    parser.add_argument("--grace", type=float, default=5.0, help="seconds that deliveries are waited for at the end")
    parser.add_argument("--clock", action="store_true", help="let the PingSources tick")
    parser.add_argument("--schedule", help="schedule of every PingSource, in place of its own")
    return parser
