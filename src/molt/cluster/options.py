"""The options of requests: query parameters, and the objects that carry options in a body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from molt.cluster.resources import Resource

    Trim = Callable[[dict[str, Any]], dict[str, Any]] | None

VERSION: Final = "resourceVersion"
MANAGER: Final = "molt"  # field manager of creates and merges; `apply` names its own


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How much of a log is wanted: of the last `lines` the first `size` bytes, as the kubelet has it."""

    lines: int
    size: int

    def query(self, container: str, *, previous: bool) -> dict[str, str]:
        """Return the query parameters of a request for a log."""
        query = {"container": container, "timestamps": "true", "tailLines": str(self.lines)}
        return query | {"limitBytes": str(self.size)} | filled(previous="true" if previous else "")


def filled(**query: str) -> dict[str, str]:
    """Return the parameters that have a value."""
    return {key: value for key, value in query.items() if value}


def freshness(*, cached: bool) -> dict[str, str]:
    """Return the query parameters that say how fresh a list must be.

    `cached`: as the API server's watch cache has it, normally milliseconds old. Without, it is the latest: the API
    server asks etcd how far it is, and waits until its cache has got there, up to 100 ms when another list of that kind
    has just waited (KEP-2340; `progressRequestPeriod`).
    """
    return {VERSION: "0"} if cached else {}


def writing(*, dry_run: bool, manager: str = MANAGER) -> dict[str, str]:
    """Return the query parameters of a write."""
    return {"fieldManager": manager} | filled(dryRun="All" if dry_run else "")


def typed(resource: Resource, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object with its apiVersion and kind."""
    return {"apiVersion": resource.api_version, "kind": resource.kind, **body}


def deletion(uid: str, grace_seconds: int | None, *, dry_run: bool, resource_version: str = "") -> dict[str, Any]:
    """Return the fields of DeleteOptions."""
    options: dict[str, Any] = {}
    if preconditions := filled(uid=uid, resourceVersion=resource_version):
        options["preconditions"] = preconditions
    if grace_seconds is not None:
        options["gracePeriodSeconds"] = grace_seconds
    if dry_run:
        options["dryRun"] = ["All"]
    return options
