"""The chain of custody: who collected a bundle, when, where, why and with what. Pure."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from molt import marks

if TYPE_CHECKING:
    from datetime import datetime

    from molt.itinerary import Slip


def record(slip: Slip, *, collector: str, cluster: str, began: datetime, ended: datetime, calls: int) -> dict[str, Any]:
    """Return the record; times are RFC 3339 in UTC, `collectedAt` is when collecting began."""
    rendered = slip.render()
    alert = {name: rendered["alert"].get(name) for name in ("id", "rule", "priority", "time", "hostname")}
    return {
        "collector": collector,
        "tool": f"molt evidence {version('molt-evidence')}",
        "cluster": cluster,
        "collectedAt": marks.stamp(began),
        "finishedAt": marks.stamp(ended),
        "apiCalls": calls,
        "alert": alert,
        "policy": {name: rendered["policy"][name] for name in ("name", "uid", "generation")},
        "pod": {name: rendered["target"][name] for name in ("namespace", "name", "uid", "node", "workload")},
        "before": rendered["trail"],
    }
