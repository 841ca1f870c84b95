"""Knative Services, as far as the runtime reads them."""

from __future__ import annotations

from pathlib import Path

from molt.embedded import manifests
from molt.embedded.runtime.services import FunctionService, SecretKey, functions

BASE = Path(__file__).resolve().parents[3] / "knative" / "base"


def test_the_functions_of_the_base() -> None:
    """Every function of knative/base is found, with its account and its settings."""
    documents = [document.body for document in manifests.load(BASE)]
    found = {function.name: function for function in functions(documents)}
    assert {"detect-router", "quarantine", "rotate", "dead-letter"} == set(found)
    assert found["detect-router"].package == "detect_router"
    key = SecretKey(name="rotation-key", key="key")
    assert found["rotate"] == FunctionService("rotate", "molt", "rotate", {"MOLT_ROTATION_KEY": key})


def test_plain_settings_and_other_kinds() -> None:
    """A plain value is text; what is no Knative Service is passed over."""
    container = {"env": [{"name": "N", "value": "3"}]}
    spec = {"template": {"spec": {"serviceAccountName": "a", "containers": [container]}}}
    service = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "f", "namespace": "n"},
        "spec": spec,
    }
    assert functions([service, {"apiVersion": "v1", "kind": "Service"}]) == [FunctionService("f", "n", "a", {"N": "3"})]
