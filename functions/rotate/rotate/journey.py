"""A move under way: the old pod serves, its replacement is on its way, and once that is Ready the old one goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt.cluster import Blocked
from molt.outcome import TemporaryError
from rotate import survey
from rotate.evict import evict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.policy import RotationPolicy
    from rotate.fleet import Fleet

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Journey:
    """A retiring pod, the fleet that it left (None: that is gone), and on whose account (None: an alert's)."""

    pod: Object
    fleet: Fleet | None
    policy: RotationPolicy | None

    def go_on(self, cluster: Cluster, now: datetime, pods: Iterable[Object] | None = None) -> tuple[str, str]:
        """Evict the old pod if nothing needs it any more; return the outcome and the reason.

        `pods` are the fleet's, read anew when they are not given. `acted` is the end; `moving` and `blocked` are not.
        """
        if self.fleet:
            lack = self.fleet.lacks(survey.pods(cluster, self.fleet) if pods is None else pods, now)
            if lack:
                return "moving", f"waits for its replacement: {lack}"
        try:
            evict(cluster, self.pod)
        except Blocked as error:
            return "blocked", error.reason
        except TemporaryError as error:
            return "moving", error.reason
        return "acted", "replaced by a fresh pod" if self.fleet else "evicted: the workload that it left is gone"
