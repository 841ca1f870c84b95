"""rotate's right to a Secret as the API server bounds it: a Role lets it patch one, secret-bounds.yaml what of it.

Whoever has rotate's token, and a Role for the Secret, can make it neither lose a value nor carry anything else.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from molt import marks
from molt.policy.regeneration import Dependant, Regeneration
from molt.policy.rotation import Lifetime
from molt.regenerable import under_way
from rotate import exchange
from testbed.api import JSON, Api
from testbed.control_plane import ControlPlane
from tests.contract.space import until
from tests.real.manifests import ROOT, apply_all, documents

pytestmark = pytest.mark.real

Object = dict[str, Any]

SECRETS = "/api/v1/namespaces/default/secrets"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = Lifetime(NOW - NOW, NOW - NOW, fixed=True)
ONE = Regeneration("bounded", ("password",), DAY, dependants=(Dependant("Deployment", "web"),))
NOTES = {marks.REGENERABLE: "true", "example.org/a": "b"}


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


DATA = {"password": _coded("old"), "user": _coded("molt")}


@pytest.fixture(scope="module")
def rotate(installed: Api, control_plane: ControlPlane) -> Iterator[Api]:
    """Return the API server as rotate sees it once the bounds hold; its Role is more than README.md asks for."""
    apply_all(installed, documents(ROOT / "functions/rotate/secret-bounds.yaml"))
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "delete", "get", "patch", "update"]}]
    installed.post(f"{RBAC}/roles", {"metadata": {"name": "generous"}, "rules": rules}).object()
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "generous"}
    subjects = [{"kind": "ServiceAccount", "name": "rotate", "namespace": "molt"}]
    installed.post(
        f"{RBAC}/rolebindings", {"metadata": {"name": "generous"}, "roleRef": role, "subjects": subjects}
    ).object()
    account = control_plane.api_as(control_plane.token("rotate", "molt"))
    made = {"metadata": {"name": "unbounded"}}
    until(lambda: account.post(SECRETS, made, dryRun="All").status == 422, "the bounds hold")
    yield account
    installed.delete(f"{RBAC}/rolebindings/generous")
    installed.delete(f"{RBAC}/roles/generous")


@pytest.fixture
def secret(installed: Api) -> Iterator[str]:
    """Make a Secret that may be regenerated, and return its path."""
    body = {"metadata": {"name": "bounded", "annotations": NOTES, "labels": {"a": "b"}}, "data": DATA}
    installed.post(SECRETS, body).object()
    yield f"{SECRETS}/bounded"
    installed.delete(f"{SECRETS}/bounded")


def _begin(installed: Api, rotate: Api, path: str) -> str:
    """Begin a regeneration, and return the new value."""
    values = exchange.draw(ONE)
    operations = exchange.begin(installed.get(path).object(), values, "credentials", NOW)
    assert 200 == rotate.patch(path, operations, JSON).status
    return values["password"]


@pytest.mark.parametrize("ends", ["well", "put back"])
def test_a_regeneration_is_let_through(installed: Api, rotate: Api, secret: str, ends: str) -> None:
    """Each of its patches, to either end."""
    new = _begin(installed, rotate, secret)
    found = installed.get(secret).object()
    assert DATA | {"password": _coded(new), "password-previous": _coded("old")} == found["data"]
    if ends == "put back":
        way = under_way(found)
        assert way
        assert 200 == rotate.patch(secret, exchange.put_back(found, way, NOW, NOW), JSON).status
        found = installed.get(secret).object()
        assert DATA | {"password-previous": _coded(new)} == found["data"]
    way = under_way(found)
    assert way
    answer = rotate.patch(secret, exchange.end(found, way), JSON)
    assert 200 == answer.status, answer
    assert DATA | ({} if ends == "put back" else {"password": _coded(new)}) == installed.get(secret).object()["data"]


GONE = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "gone"}


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ({"data": {"password": _coded("mine")}}, "loses no value"),
        ({"data": {"password": _coded("mine"), "password-previous": _coded("not the old")}}, "loses no value"),
        ({"data": {"password": None}}, "loses no value"),
        ({"data": {"user": None}}, "loses no value"),
        ({"data": None}, "loses no value"),
        ({"data": {"extra": _coded("x")}}, "adds no key"),
        ({"data": {"extra-previous": _coded("x")}}, "adds no key"),
        ({"metadata": {"annotations": {marks.REGENERABLE: "false"}}}, "annotations"),
        ({"metadata": {"annotations": {marks.REGENERABLE: None}}}, "annotations"),
        ({"metadata": {"annotations": {"example.org/a": "c"}}}, "annotations"),
        ({"metadata": {"annotations": {"example.org/c": "d"}}}, "annotations"),
        ({"metadata": {"annotations": {marks.PAUSE: "true"}}}, "annotations"),
        ({"metadata": {"labels": {"a": "c"}}}, "values and its own annotations alone"),
        ({"metadata": {"finalizers": ["example.org/mine"]}}, "values and its own annotations alone"),
        ({"metadata": {"ownerReferences": [GONE]}}, "values and its own annotations alone"),
        ({"immutable": True}, "values and its own annotations alone"),
    ],
)
def test_and_nothing_else(rotate: Api, secret: str, patch: Object, said: str) -> None:
    """Whatever the Role would let it do."""
    answer = rotate.patch(secret, patch, dryRun="All")
    assert (422, True) == (answer.status, said in answer.message), answer


@pytest.mark.parametrize(
    "change",
    [
        {"password-previous": _coded("other")},
        {"password-previous": None},
        {"password": _coded("third"), "password-previous": _coded("x")},
    ],
)
def test_a_former_value_is_kept_until_the_end(installed: Api, rotate: Api, secret: str, change: Object) -> None:
    """It is neither overwritten nor removed while the regeneration is under way."""
    _begin(installed, rotate, secret)
    answer = rotate.patch(secret, {"data": change}, dryRun="All")
    assert (422, True) == (answer.status, "loses no value" in answer.message), answer


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metadata": {"annotations": {marks.REGENERABLE: None}}}, "is not annotated"),
        ({"metadata": {"annotations": {marks.REGENERABLE: "True"}}}, "is not annotated"),
    ],
)
def test_what_its_owner_has_not_annotated(installed: Api, rotate: Api, secret: str, change: Object, said: str) -> None:
    """Nothing of it changes, not by a regeneration either."""
    installed.patch(secret, change).object()
    operations = exchange.begin(installed.get(secret).object(), exchange.draw(ONE), "credentials", NOW)
    answer = rotate.patch(secret, operations, JSON)
    assert (422, True) == (answer.status, said in answer.message), answer


@pytest.mark.parametrize("kind", ["kubernetes.io/tls", "bootstrap.kubernetes.io/token", "helm.sh/release.v1"])
def test_a_secret_of_another_type(installed: Api, rotate: Api, kind: str) -> None:
    """A credential of the cluster's is no password."""
    data = {"tls.crt": "", "tls.key": ""} if kind.endswith("tls") else DATA
    path = f"{SECRETS}/typed"
    installed.post(SECRETS, {"metadata": {"name": "typed", "annotations": NOTES}, "type": kind, "data": data}).object()
    try:
        answer = rotate.patch(path, {"metadata": {"annotations": {marks.POLICY: "x"}}})
        assert (422, True) == (answer.status, "type is not Opaque" in answer.message), answer
    finally:
        installed.delete(path)


def test_neither_made_nor_deleted(installed: Api, rotate: Api, secret: str) -> None:
    """Though the Role says so."""
    made = rotate.post(SECRETS, {"metadata": {"name": "mine", "annotations": NOTES}})
    gone = rotate.delete(secret)
    assert [422, 422] == [made.status, gone.status]
    assert "rotate changes Secrets, and no more" in made.message
    assert DATA == installed.get(secret).object()["data"]


def test_others_are_not_bound(installed: Api, secret: str) -> None:
    """The policy is for rotate's account alone."""
    assert 200 == installed.patch(secret, {"data": {"password": _coded("mine")}}, dryRun="All").status
