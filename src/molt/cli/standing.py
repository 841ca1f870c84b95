"""How the policies of a cluster stand: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import marks
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
class Blocking:
    """Why pods cannot move: the reason in one word, how many, one of them, what holds that up in words, since when."""

    reason: str
    count: int | None
    example: str
    message: str
    since: str


@dataclass(frozen=True, slots=True)
class Rotating:
    """A RotationPolicy and what rotate last wrote about it; times are RFC 3339, "" for never.

    What an older rotate does not write is None, or "". `ready` is the condition's status; `problem` says what is wrong
    with an invalid policy, of which nothing else is known. `under_attack_until`, "" if it never was, may be over.
    """

    policy: str
    mode: str = ""
    ready: str = ""
    managed: int | None = None
    due: int | None = None
    moving: int | None = None
    blocked: int | None = None
    reasons: tuple[Blocking, ...] = ()
    exposed_since: str = ""
    last: str = ""
    next: str = ""
    under_attack_until: str = ""
    problem: str = ""


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
        return Rotating(name, ready="False", problem=error.reason)
    said = obj.get("status") or {}
    blocked = said.get("blocked") or {}
    ready = (one.get("status") for one in said.get("conditions") or () if one.get("type") == "Ready")
    return Rotating(
        name,
        policy.mode,
        ready=next(ready, None) or "",
        managed=said.get("managed"),
        due=said.get("due"),
        moving=said.get("moving"),
        blocked=blocked.get("count"),
        reasons=tuple(map(_blocking, blocked.get("reasons") or ())),
        exposed_since=said.get("exposedSince") or "",
        last=said.get("lastRotation") or "",
        next=said.get("nextRotation") or "",
        under_attack_until=marks.stamp(policy.alarm.until) if policy.alarm else "",
    )


def _blocking(reason: Mapping[str, Any]) -> Blocking:
    texts = (reason.get(name) or "" for name in ("example", "message", "since"))
    return Blocking(reason.get("reason") or "", reason.get("count"), *texts)
