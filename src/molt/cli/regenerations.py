"""When the Secrets of a rotation policy get new values, as far as it can be told from their metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import guard, marks, pause, regenerable
from molt.cli.coming import Span, beginning
from molt.cluster import SECRETS
from molt.outcome import MoltError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.lifetime import Keys
    from molt.policy import RotationPolicy
    from molt.policy.regeneration import Regeneration

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Renewal:
    """A Secret's next regeneration: when it is due, when it can begin, and what holds it up; None: nobody can tell."""

    secret: Regeneration
    due: Span | None
    begin: Span | None
    held: str

    @property
    def dependants(self) -> tuple[str, ...]:
        """Return who is restarted then, in order."""
        return tuple(map(str, self.secret.dependants))


def foretell(
    api: Cluster, policy: RotationPolicy, keys: Keys | None, namespace: Object | None, now: datetime
) -> list[Renewal]:
    """Return the next regeneration of each Secret of the policy, in its order; no value of one is read."""
    return list(_foretell(api, policy, keys, namespace, now))


def _foretell(
    api: Cluster, policy: RotationPolicy, keys: Keys | None, namespace: Object | None, now: datetime
) -> Iterator[Renewal]:
    name = policy.namespace
    barred = guard.protected_namespace(name) or guard.exempt_namespace(name, namespace)
    for one in policy.secrets:
        try:
            found = api.metadata(SECRETS, one.name, name)
        except MoltError as error:
            yield Renewal(one, None, None, error.reason)
            continue
        way = regenerable.under_way(found)
        if reason := barred or regenerable.objection(found):
            yield Renewal(one, None, None, reason)
        elif way:
            back = "; the former values are back" if way.put_back_at else ""
            yield Renewal(one, None, None, f"under way since {marks.stamp(way.since)}{back}")
        else:
            ends = (
                regenerable.due_between(one, found, now)
                if keys is None
                else [regenerable.due_at(one, found, keys, now)] * 2
            )
            places = ((f"namespace {name}", namespace or found), (f"Secret {one.name}", found))
            pauses = [(what, value) for what, obj in places if (value := pause.of(obj)) is not None]
            begin, held = beginning(policy, Span(*ends), pauses, now)
            yield Renewal(one, Span(*ends), begin, held)
