"""How the policies of a cluster stand: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt.policy import PolicyError, response, rotation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Answering:
    """A ResponsePolicy; `problem` is "" unless nobody can act on it."""

    policy: str
    order: int | None
    mode: str
    remedies: tuple[str, ...]
    problem: str


@dataclass(frozen=True, slots=True)
class Rotating:
    """A RotationPolicy and what rotate last wrote about it; times are RFC 3339, "" for never."""

    policy: str
    mode: str
    managed: int | None
    moving: int | None
    last: str
    next: str
    problem: str


def answering(objects: Iterable[Mapping[str, Any]]) -> list[Answering]:
    """Return the ResponsePolicies in the order in which they are tried; those that never are come last."""
    found = [_answering(obj) for obj in objects]
    return sorted(found, key=lambda policy: (policy.order is None, policy.order, policy.policy))


def rotating(objects: Iterable[Mapping[str, Any]]) -> list[Rotating]:
    """Return the RotationPolicies by namespace and name."""
    return sorted(map(_rotating, objects), key=lambda policy: policy.policy)


def _answering(obj: Mapping[str, Any]) -> Answering:
    try:
        policy = response.parse(obj)
    except PolicyError as error:
        return Answering(obj["metadata"]["name"], None, "", (), error.reason)
    return Answering(policy.name, policy.order, policy.mode, tuple(step.remedy for step in policy.remedies), "")


def _rotating(obj: Mapping[str, Any]) -> Rotating:
    name = f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"
    try:
        policy = rotation.parse(obj)
    except PolicyError as error:
        return Rotating(name, "", None, None, "", "", error.reason)
    said = obj.get("status") or {}
    times = (said.get("lastRotation") or "", said.get("nextRotation") or "")
    return Rotating(name, policy.mode, said.get("managed"), said.get("moving"), *times, "")
