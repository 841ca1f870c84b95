"""A move under way: the old pod serves, its replacement is on its way, and once that is Ready the old one goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt.cluster import Blocked
from molt.outcome import PermanentError, TemporaryError
from rotate import siblings, survey, undo
from rotate.evict import evict_if

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.policy import RotationPolicy
    from rotate.fleet import Fleet

Object = dict[str, Any]

UNDER_WAY = ("moving", "blocked")
"""Outcomes after which it is worth looking again soon."""


@dataclass(frozen=True, slots=True)
class Journey:
    """A retiring pod, the fleet that it left (None: that is gone), and on whose account (None: an alert's)."""

    pod: Object
    fleet: Fleet | None
    policy: RotationPolicy | None

    def go_on(self, cluster: Cluster, now: datetime, pods: Sequence[Object] | None = None) -> tuple[str, str]:
        """Evict the old pod if nothing needs it any more; return the outcome and the reason.

        `pods` are the fleet's, read anew when they are not given.
        """
        found = pods or ()
        if self.fleet and pods is None:
            found = survey.pods(cluster, self.fleet)
        try:
            return self._go_on(cluster, now, survey.among(found, self.pod), found)
        except Blocked as error:
            return "blocked", error.reason
        except TemporaryError as error:
            return "moving", error.reason
        except PermanentError as error:
            return "refused", error.reason

    def _go_on(self, cluster: Cluster, now: datetime, pod: Object, pods: Sequence[Object]) -> tuple[str, str]:
        lack = self.fleet and self.fleet.short(pods, now)
        if self.fleet and lack:
            if not undo.is_due(pod, self.fleet, now):
                return "moving", f"waits for its replacement: {lack}"
            undo.undo(cluster, pod, now)
            return "skipped", f"it stays, since its replacement does not become Ready: {lack}"
        if not evict_if(cluster, pod, siblings.leaves):
            return "skipped", "it is retiring no more: somebody else has taken it"
        return "acted", "replaced by a fresh pod" if self.fleet else "evicted: the workload that it left is gone"
