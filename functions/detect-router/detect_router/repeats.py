"""Alerts that repeat one that was routed just now: an attack in a loop raises thousands, and they say one thing.

A repeat is ignored, and the log names the alert that it repeats. It must be sure to have been decided alike: the same
rule, priority, source, tags and host, in the same container of the same pod, and no policy for the rule that looks at
anything else (`expression`). The window is short: whatever kept the first from its end, the next alert after it is
routed again. The same alert once more (the broker tries again) is no repeat.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from molt.policy import glob

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from datetime import datetime

    from molt.alert import Alert
    from molt.policy import ResponsePolicy

WINDOW: Final = timedelta(seconds=2)
MOST: Final = 10_000
"""Alerts remembered; beyond that all are forgotten, and repeats are routed."""


class Repeats:
    """The alerts that one process has routed within the window; safe to share between threads."""

    def __init__(self) -> None:
        """Begin without any."""
        self._routed: dict[Hashable, tuple[str, datetime]] = {}

    def reason(self, alert: Alert, now: datetime) -> str | None:
        """Return which alert this one repeats, or None."""
        known = self._routed.get(key(alert))
        if known is None or known[0] == alert.id or not timedelta() <= now - known[1] < WINDOW:
            return None
        return f"repeat of alert {known[0]}, routed less than {WINDOW.total_seconds():g} s ago"

    def remember(self, alert: Alert, policies: Iterable[ResponsePolicy], now: datetime) -> None:
        """Have those that come within the window and are decided alike be repeats of this one."""
        known = key(alert)
        if known is None or any(_looks_closer(policy, alert) for policy in policies):
            return
        if len(self._routed) >= MOST:
            self._routed = {}
        self._routed[known] = alert.id, now


def key(alert: Alert) -> Hashable | None:
    """Return what alerts have in common that are decided alike; None for one that does not name its pod for certain."""
    if not (alert.namespace and alert.pod_name and alert.container_id):
        return None
    place = (alert.namespace, alert.pod_name, alert.container_id, alert.pod_uid, alert.hostname)
    return (alert.rule, alert.priority, alert.source, alert.tags, *place)


def _looks_closer(policy: ResponsePolicy, alert: Alert) -> bool:
    """Tell whether the policy may tell apart what the key does not."""
    match = policy.match
    return bool(match.expression) and (not match.rules or glob.any_matches(match.rules, alert.rule))
