"""What a function's process is given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from molt.cluster import NAMESPACES
from molt.cluster.resources import ACCOUNTS
from molt.embedded.runtime import install
from molt.embedded.runtime.accounts import child_maker
from molt.embedded.runtime.services import FunctionService, SecretKey
from molt.embedded.runtime.state import StateFolder
from molt.outcome import PermanentError
from tests.embedded_cluster import TOKEN, running_cluster


def test_a_function_is_itself_and_not_the_administrator(tmp_path: Path) -> None:
    """It gets a token of its own account, its settings, an address on loopback, and no more of the environment."""
    state = StateFolder(tmp_path)
    settings: dict[str, str | SecretKey] = {"PLAIN": "1", "KEY": SecretKey("rotation-key", "key")}
    service = FunctionService("rotate", "molt", "rotate", settings)
    with running_cluster() as cluster, state.claim():
        cluster.admin.create(NAMESPACES, {"metadata": {"name": "molt"}})
        cluster.admin.create(ACCOUNTS, {"metadata": {"name": "rotate"}}, "molt")
        install.ensure_rotation_key(cluster.admin)
        key = install.secret_value(cluster.admin, "molt", "rotation-key", "key")
        child = child_maker(service, cluster.admin, {"server": cluster.url}, state, {"PATH": "/bin"})()
        given = dict(child._environment())
    config = tmp_path / "accounts" / "rotate.kubeconfig"
    expected = {"PATH": "/bin", "PLAIN": "1", "KEY": key, "HOST": "127.0.0.1", "PORT": "0", "KUBECONFIG": str(config)}
    assert expected == given
    assert ("rotate", ["rotate"]) == (child.name, child._command(0))
    (user,) = json.loads(config.read_text())["users"]
    assert user["user"]["token"] not in {"", TOKEN}
    assert 0o600 == config.stat().st_mode & 0o777


def test_what_is_optional_may_be_missing(tmp_path: Path) -> None:
    """A Secret, or a key of it, that need not be there leaves its setting out; one that must be is missed."""
    state = StateFolder(tmp_path)
    with running_cluster() as cluster, state.claim():
        cluster.admin.create(NAMESPACES, {"metadata": {"name": "molt"}})
        cluster.admin.create(ACCOUNTS, {"metadata": {"name": "rotate"}}, "molt")
        install.ensure_rotation_key(cluster.admin)
        for name in ("rotation-key", "none"):
            optional = FunctionService("rotate", "molt", "rotate", {"SINCE": SecretKey(name, "since", optional=True)})
            child = child_maker(optional, cluster.admin, {"server": cluster.url}, state, {})()
            assert {"HOST", "PORT", "KUBECONFIG"} == set(child._environment())
            needed = FunctionService("rotate", "molt", "rotate", {"SINCE": SecretKey(name, "since")})
            with pytest.raises(PermanentError):
                child_maker(needed, cluster.admin, {"server": cluster.url}, state, {})()._environment()


@pytest.mark.parametrize(
    ("asked", "given"), [("file:///evidence", "file://{state}/evidence"), ("s3://bucket/x", "s3://bucket/x")]
)
def test_a_volumes_place_is_in_the_state_folder(tmp_path: Path, asked: str, given: str) -> None:
    """Where a container has a mount, a process has a folder of the runtime's; a bucket is the same for both."""
    state = StateFolder(tmp_path)
    service = FunctionService("evidence", "molt", "evidence", {"EVIDENCE_STORE": asked})
    with running_cluster() as cluster, state.claim():
        cluster.admin.create(NAMESPACES, {"metadata": {"name": "molt"}})
        cluster.admin.create(ACCOUNTS, {"metadata": {"name": "evidence"}}, "molt")
        child = child_maker(service, cluster.admin, {"server": cluster.url}, state, {})()
        assert given.format(state=tmp_path) == child._environment()["EVIDENCE_STORE"]
