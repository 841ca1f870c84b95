"""The first call of a move that the clock begins, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from molt import marks
from molt.cluster import Blocked
from molt.outcome import PermanentError, TemporaryError
from rotate import departure, notice, reconfigure, restart, siblings, survey
from rotate.evict import evict, evict_if
from rotate.journey import Journey
from rotate.notice import Moved
from rotate.replace import Why

if TYPE_CHECKING:
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.lifetime import Keys
    from rotate.departure import Way
    from rotate.notice import Notice
    from rotate.plan import Move

DRY_RUN = "DryRun"


@dataclass(frozen=True, slots=True)
class Outset:
    """What became of the first call.

    `journey` is the move under way, if it is one to go on with; `ended` is what is told of one that is through.
    """

    outcome: str
    reason: str = ""
    journey: Journey | None = None
    ended: Notice | None = None

    @property
    def begun(self) -> bool:
        """Tell whether the pod moves."""
        return self.outcome in ("acted", "moving")

    @property
    def unsettles(self) -> bool:
        """Tell whether what was read of the workload holds no more."""
        return self.begun or self.outcome == "skipped"


def begin(cluster: Cluster, move: Move, now: datetime, keys: Keys) -> Outset:
    """Send the first call of a move, as a rehearsal where the policy says so; `keys` draw combinations."""
    way = departure.way(move.policy.strategy, move.pod, move.fleet)
    try:
        note = way.note(_send(cluster, move, way, now, keys))
    except Blocked as error:
        return Outset("blocked", error.reason)
    except TemporaryError as error:  # somebody else is at it
        return Outset("skipped", error.reason)
    except PermanentError as error:
        return Outset("refused", error.reason)
    if move.policy.mode == DRY_RUN:
        return Outset("rehearsed", note)
    if way.strategy in restart.STRATEGIES:
        return Outset("moving", note)
    return _sent(move, way, note, now)


def _sent(move: Move, way: Way, note: str, now: datetime) -> Outset:
    """Return what is left to do of a pod's own move, whose first call was sent."""
    if way.is_make_before_break:
        journey = Journey(move.pod, move.fleet, move.policy, relocates=way.strategy == "Relocate")
        return Outset("moving", note, journey)
    return Outset("acted", note, ended=notice.rotated(move.fleet, Moved(move.pod, note, _why(move)), now))


def _send(cluster: Cluster, move: Move, way: Way, now: datetime, keys: Keys) -> str:
    rehearsal = move.policy.mode == DRY_RUN
    verb = "would be" if rehearsal else "is"
    why = _why(move)
    if way.strategy in restart.STRATEGIES:
        # The pods were read before the workload: a rollout may have come to its end in between.
        if survey.latest(cluster, move.pod) is None:
            raise TemporaryError(f"it is gone before {move.fleet} could be restarted")
        notes = {marks.REASON: why, marks.POLICY: move.policy.name}
        said = f"{verb} replaced by {move.fleet}'s own rollout"
        if way.strategy == "Restart":
            restart.begin(cluster, move.fleet, now, notes, dry_run=rehearsal)
            return said
        following = reconfigure.begin(cluster, move, now, notes, keys, dry_run=rehearsal)
        return f"{said}, with {reconfigure.told(following)}"
    if way.is_make_before_break:
        account = Why(why, way.strategy, move.policy.name)
        departure.release(cluster, move.pod, move.fleet, now, account, dry_run=rehearsal)
        return f"{verb} replaced" + (", on another node" if way.strategy == "Relocate" else "")
    if rehearsal:
        evict(cluster, move.pod, dry_run=True)
        return "would be evicted"
    if not evict_if(cluster, move.pod, partial(siblings.movable, fleet=move.fleet)):
        raise TemporaryError(f"it is no longer one of {move.fleet} that can be moved")
    return "evicted"


def _why(move: Move) -> str:
    return f"its lifetime by policy {move.policy.name} is over"
