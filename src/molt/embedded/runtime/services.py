"""What the runtime needs to know of a Knative Service: which function it is, as whom it runs, with what settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KNATIVE_SERVICE = ("serving.knative.dev/v1", "Service")


@dataclass(frozen=True, slots=True)
class SecretKey:
    """One key of a Secret in the function's namespace."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class FunctionService:
    """A function as its service.yaml describes it."""

    name: str
    namespace: str
    account: str
    settings: Mapping[str, str | SecretKey] = field(default_factory=dict)

    @property
    def package(self) -> str:
        """The Python package that the image runs: the function's name with underscores."""
        return self.name.replace("-", "_")


def functions(documents: Iterable[Mapping[str, Any]]) -> list[FunctionService]:
    """Return the functions among the manifests."""
    return [_function(doc) for doc in documents if (doc.get("apiVersion"), doc.get("kind")) == KNATIVE_SERVICE]


def _function(manifest: Mapping[str, Any]) -> FunctionService:
    metadata = manifest["metadata"]
    pod = manifest["spec"]["template"]["spec"]
    settings = pod["containers"][0].get("env", [])
    return FunctionService(
        name=metadata["name"],
        namespace=metadata["namespace"],
        account=pod["serviceAccountName"],
        settings={setting["name"]: _value(setting) for setting in settings},
    )


def _value(setting: Mapping[str, Any]) -> str | SecretKey:
    if "valueFrom" not in setting:
        return str(setting["value"])
    reference = setting["valueFrom"]["secretKeyRef"]
    return SecretKey(name=reference["name"], key=reference["key"])
