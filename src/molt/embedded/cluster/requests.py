"""A request as it came, what it asks for besides the object, and the ways to answer it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

from molt.embedded.cluster.objects import rfc3339
from molt.embedded.cluster.ownership import UPDATE, Entry
from molt.embedded.cluster.problems import (
    NOT_SUPPORTED,
    REQUIRED,
    Fault,
    bad_request,
    invalid,
    unsupported_media_type,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from molt.embedded.cluster.resources import Kind

JSON: Final = "application/json"
YAML: Final = "application/yaml"
MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"
VALIDATIONS: Final = ("", "Ignore", "Strict", "Warn")


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request; header names are lower-case, a query has the last value of each name."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def content_type(self) -> str:
        """Return the body's media type, without parameters."""
        return self.headers.get("content-type", JSON).partition(";")[0].strip()

    def flag(self, name: str) -> bool:
        """Tell whether a query parameter is true."""
        return self.query.get(name, "") in ("true", "1", "True")


@dataclass(frozen=True, slots=True)
class Answer:
    """An object (or a text) with its status code."""

    code: int
    body: dict[str, Any] | str
    warnings: tuple[str, ...] = ()
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """A watch: one JSON object a line."""

    events: Iterator[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Options:
    """What a write asks for besides the object."""

    dry_run: bool
    manager: str
    force: bool
    strict: bool
    now: str

    def writer(self, kind: Kind, subresource: str = "", operation: str = UPDATE) -> Entry:
        """Return the manager that writes, without fields yet."""
        return Entry(self.manager, operation, kind.api_version, self.now, frozenset(), subresource)


def options(request: Request, now: datetime, operation: str) -> Options:
    """Return the options in the query; `operation` (`CreateOptions`) names them in a refusal. Raises Refused (422)."""
    query = request.query
    faults = []
    if query.get("dryRun", "All") != "All":
        faults.append(Fault("dryRun", NOT_SUPPORTED, [query["dryRun"]], 'supported values: "All"'))
    if query.get("fieldValidation", "") not in VALIDATIONS:
        values = ", ".join(f'"{one}"' for one in VALIDATIONS)
        faults.append(Fault("fieldValidation", NOT_SUPPORTED, query["fieldValidation"], f"supported values: {values}"))
    manager = query.get("fieldManager", "")
    if request.content_type == APPLY and not manager:
        faults.append(Fault("fieldManager", REQUIRED, detail="is required for apply patch"))
    if faults:
        raise invalid(f"{operation}.meta.k8s.io", "", faults)
    return Options(
        dry_run="dryRun" in query,
        manager=manager or request.headers.get("user-agent", "").partition("/")[0] or "unknown",
        force=request.flag("force"),
        strict=query.get("fieldValidation") == "Strict",
        now=rfc3339(now),
    )


def decoded(request: Request, accepted: tuple[str, ...] = (JSON, YAML)) -> Any:
    """Return the body's value. Raises Refused (400, 415)."""
    if request.content_type not in accepted:
        raise unsupported_media_type(", ".join(accepted))
    try:
        return json.loads(request.body or b"null")
    except ValueError as error:
        if request.content_type not in (YAML, APPLY):
            raise bad_request(f"error decoding JSON: {error}") from error
    # What is JSON, as most that is called YAML, was read above: twenty times as fast.
    try:
        return yaml.safe_load(request.body)
    except yaml.YAMLError as error:
        text = " ".join(str(error).split())
        raise bad_request(f"error decoding YAML: {text}") from error
