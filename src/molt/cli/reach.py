"""Where a command finds its cluster: the context that the user names, else the running local runtime's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molt.cluster import Cluster
from molt.embedded.runtime.kubeconfig import files_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molt.embedded.runtime.state import StateFolder


def cluster(environ: Mapping[str, str], state: StateFolder, context: str) -> Cluster:
    """Return the cluster. Raises NotRunning without a context and a runtime, Misconfigured for a wrong kubeconfig."""
    if context:
        return Cluster.connect(kubeconfig=files_of(environ), context=context)
    running = state.addresses()
    return Cluster.connect(kubeconfig=running.kubeconfig, context=running.context or None)
