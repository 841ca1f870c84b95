"""A step that restarts a whole workload: one event, one patch. The workload's own rollout does the rest.

A redelivery finds the restart, which is younger than the alert, and does it no second time. Ticks watch the rollout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from molt import due, marks
from molt.outcome import Outcome, TemporaryError
from molt.workload import is_ready
from rotate import restart, siblings, survey
from rotate.patience import Patience

if TYPE_CHECKING:
    from rotate.fleet import Fleet
    from rotate.hop import Hop, Object


def handle(hop: Hop) -> Outcome:
    """Restart the slip's workload. Raises TemporaryError when it is not whole in time, and what molt.cluster raises."""
    patience = Patience(hop.clock)
    while True:
        with hop.turns.of(f"namespace {hop.slip.target.namespace}"):
            found = _begin(hop)
        if not isinstance(found, str):
            return found
        if not patience.pause():
            raise TemporaryError(f"no restart while {found}")


def _begin(hop: Hop) -> Outcome | str:
    """Return the outcome, or what has to be waited for."""
    fleet = hop.fleet()
    if fleet is None:
        return hop.skipped(hop.gone())
    if reason := restart.obstacle(fleet):
        return hop.skipped(reason)
    at = marks.time_of(restart.stamped(fleet.top))
    if at and at >= hop.before:
        return _told(hop, fleet, f"{fleet} was restarted at {marks.stamp(at)}")
    stayed = due.stays_since(fleet.top)
    if stayed and stayed >= hop.before:
        return hop.skipped(f"a restart of {fleet} was undone at {marks.stamp(stayed)}")
    pods = survey.pods(hop.cluster, fleet)
    left = siblings.candidates(hop.slip, hop.order, fleet, pods, hop.before)
    left = [pod for pod in left if restart.untouched(fleet, pod) is None]
    if not left:
        return hop.skipped(hop.none_left(fleet))
    return _lack(hop, fleet, pods, left) or _restarted(hop, fleet, len(left))


def _lack(hop: Hop, fleet: Fleet, pods: list[Object], left: list[Object]) -> str | None:
    """Return why the workload is not restarted now; a pod that is not Ready, and is to go, is no reason."""
    now = hop.clock.now()
    settled = fleet.restless() if not is_ready(left[0]) else fleet.lacks(pods, now)
    return settled or (f"{fleet} has a rollout in progress" if restart.rolls(fleet) else None)


def _restarted(hop: Hop, fleet: Fleet, pods: int) -> Outcome:
    reason = f"alert {hop.slip.alert['id']}, policy {hop.slip.policy.name}"
    rehearsal = hop.slip.mode == "DryRun"
    restart.begin(hop.cluster, fleet, hop.clock.now(), {marks.REASON: reason}, dry_run=rehearsal)
    said = f"{'would replace' if rehearsal else 'replaces'} {'1 pod' if pods == 1 else f'{pods} pods'}"
    return _told(hop, fleet, f"the rollout of {fleet} {said}", rehearsed=rehearsal)


def _told(hop: Hop, fleet: Fleet, reason: str, *, rehearsed: bool = False) -> Outcome:
    return hop.moved(reason, {"workload": str(fleet), "strategy": "Restart", "left": 0}, rehearsed=rehearsed)
