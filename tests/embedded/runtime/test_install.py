"""What the runtime puts into a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from molt.cluster import CRDS, NAMESPACES, RESPONSE_POLICIES, Cluster, NotFound, Resource
from molt.cluster.resources import SECRETS
from molt.embedded import manifests
from molt.embedded.runtime import install
from molt.embedded.runtime.runtime import MANIFESTS
from molt.outcome import PermanentError, SystemClock, TemporaryError
from tests.embedded_cluster import running_cluster

POLICY = {
    "apiVersion": "molt-project.io/v1alpha1",
    "kind": "ResponsePolicy",
    "metadata": {"name": "p"},
    "spec": {"match": {}, "remedies": []},
}


class _Slow(Cluster):
    """Serves a kind only from the `after`-th try on."""

    def __init__(self, after: int) -> None:
        self.after, self.applied = after, 0

    def create(
        self,
        resource: Resource,  # noqa: ARG002 - as the real one
        body: Mapping[str, Any],
        namespace: str | None = None,  # noqa: ARG002 - as the real one
        *,
        dry_run: bool = False,  # noqa: ARG002 - as the real one
    ) -> dict[str, Any]:
        self.applied += 1
        if self.applied < self.after:
            raise NotFound("not served")
        return dict(body)


class _Clock(SystemClock):
    """Does not wait."""

    def __init__(self) -> None:
        self.slept = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


@pytest.fixture(scope="module")
def admin() -> Iterator[Cluster]:
    with running_cluster() as running:
        yield running.admin


def test_the_base_is_applied_in_the_order_that_it_needs(admin: Cluster) -> None:
    """Backwards as well: namespaces and kinds come before what is in them and of them; a second time is no error."""
    documents = [document.body for document in manifests.load(MANIFESTS)]
    done = install.apply_all(admin, reversed(documents), SystemClock())
    assert done == install.apply_all(admin, documents, SystemClock())
    assert "molt" in {obj["metadata"]["name"] for obj in admin.list(NAMESPACES)}
    assert 5 == len(admin.list(CRDS))
    policy = admin.list(RESPONSE_POLICIES)[0]["metadata"]["name"]
    admin.merge(RESPONSE_POLICIES, policy, {"spec": {"mode": "Enforce"}})
    install.apply_all(admin, documents, SystemClock())
    assert "Enforce" == admin.get(RESPONSE_POLICIES, policy)["spec"]["mode"], "a policy is its owner's"


def test_the_key_of_rotation_is_made_once(admin: Cluster) -> None:
    """It stays what it was, has 256 bits, and is read as a function is to have it."""
    install.apply_all(admin, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "molt"}}], SystemClock())
    keys = set()
    for _ in range(2):
        install.ensure_rotation_key(admin)
        keys.add(install.secret_value(admin, "molt", "rotation-key", "key"))
    assert [64] == [len(key) for key in keys]
    with pytest.raises(PermanentError, match="secret molt/rotation-key has no key other"):
        install.secret_value(admin, "molt", "rotation-key", "other")
    assert admin.get(SECRETS, "rotation-key", "molt")


def test_the_key_of_signatures_is_made_once_and_for_this_cluster(admin: Cluster) -> None:
    """It stays what it was, has 256 bits, and names the cluster by the UID of kube-system."""
    install.apply_all(admin, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "molt"}}], SystemClock())
    made = set()
    for _ in range(2):
        install.ensure_signing_key(admin)
        made.add(tuple(install.secret_value(admin, "molt", "signing-key", name) for name in ("key", "cluster")))
    ((key, cluster),) = made
    assert admin.get(NAMESPACES, "kube-system")["metadata"]["uid"] == cluster
    assert 64 == len(key)
    assert key != install.secret_value(admin, "molt", "rotation-key", "key")


def test_a_kind_that_is_not_served_yet_is_waited_for() -> None:
    """A real API server serves a new kind some moments after it took it; one that never does is said."""
    clock, slow = _Clock(), _Slow(after=3)
    assert 1 == install.apply_all(slow, [POLICY], clock)
    assert (3, 1.0) == (slow.applied, clock.slept)
    with pytest.raises(TemporaryError, match="ResponsePolicy p cannot be applied: not served"):
        install.apply_all(_Slow(after=1000), [POLICY], clock)


@pytest.mark.parametrize("metadata", [None, "x", {}, {"name": ""}])
def test_what_has_no_name_is_refused(metadata: object) -> None:
    """Before anything is sent."""
    with pytest.raises(PermanentError, match="a ResponsePolicy of the manifests has no name"):
        install.apply_all(_Slow(after=0), [POLICY | {"metadata": metadata}], SystemClock())


def test_other_kinds_are_passed_over() -> None:
    """Eventing is the broker's, and a document may be anything."""
    others: list[dict[str, Any]] = [
        {},
        {"apiVersion": ["v1"], "kind": {}},
        {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker"},
    ]
    assert 0 == install.apply_all(_Slow(after=0), others, SystemClock())
