"""Knative Services, as far as the runtime reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from molt.embedded import manifests
from molt.embedded.manifests import Document, ManifestError
from molt.embedded.runtime.services import FunctionService, SecretKey, functions

BASE = Path(__file__).resolve().parents[3] / "knative" / "base"


def _service(env: list[Any] | None = None, **spec: Any) -> Document:
    pod = {"serviceAccountName": "a", "containers": [{"env": env or []}]} | spec
    body = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "f", "namespace": "n"},
        "spec": {"template": {"spec": pod}},
    }
    return Document(Path("f.yaml"), 0, body)


def test_the_functions_of_the_base() -> None:
    """Every function of knative/base is found, with its account, its settings and its time."""
    found = {function.name: function for function in functions(manifests.load(BASE))}
    assert {path.parent.name for path in (BASE.parents[1] / "functions").glob("*/service.yaml")} == set(found)
    assert "detect_router" == found["detect-router"].package
    settings: dict[str, str | SecretKey] = {
        "MOLT_SIGNING_KEY": SecretKey("signing-key", "key"),
        "MOLT_SIGNING_KEY_PREVIOUS": SecretKey("signing-key", "previous-key", optional=True),
        "MOLT_CLUSTER": SecretKey("signing-key", "cluster"),
        "MOLT_ROTATION_KEY": SecretKey("rotation-key", "key"),
        "MOLT_ROTATION_KEY_PREVIOUS": SecretKey("rotation-key", "previous-key", optional=True),
        "MOLT_ROTATION_KEY_SINCE": SecretKey("rotation-key", "since", optional=True),
        "MOLT_MOVES_PER_TICK": "50",
    }
    assert FunctionService("rotate", "molt", "rotate", settings, 60) == found["rotate"]


def test_plain_settings_and_other_kinds() -> None:
    """A plain value is text, none is the empty one; what is no Knative Service is passed over."""
    other = Document(Path("s.yaml"), 0, {"apiVersion": "v1", "kind": "Service"})
    env = [{"name": "N", "value": "3"}, {"name": "M"}]
    assert [FunctionService("f", "n", "a", {"N": "3", "M": ""}, 300)] == functions([_service(env), other])


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"containers": []}, "spec.template.spec.containers: is required"),
        ({"containers": ["x"]}, r"containers\[0\]: must be an object"),
        ({"serviceAccountName": None}, "serviceAccountName: is required"),
        ({"timeoutSeconds": "x"}, "timeoutSeconds: must be a whole number"),
        ({"env": [{"name": "N", "valueFrom": {"fieldRef": {}}}]}, "valueFrom.fieldRef: is not supported"),
        ({"env": [{"name": "N", "valueFrom": {"secretKeyRef": {"name": "s"}}}]}, "secretKeyRef.key: is required"),
    ],
)
def test_a_service_that_could_not_be_run(spec: dict[str, Any], complaint: str) -> None:
    """The error names the file, the object and the field."""
    with pytest.raises(ManifestError, match=f"f.yaml: Service n/f: .*{complaint}"):
        functions([_service(**spec)])
