"""Who took an old pod's place. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt import marks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rotate.fleet import Fleet

Object = dict[str, Any]

SECONDS = len("2026-11-24T12:00:00")


def successors(fleet: Fleet, pods: Iterable[Object], old: Mapping[str, Any]) -> list[Object]:
    """Return the replicas that were made after the old pod's release, the youngest first.

    Where the function's clock is ahead of the API server's, none seems to be: then it is the youngest.
    """
    replicas = [pod for pod in pods if fleet.owns(pod)]
    since = str(marks.annotations_of(old).get(marks.RETIRING_SINCE))[:SECONDS]
    since = min(since, max(map(_born, replicas), default=since))
    fresh = [pod for pod in replicas if _born(pod) >= since]
    return sorted(fresh, key=lambda pod: (_born(pod), pod["metadata"]["name"]), reverse=True)


def name(fleet: Fleet, pods: Iterable[Object], old: Mapping[str, Any]) -> str:
    """Return the name of the pod that took the old one's place, "" when ages, in whole seconds, do not tell."""
    fresh = successors(fleet, pods, old)
    youngest = [str(pod["metadata"]["name"]) for pod in fresh if _born(pod) == _born(fresh[0])]
    return youngest[0] if len(youngest) == 1 else ""


def _born(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"]["creationTimestamp"])[:SECONDS]
