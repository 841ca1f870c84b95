"""Where the command line has the signing key from, and what it says when it has none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from molt import seal
from molt.cli import signing_key
from molt.cluster import NAMESPACES, Cluster
from molt.cluster.resources import SECRETS
from molt.embedded.runtime import install
from molt.outcome import PermanentError
from molt.seal import Seal
from tests.embedded_cluster import running_cluster

KEY = "k" * 32


@pytest.fixture(scope="module")
def admin() -> Iterator[Cluster]:
    """Return a cluster with molt's namespace, as its administrator sees it."""
    with running_cluster() as running:
        running.admin.create(NAMESPACES, {"metadata": {"name": "molt"}})
        yield running.admin


def test_the_secret_comes_first_then_the_environment(admin: Cluster) -> None:
    """What the functions have is what counts; without it, whoever knows the key may say it."""
    none, why = signing_key.find(admin, {})
    assert none is None
    assert why == 'get secrets in namespace molt: secrets "signing-key" not found, and MOLT_SIGNING_KEY is not set'
    said = {seal.KEY: KEY, seal.CLUSTER: "here"}
    assert (Seal((KEY.encode(),), "here"), "the environment") == signing_key.find(admin, said)
    with pytest.raises(PermanentError, match=r"^the environment: MOLT_SIGNING_KEY has 5 bytes"):
        signing_key.find(admin, {seal.KEY: "short"})
    install.ensure_signing_key(admin)
    found, where = signing_key.find(admin, said)
    assert "secret molt/signing-key" == where
    key, cluster = (install.secret_value(admin, "molt", "signing-key", name) for name in ("key", "cluster"))
    assert Seal((key.encode(),), cluster) == found
    admin.merge(SECRETS, "signing-key", {"stringData": {"previous-key": KEY}}, "molt")
    found, _ = signing_key.find(admin, {})
    assert Seal((key.encode(), KEY.encode()), cluster) == found
