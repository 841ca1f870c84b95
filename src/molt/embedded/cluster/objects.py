"""Kubernetes objects as plain dicts: copying, times, generated names, and the deltas that count."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")
ABSENT = object()
Key = tuple[str, str]  # namespace ("" for cluster-scoped objects) and name

# k8s.io/apimachinery/pkg/util/rand: no vowels and no 0, 1, 3, so that no words arise and no digit looks like a letter.
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX_LENGTH = 5
LONGEST_BASE = 63 - SUFFIX_LENGTH


def copied(value: T) -> T:
    """Return a deep copy of JSON-like `value` (several times faster than copy.deepcopy)."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}  # type: ignore[return-value]  # a dict gives a dict
    if isinstance(value, list):
        return [copied(item) for item in value]  # type: ignore[return-value]  # a list gives a list
    return value


def rfc3339(moment: datetime) -> str:
    """Return `moment` as the API server writes times: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def generated(base: str) -> str:
    """Return a name made of generateName `base` and five random characters, 63 at most in all."""
    return base[:LONGEST_BASE] + "".join(secrets.choice(ALPHABET) for _ in range(SUFFIX_LENGTH))


def meta(obj: dict[str, Any]) -> dict[str, Any]:
    """Return the object's metadata, made if missing."""
    found: dict[str, Any] = obj.setdefault("metadata", {})
    return found


def key_of(obj: dict[str, Any]) -> Key:
    """Return the object's place among those of its kind."""
    return obj["metadata"].get("namespace") or "", obj["metadata"]["name"]


def altered(value: dict[str, Any], old: Any) -> list[str]:
    """Return the keys under which `old` has not the very same (all of them when it is no dict)."""
    if not isinstance(old, dict):
        return list(value)
    return [key for key, item in value.items() if old.get(key, ABSENT) is not item]


def with_status(obj: dict[str, Any], source: dict[str, Any]) -> dict[str, Any]:
    """Return `obj` with the status of `source`, or without one where that has none."""
    bare = {key: value for key, value in obj.items() if key != "status"}
    return bare | ({"status": source["status"]} if "status" in source else {})


def desired(obj: dict[str, Any]) -> dict[str, Any]:
    """Return what counts for metadata.generation: all but metadata and status."""
    return {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata", "status")}
