"""Manifests of the tree, applied as `kubectl apply --server-side` does: each document to the path that its kind has."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from testbed.api import APPLY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.api import Answer, Api

ROOT = Path(__file__).resolve().parents[2]
Object = dict[str, Any]


def documents(*paths: Path) -> list[Object]:
    """Return the objects of manifest files, kustomization files left out."""
    texts = [path.read_text(encoding="utf-8") for path in paths if path.name != "kustomization.yaml"]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def crds() -> list[Object]:
    """Return the CustomResourceDefinitions that molt brings."""
    return documents(*sorted((ROOT / "knative/base/crds").glob("*.yaml")))


def policies() -> list[Object]:
    """Return the default policies that molt brings."""
    return documents(*sorted((ROOT / "knative/base/policies").glob("*.yaml")))


def accounts(function: str) -> list[Object]:
    """Return the account of one function, its roles and their bindings."""
    return documents(ROOT / "functions" / function / "rbac.yaml")


def functions() -> list[str]:
    """Return the names of the functions that have an account."""
    return sorted(path.parent.name for path in (ROOT / "functions").glob("*/rbac.yaml"))


def apply(api: Api, document: Object, **query: str) -> Answer:
    """Apply one document with strict validation; the answer may be a refusal."""
    asked = {"fieldManager": "molt-tests", "force": "true", "fieldValidation": "Strict", **query}
    return api.patch(path_of(api, document), document, APPLY, **asked)


def apply_all(api: Api, objects: list[Object]) -> None:
    """Apply documents in their order; the first refusal is an AssertionError."""
    for each in objects:
        apply(api, each).object()


def path_of(api: Api, document: Object) -> str:
    """Return an object's path, as the server's own discovery has it; a new kind is waited for."""
    version, kind, meta = document["apiVersion"], document["kind"], document["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    for resource in _discovered(api, root):
        if resource["kind"] == kind and "/" not in resource["name"]:
            space = f"/namespaces/{meta['namespace']}" if resource["namespaced"] else ""
            return f"{root}{space}/{resource['name']}/{meta['name']}"
    raise AssertionError(f"{version} {kind} is not served")


def _discovered(api: Api, root: str) -> Iterator[Object]:
    deadline = time.monotonic() + 20
    while (answer := api.get(root)).status != 200 and time.monotonic() < deadline:
        time.sleep(0.05)
    yield from answer.object()["resources"]


def establish(api: Api) -> dict[str, Object]:
    """Apply the CustomResourceDefinitions, wait until they are served, and return the conditions of each by name."""
    apply_all(api, crds())
    deadline = time.monotonic() + 20
    while not all(_served(api, each) for each in crds()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not served: {[_conditions(api, each) for each in crds()]}")
        time.sleep(0.05)
    return {each["metadata"]["name"]: _conditions(api, each) for each in crds()}


def _served(api: Api, crd: Object) -> bool:
    """Tell whether a kind is established and can be listed; in between its storage answers 429 for a moment."""
    spec = crd["spec"]
    path = f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"
    return _conditions(api, crd).get("Established", {}).get("status") == "True" and api.get(path).status == 200


def _conditions(api: Api, document: Object) -> Object:
    status = api.get(path_of(api, document)).object().get("status", {})
    return {condition["type"]: condition for condition in status.get("conditions") or ()}
