"""An embedded API server in this process, over real HTTP, for tests."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt.cluster import Cluster
from molt.embedded.cluster import bootstrap, controllers
from molt.embedded.cluster.api import Api
from molt.embedded.cluster.http import ApiServer
from molt.embedded.cluster.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from molt.embedded.cluster.audit import Audit

TOKEN = "admin-of-the-tests"


@dataclass(frozen=True, slots=True)
class RunningCluster:
    """Where it listens, what is in it, and a client with all rights."""

    url: str
    token: str
    store: Store
    admin: Cluster
    audit: Audit
    api: Api

    def account(self, namespace: str, name: str) -> str:
        """Return a token of a ServiceAccount, which is made if it is missing."""
        path = {"namespace": namespace, "name": name}
        known = self.store.list("serviceaccounts", namespace)
        found = next((one for one in known if one["metadata"]["name"] == name), None)
        account = found or self.store.create(
            "serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": path}
        )
        token: str = self.api.tokens.issue(account, {})["status"]["token"]
        return token


@contextmanager
def running_cluster(*, controllers: bool = True, rbac: bool = True, **options: Any) -> Iterator[RunningCluster]:
    """Run an empty cluster; `controllers` makes its pods come alive (with `options` of controllers.start)."""
    store = Store()
    bootstrap.fill(store)
    api = Api(store, admin_token=TOKEN, rbac=rbac)
    running = _start(store, **options) if controllers else None
    try:
        with ApiServer(api) as server:
            admin = Cluster.connect(url=server.url, token=TOKEN)
            yield RunningCluster(server.url, TOKEN, store, admin, api.audit, api)
            admin.close()
            if running is not None:
                running.stop()
                running = None
    finally:
        if running is not None:
            running.stop()


def _start(store: Store, **options: Any) -> controllers.Controllers:
    return controllers.start(store, **options)
