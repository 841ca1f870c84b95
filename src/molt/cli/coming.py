"""Which pods move when, as far as it can be told: by the rules that the function goes by. Pure.

Of a pod that is there, its UID and the key tell the time; without the key, its policy tells a range. The pod that takes
its place has a UID that nobody knows yet, so that of later moves a range is all that can be told, key or no key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from molt import guard, haste, marks, pause
from molt.due import begins, due_at, due_between, managed
from molt.lifetime import FAR_OFF, bounds
from molt.workload import top

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from molt.lifetime import Keys
    from molt.policy import RotationPolicy

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """Not before `earliest` and not after `latest`; the same time, where it is known."""

    earliest: datetime
    latest: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """The policy's namespace, None when it is gone, and what the annotations of workloads (`Kind/name`) pause."""

    namespace: Object | None
    pauses: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Coming:
    """A pod's next move: when it is due, when it can begin (None: never, as things are), and what holds it up.

    `successor` is when the pod that takes its place moves in turn, if that is made as soon as it can be.
    """

    pod: str
    workload: str
    due: Span
    begin: Span | None
    held: str
    successor: Span | None


def foretell(
    policy: RotationPolicy, pods: Iterable[Object], keys: Keys | None, place: Place, now: datetime
) -> list[Coming]:
    """Return the next move of each pod that the policy manages, the first to begin first; `keys` None: nobody knows."""
    found = [_coming(policy, pod, keys, place, now) for pod in managed(policy, pods)]
    return sorted(found, key=lambda one: ((one.begin or one.due).earliest, one.due.earliest, one.pod))


def shades(policy: RotationPolicy, start: datetime, length: timedelta, count: int) -> list[bool]:
    """Return of each of `count` parts of the time from `start` on whether, in its middle, no move may begin."""
    return [policy.hours.closed(start + length * (index + 0.5) / count) is not None for index in range(count)]


def _coming(policy: RotationPolicy, pod: Object, keys: Keys | None, place: Place, now: datetime) -> Coming:
    owner = top(pod)
    name = f"{owner.kind}/{owner.name}" if owner else ""
    due = Span(*(due_between(policy, pod, now) if keys is None else [due_at(policy, pod, keys, now)] * 2))
    objection = guard.first_objection(pod, place.namespace) or (None if name else "no controller would replace it")
    if objection or place.namespace is None:
        return Coming(pod["metadata"]["name"], name, due, None, objection or "", None)
    begin, held = beginning(policy, due, _pauses(place.namespace, name, place.pauses.get(name)), now)
    successor = None
    if begin:
        successor = _open(policy, _next(policy, begin), now)
    return Coming(pod["metadata"]["name"], name, due, begin, held, successor)


def _next(policy: RotationPolicy, made: Span) -> Span:
    """Return when a pod that is made then is due."""
    births = (made.earliest, made.latest)
    lived = (haste.due(at, end, policy.alarm) for at, end in zip(births, bounds(policy.lifetime), strict=True))
    return Span(*(max(at, born + policy.min_age) for at, born in zip(lived, births, strict=True)))


def _pauses(namespace: Object, workload: str, value: str | None) -> list[tuple[str, str]]:
    """Return what is paused, and by which value."""
    found = ((f"namespace {namespace['metadata']['name']}", pause.of(namespace)), (workload, value))
    return [(what, value) for what, value in found if value is not None]


def beginning(
    policy: RotationPolicy, due: Span, pauses: Iterable[tuple[str, str]], now: datetime
) -> tuple[Span | None, str]:
    """Return when the move can begin, and what holds it up until then."""
    held = []
    for what, value in pauses:
        if reason := pause.reason(value, what, max(now, due.earliest)):
            held.append(reason)
            until = marks.time_of(value)
            if until is None or until >= FAR_OFF:
                return None, reason
            due = Span(max(due.earliest, until), max(due.latest, until))
    ends = (max(now, due.earliest), max(now, due.latest))
    held += [reason for end in ends if (reason := policy.hours.closed(end))][:1]
    begin = _open(policy, due, now)
    return begin, ", ".join(held)


def _open(policy: RotationPolicy, due: Span, now: datetime) -> Span | None:
    """Return when windows and blackouts let begin what is due then, from now on; None when they never do."""
    low, high = (begins(policy, at, now) for at in (due.earliest, due.latest))
    return Span(max(low, now), max(high, now)) if low and high else None
