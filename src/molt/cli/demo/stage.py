"""What the demo plays on: the shop, for as long as it is open, and a runtime that is kept running meanwhile."""

from __future__ import annotations

import contextlib
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from molt.cluster import NAMESPACES, RESPONSE_POLICIES, NotFound
from molt.embedded.runtime import install
from molt.embedded.runtime.runtime import read
from molt.outcome import MoltError, SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from molt.cluster import Cluster
    from molt.embedded.runtime.runtime import Runtime


class Occupied(MoltError):
    """The demo's namespace is there already, and may be somebody's own."""


@contextmanager
def kept(runtime: Runtime) -> Iterator[None]:
    """Keep the runtime running from a thread; raises what ended that, StartError, when the block ends."""
    stop, failures = threading.Event(), []

    def watch() -> None:
        try:
            runtime.watch(stop)
        except MoltError as error:
            failures.append(error)

    keeper = threading.Thread(target=watch, name="keeper", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join()
        if failures:
            raise failures[0]


@contextmanager
def opened(cluster: Cluster, manifests: Path, *, lasting: bool) -> Iterator[None]:
    """Apply the shop's manifests; take namespaces and policies away at the end unless they may be `lasting`.

    Raises Occupied when one of the namespaces is there already.
    """
    documents = [document.body for document in read(manifests)]
    namespaces = [_name(doc) for doc in documents if doc["kind"] == NAMESPACES.kind]
    for name in namespaces:
        if _exists(cluster, name):
            raise Occupied(f"namespace {name} is there already; the demo would change what is in it")
    try:
        install.apply_all(cluster, documents, SystemClock())
        yield
    finally:
        if not lasting:
            policies = [_name(doc) for doc in documents if doc["kind"] == RESPONSE_POLICIES.kind]
            for resource, names in ((RESPONSE_POLICIES, policies), (NAMESPACES, namespaces)):
                for name in names:
                    with contextlib.suppress(NotFound):
                        cluster.delete(resource, name)


def _exists(cluster: Cluster, namespace: str) -> bool:
    try:
        cluster.get(NAMESPACES, namespace)
    except NotFound:
        return False
    return True


def _name(doc: dict[str, Any]) -> str:
    return str(doc["metadata"]["name"])
