"""What the runtime needs to know of a Knative Service: which function it is, as whom it runs, with what settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from molt.embedded.manifests import Document, Field

KNATIVE_SERVICE = ("serving.knative.dev/v1", "Service")
_TIMEOUT = 300  # seconds; Knative's own


@dataclass(frozen=True, slots=True)
class SecretKey:
    """One key of a Secret in the function's namespace."""

    name: str
    key: str
    optional: bool = False  # the function does without it


@dataclass(frozen=True, slots=True)
class FunctionService:
    """A function as its service.yaml describes it."""

    name: str
    namespace: str
    account: str
    settings: Mapping[str, str | SecretKey] = field(default_factory=dict)
    timeout: int = _TIMEOUT  # seconds that it may take to answer

    @property
    def package(self) -> str:
        """The Python package that the image runs: the function's name with underscores."""
        return self.name.replace("-", "_")


def functions(documents: Iterable[Document]) -> list[FunctionService]:
    """Return the functions among the manifests. Raises ManifestError for one that the runtime could not run."""
    return [_function(document.root) for document in documents if document.api == KNATIVE_SERVICE]


def _function(root: Field) -> FunctionService:
    metadata = root.at("metadata").object()
    pod = root.at("spec").object().at("template").object().at("spec").object()
    containers = pod.at("containers").items()
    if not containers:
        raise pod.at("containers").bad("is required")
    settings = containers[0].object().at("env").items()
    return FunctionService(
        name=metadata.at("name").text(),
        namespace=metadata.at("namespace").text(),
        account=pod.at("serviceAccountName").text(),
        settings={setting.object().at("name").text(): _value(setting) for setting in settings},
        timeout=pod.at("timeoutSeconds").whole(_TIMEOUT),
    )


def _value(setting: Field) -> str | SecretKey:
    source = setting.at("valueFrom").object("secretKeyRef")
    if not source:
        return setting.at("value").text("")
    reference = source.at("secretKeyRef").object()
    return SecretKey(
        name=reference.at("name").text(),
        key=reference.at("key").text(),
        optional=reference.at("optional").value is True,
    )
