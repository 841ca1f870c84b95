"""What a tick did, pod by pod, and the fact that it makes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from molt import marks, timestamps
from molt.events import Event, deterministic_id
from molt.outcome import Done, PermanentError, Skipped

if TYPE_CHECKING:
    from datetime import datetime

    from molt.policy import RotationPolicy

FUNCTION = "rotate"
ROTATED = "io.molt-project.pods.rotated.v1"
LONGEST_NAME = 253  # of a policy: that of a DNS subdomain
MOST = 200
"""Entries that one event carries; of the others it says how many."""
OUTCOMES = ("acted", "moving", "rehearsed", "blocked", "refused", "skipped")
"""moving: begun, and finished by a later tick; blocked: held back by its disruption budget, and tried again then;
refused: the API server does not let molt do it."""


class Diary:
    """The entries of one tick, in order."""

    def __init__(self, now: datetime) -> None:
        """Begin with an empty page."""
        self._now = now
        self.entries: list[dict[str, Any]] = []

    def add(self, outcome: str, pod: dict[str, Any], policy: RotationPolicy | None, reason: str) -> None:
        """Note what became of a pod; `policy` None for a pod whose move an alert began."""
        metadata = pod["metadata"]
        self.entries.append(
            {
                "remedy": FUNCTION,
                "namespace": metadata["namespace"],
                "pod": metadata["name"],
                "uid": metadata["uid"],
                "policy": policy and policy.name,
                "outcome": outcome,
                "reason": marks.printable(reason),
                "at": marks.stamp(self._now),
            }
        )

    def tell(self, outcome: str, kind: str, obj: dict[str, Any], reason: str) -> None:
        """Note what became of a workload's restart; on whose account stands on the workload."""
        metadata = obj["metadata"]
        policy = marks.annotations_of(obj).get(marks.POLICY)  # anybody's words
        self.entries.append(
            {
                "remedy": FUNCTION,
                "namespace": metadata["namespace"],
                "workload": f"{kind}/{metadata['name']}",
                "uid": metadata["uid"],
                "policy": policy and marks.printable(policy, LONGEST_NAME),
                "outcome": outcome,
                "reason": marks.printable(reason),
                "at": marks.stamp(self._now),
            }
        )

    def note(self, outcome: str, policy: RotationPolicy, secret: str, reason: str) -> None:
        """Note what became of a Secret's regeneration; never a value of it."""
        self.entries.append(
            {
                "remedy": FUNCTION,
                "namespace": policy.namespace,
                "secret": secret,
                "policy": policy.name,
                "outcome": outcome,
                "reason": marks.printable(reason),
                "at": marks.stamp(self._now),
            }
        )

    def moved(self, policy: RotationPolicy) -> set[str]:
        """Return the UIDs of the pods that left on the policy's account."""
        return self._uids(policy, "acted")

    def moving(self, policy: RotationPolicy) -> set[str]:
        """Return the UIDs of the pods and workloads that are on the move on the policy's account."""
        return self._uids(policy, "moving")

    def of(self, policy: RotationPolicy) -> list[dict[str, Any]]:
        """Return the entries on the policy's account."""
        whose = (policy.namespace, policy.name)
        return [entry for entry in self.entries if (entry["namespace"], entry["policy"]) == whose]

    def _uids(self, policy: RotationPolicy, outcome: str) -> set[str]:
        return {entry["uid"] for entry in self.of(policy) if "uid" in entry and entry["outcome"] == outcome}

    def answer(self, tick: Event) -> Done | Skipped:
        """Return the outcome of the tick: with the fact if there is anything to tell.

        Raises PermanentError when nothing was done and a pod was refused: that must be seen. A Secret that molt has no
        right to is its owner's concern, and stands in his policy's status: it fails no tick of all.
        """
        counts = Counter(entry["outcome"] for entry in self.entries)
        if not counts:
            return Skipped("nothing is due")
        refused = [each for each in self.entries if each["outcome"] == "refused" and "secret" not in each]
        if refused and not (counts["acted"] or counts["moving"]):
            raise PermanentError(refused[0]["reason"])
        reason = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome])
        fact = self._fact(tick)
        if counts["acted"] or counts["moving"]:
            return Done(fact, reason)
        return Done(fact, reason, rehearsed=True) if counts["rehearsed"] else Skipped(reason, fact)

    def _fact(self, tick: Event) -> Event:
        """Return the event: the same source and id for the same tick."""
        time = tick.time and timestamps.render(tick.time)
        omitted = max(0, len(self.entries) - MOST)
        return Event(
            id=deterministic_id(tick.source, tick.id, FUNCTION, ROTATED),
            source=f"/molt/{FUNCTION}",
            type=ROTATED,
            data={
                "tick": {"id": tick.id, "source": tick.source, "time": time},
                "trail": self.entries[:MOST],
                "omitted": omitted,
            },
            time=self._now,
            extensions={
                name: tick.extensions[name] for name in ("traceparent", "tracestate") if name in tick.extensions
            },
        )
