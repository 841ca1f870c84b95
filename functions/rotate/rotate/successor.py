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
    """Return the replicas that were made since the old pod's release, in whole seconds.

    Where the function's clock is ahead of the API server's, none seems to be: then those of the last second.
    """
    replicas = [pod for pod in pods if fleet.owns(pod)]
    since = str(marks.annotations_of(old).get(marks.RETIRING_SINCE))[:SECONDS]
    since = min(since, max(map(_born, replicas), default=since))
    return [pod for pod in replicas if _born(pod) >= since]


def name(fleet: Fleet, pods: Iterable[Object], old: Mapping[str, Any]) -> str:
    """Return the name of the pod that took the old one's place, "" when ages do not tell which one did."""
    found = successors(fleet, pods, old)
    return str(found[0]["metadata"]["name"]) if len(found) == 1 else ""


def _born(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"]["creationTimestamp"])[:SECONDS]
