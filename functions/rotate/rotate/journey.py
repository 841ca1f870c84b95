"""A move under way: the old pod serves, its replacement is on its way, and once that is Ready the old one goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt import marks
from molt.cluster import Blocked
from molt.outcome import PermanentError, TemporaryError
from rotate import notice, relocate, siblings, successor, survey, undo
from rotate.evict import evict_if
from rotate.notice import Moved
from rotate.replace import REPLACED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.policy import RotationPolicy
    from rotate.fleet import Fleet
    from rotate.notice import Notice

Object = dict[str, Any]

UNDER_WAY = ("moving", "blocked")
"""Outcomes after which it is worth looking again soon."""


class Journey:
    """A retiring pod, the fleet that it left (None: that is gone), and on whose account (None: an alert's)."""

    def __init__(self, pod: Object, fleet: Fleet | None, policy: RotationPolicy | None, *, relocates: bool) -> None:
        """Take up a move; `relocates`: the pod's node is barred until the replacement has another."""
        self.pod = pod
        self.fleet = fleet
        self.policy = policy
        self.ended: Notice | None = None
        """What is to be told on the workload of a move that is through."""
        self._relocates = self._barred = relocates

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
        if self.fleet is None or relocate.is_placed(self.fleet, pods):
            self._lift(cluster)
        if self.fleet and lack:
            cause = undo.cause(pod, self.fleet, pods, now)
            if cause:
                return self._undo(cluster, pod, self.fleet, cause, now)
            return "moving", f"waits for its replacement: {lack}"
        if not evict_if(cluster, pod, siblings.leaves):
            return "skipped", "it is retiring no more: somebody else has taken it"
        if self.fleet is None:
            return "acted", "evicted: the workload that it left is gone"
        said = relocate.landing(self.fleet, pods, pod) if self._relocates else REPLACED
        why, fresh = marks.annotations_of(pod).get(marks.REASON, ""), successor.name(self.fleet, pods, pod)
        self.ended = notice.rotated(self.fleet, Moved(pod, said, why, fresh), now)
        return "acted", said

    def _undo(self, cluster: Cluster, pod: Object, fleet: Fleet, cause: str, now: datetime) -> tuple[str, str]:
        reason = f"it stays, since its replacement does not become Ready: {cause}"
        undo.undo(cluster, pod, now)
        self._lift(cluster)
        told = f"pod {pod['metadata']['name']} was to move: {reason}"
        notice.undone(cluster, fleet, pod["metadata"]["uid"], told, now)
        return "skipped", reason

    def _lift(self, cluster: Cluster) -> None:
        """Let the old pod's node take pods again, once."""
        if self._barred:
            relocate.lift(cluster, self.pod)
            self._barred = False
