"""The cluster that a runtime works on: one of our own, which it starts, or that of a context."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt.cluster import Cluster
from molt.embedded.cluster.http import AS
from molt.embedded.runtime import kubeconfig
from molt.embedded.runtime.child import Child
from molt.embedded.runtime.door import HOST
from molt.embedded.runtime.state import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

    from molt.embedded.runtime.state import StateFolder


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster to run against."""

    admin: Cluster
    kubeconfig: str  # the administrator's file, or files
    entry: Mapping[str, Any]  # as in a kubeconfig: where it is and whom to trust
    api_server: Child | None = None  # of our own


def of_context(environ: Mapping[str, str], context: str) -> Place:
    """Return the cluster of a context of the user's kubeconfig. Raises NoSuchContext, Misconfigured."""
    files = kubeconfig.files_of(environ)
    entry = kubeconfig.cluster_of(files, context)
    return Place(Cluster.connect(kubeconfig=files, context=context), files, entry)


def embedded(state: StateFolder, port: int, environment: Mapping[str, str], undo: ExitStack) -> Place:
    """Start a cluster of our own; `undo` stops it. Raises StartError."""
    key, token = state.root / "admin-token", secrets.token_hex(16)
    write_private(key, token)

    def command(port: int) -> list[str]:
        return ["molt.embedded.cluster", "--port", str(port), "--admin-token-file", str(key)]

    child = Child("cluster", command, lambda: environment, state.log("cluster"), port)
    undo.callback(child.stop)
    entry = {"server": f"http://{HOST}:{child.start()}"}
    # kubectl sends no token without TLS; this server takes it from the path, too.
    write_private(state.kubeconfig, kubeconfig.render({"server": f"{entry['server']}{AS}{token}"}, token))
    return Place(Cluster.connect(kubeconfig=str(state.kubeconfig)), str(state.kubeconfig), entry, child)
