"""A function as a process: settings in, a served application, an exit code out.

PORT                                    where it listens: 8080, or any free port for 0
HOST                                    on which address: all of the machine's, unless one is named
MOLT_API_URL, MOLT_API_TOKEN,           which cluster, and who we are there: molt.cluster.connect
KUBECONFIG, or the pod's own account
MOLT_SIGNING_KEY, _PREVIOUS,            what events are signed with: molt.seal
MOLT_CLUSTER, MOLT_SIGNATURE_SECONDS
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from molt import events, seal
from molt.cluster import Cluster, Misconfigured
from molt.gate import gated
from molt.outcome import SystemClock
from molt.server import create_app, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from molt.server import Handler, Parser


def run(
    function: str,
    wire: Callable[[Mapping[str, str]], Handler],
    environ: Mapping[str, str],
    *,
    parse: Parser = events.parse,
    unsigned: Collection[str] | None = (),
) -> int:
    """Serve the handler that `wire` makes of the environment until SIGTERM; return the process's exit code.

    It takes events with a valid signature, and those of the types `unsigned` without one; what it answers is signed.
    None: it takes every event, answers with none, and needs no key.

    A setting that is wrong, for `wire` as a ValueError, is one line on standard error and exit code 2.
    """
    try:
        handle = wire(environ)
        if unsigned is not None:
            handle = gated(handle, seal.of(environ), unsigned)
        app = create_app(function, handle, Cluster.from_environ(environ), SystemClock(), parse=parse)
        serve(app, environ.get("HOST", ""), _port(environ.get("PORT", "8080")))
    except (Misconfigured, OSError, ValueError) as error:
        sys.stderr.write(f"{function}: {error}\n")
        return 2
    return 0


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65_535:  # noqa: PLR2004 - the greatest port there is
        raise ValueError(f"PORT is {text!r}, and must be a number from 0 to 65535")
    return int(text)
