"""What a right too few has stopped is done after all, once the right is back: by `retry`, and once."""

from __future__ import annotations

from pathlib import Path

import urllib3

from molt.cli import signing_key
from molt.cli.resend import resend
from molt.cluster import DEPLOYMENTS, Cluster, Resource
from molt.cluster.resources import DEAD_LETTERS
from molt.dead_letters import NAMESPACE, DeadLetter
from molt.embedded.runtime import ledger
from molt.embedded.runtime.state import StateFolder
from molt.outcome import SystemClock
from tests.end_to_end.conftest import kept
from tests.end_to_end.shop import QUARANTINE, Shop, request, until, until_the_next_second

ROLES = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False)


def letters(admin: Cluster) -> list[DeadLetter]:
    """Return the dead letters of the cluster."""
    return [DeadLetter.parse(obj) for obj in admin.list(DEAD_LETTERS, NAMESPACE)]


def test_a_quarantine_that_was_forbidden_is_done_after_all(folder: Path) -> None:
    """The letter says what was not allowed; sent too early it comes back; sent in time the pod is isolated."""
    with kept(folder) as runtime, Shop.opened(runtime.admin) as shop:
        admin, broker = runtime.admin, runtime.addresses.broker
        renew = signing_key.renewing(signing_key.find(admin, {})[0], SystemClock().now)
        pods = shop.workload(DEPLOYMENTS, 2)
        shop.enforce(QUARANTINE)
        until_the_next_second()
        rules = admin.get(ROLES, "molt-quarantine")["rules"]
        admin.merge(ROLES, "molt-quarantine", {"rules": []})
        alert, headers, body = request(pods[0])
        assert 202 == urllib3.request("POST", broker, headers=headers, body=body).status
        until(lambda: len(letters(admin)) == 1)
        (first,) = letters(admin)
        assert ("quarantine", "422", alert) == (first.function, first.code, first.alert)
        assert first.reason.startswith("422 not allowed to")

        assert [True] == [one.sent for one in resend(admin, broker, [first], renew)]
        until(lambda: [(one.name, one.version != first.version) for one in letters(admin)] == [(first.name, True)])
        assert [] == shop.held()

        admin.merge(ROLES, "molt-quarantine", {"rules": rules})
        assert [(True, "")] == [(one.sent, one.reason) for one in resend(admin, broker, letters(admin), renew)]
        until(lambda: len(shop.held()) == 1)
        until(lambda: ledger.read(StateFolder(folder).logs)[alert].fate == "acted")
        assert [pods[0]["metadata"]["name"]] == [pod["metadata"]["name"] for pod in shop.held()]
        assert [] == letters(admin)
