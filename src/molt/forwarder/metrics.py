"""The status as Prometheus reads it (text format 0.0.4). Pure.

Totals are those of the spool's file, so that they go on after a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

KIND: Final = "text/plain; version=0.0.4; charset=utf-8"
_TOTALS: Final = {
    "received": "Alerts that came, repeats and known ones among them.",
    "again": "Alerts whose identity was known.",
    "repeats": "Alerts that were the same rule for the same pod, told by the last of them.",
    "sent": "Alerts that the broker has.",
    "dropped": "Alerts dropped for more urgent ones, and files that were gone before they were read.",
    "rejected": "What was no alert, or what the broker refused.",
    "forgotten": "What was rejected, and is not kept any more.",
}
_NOW: Final = {
    "waiting": ("waiting", "Alerts that the broker does not have yet."),
    "keptAside": ("kept_aside", "What was rejected and is kept."),
    "bytes": ("spool_bytes", "What the alerts in the spool take."),
    "oldestWaitingSeconds": ("oldest_waiting_seconds", "How long the oldest alert has been waiting; 0: none does."),
    "full": ("full", "1: it refuses what is not more urgent than all that waits."),
    "draining": ("draining", "1: it takes nothing any more."),
    "trouble": ("broker_trouble", "1: the broker takes no events; the status says why."),
}


def render(status: Mapping[str, Any]) -> str:
    """Return the lines; what the status does not know is 0."""
    lines = []
    for name, said in _TOTALS.items():
        lines += _metric(f"molt_forwarder_{name}_total", "counter", said, status[name])
    for name, (shown, said) in _NOW.items():
        value = status[name]
        lines += _metric(f"molt_forwarder_{shown}", "gauge", said, int(bool(value)) if name == "trouble" else value)
    return "\n".join(lines)


def _metric(name: str, kind: str, said: str, value: float | None) -> list[str]:
    return [f"# HELP {name} {said}", f"# TYPE {name} {kind}", f"{name} {float(value or 0):.12g}"]
