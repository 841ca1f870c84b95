"""The conditions of a RotationPolicy, by the conventions of the Kubernetes API. Pure.

| type        | True                                     | False                                                   |
|-------------|------------------------------------------|---------------------------------------------------------|
| Accepted    | Valid                                    | Invalid                                                 |
| Progressing | PodsMoving                               | NothingDue, PodsDue, PodsBlocked, WindowClosed, DryRun, |
|             |                                          | Invalid                                                 |
| Ready       | OnSchedule, Paused, WindowClosed, DryRun | PodsBlocked, ReplacementStuck, Invalid                  |

Ready is the one to alert on: False when pods have stayed for longer than a move may take, for a reason that is not
somebody's intent and does not end by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import marks
from rotate import reasons
from rotate.undo import STUCK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

Object = dict[str, Any]

GRACE = STUCK
"""How long pods may be held up before it counts: as long as one move may take."""
LONGEST = 1024


@dataclass(frozen=True, slots=True)
class Condition:
    """One aspect of a policy's state: `status` True or False, `reason` in one CamelCase word, `message` in words."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Count:
    """What a tick has found, as far as conditions go by it; `closed` says why no move begins now, None when one may.

    `blocked` counts pods and Secrets, `secrets` the latter alone, by their reasons.
    """

    mode: str
    due: int
    moving: int
    blocked: Object
    closed: str | None
    secrets: Mapping[str, int]

    def lasting(self, now: datetime) -> list[Object]:
        """Return the reasons that have held pods up for longer than the grace, and are trouble."""
        return [each for each in self.blocked["reasons"] if lasts(each, now)]


def lasts(reason: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether an item of `status.blocked.reasons` is trouble that has outlived the grace."""
    since = marks.time_of(reason["since"])
    return reason["reason"] not in reasons.INTENDED and since is not None and since <= now - GRACE


def valid(count: Count, now: datetime) -> list[Condition]:
    """Return the conditions of a policy in force."""
    accepted = Condition("Accepted", "True", "Valid", "the policy takes part")
    return [accepted, _progressing(count), _ready(count, now)]


def refused(reason: str) -> list[Condition]:
    """Return the conditions of a policy that cannot be acted on."""
    return [Condition(name, "False", "Invalid", reason) for name in ("Accepted", "Progressing", "Ready")]


def renewed(obj: Mapping[str, Any], ours: Sequence[Condition], now: datetime) -> list[Object]:
    """Return all conditions of the object, ours renewed; the time of each stays while its status does."""
    present = list((obj.get("status") or {}).get("conditions") or ())
    names = {one.type for one in ours}
    known = {item.get("type"): item for item in present}
    generation = int(obj["metadata"].get("generation", 0))
    foreign = [item for item in present if item.get("type") not in names]
    return foreign + [_rendered(one, known.get(one.type) or {}, generation, now) for one in ours]


def _rendered(one: Condition, earlier: Mapping[str, Any], generation: int, now: datetime) -> Object:
    since = earlier.get("lastTransitionTime") if earlier.get("status") == one.status else None
    return {
        "type": one.type,
        "status": one.status,
        "reason": one.reason,
        "message": marks.printable(one.message, LONGEST),
        "observedGeneration": generation,
        "lastTransitionTime": since or marks.stamp(now),
    }


def _progressing(count: Count) -> Condition:
    if count.moving:
        return Condition("Progressing", "True", "PodsMoving", f"{_pods(count.moving)} on the move")
    due = f"{_pods(count.due)} due"
    if not count.due:
        return Condition("Progressing", "False", "NothingDue", "no pod has lived long enough")
    if count.mode == "DryRun":
        return Condition("Progressing", "False", "DryRun", f"{due}; mode DryRun moves none")
    if count.closed:
        return Condition("Progressing", "False", "WindowClosed", f"{due}; no move begins {count.closed}")
    if held := count.blocked["count"] - sum(count.secrets.values()):
        return Condition("Progressing", "False", "PodsBlocked", f"{due}, and {held} cannot move now")
    return Condition("Progressing", "False", "PodsDue", f"{due}, and move one after the other")


def _ready(count: Count, now: datetime) -> Condition:
    if count.mode == "DryRun":
        return Condition("Ready", "True", "DryRun", "moves are rehearsed; mode Enforce makes them")
    if lasting := count.lasting(now):
        worst = next((each for each in lasting if each["reason"] == reasons.STUCK), lasting[0])
        reason = reasons.STUCK if worst["reason"] == reasons.STUCK else "PodsBlocked"
        said = f"{worst['reason']} since {worst['since']}, {_held(worst, count)}: {worst['message']}"
        return Condition("Ready", "False", reason, said)
    paused = next((each for each in count.blocked["reasons"] if each["reason"] == reasons.PAUSED), None)
    if paused:
        due = f"{_held(paused, count)} {'is' if paused['count'] == 1 else 'are'} due"
        return Condition("Ready", "True", reasons.PAUSED, f"{due}: {paused['message']}")
    if count.due and count.closed:
        return Condition("Ready", "True", "WindowClosed", f"{_pods(count.due)} due; no move begins {count.closed}")
    return Condition("Ready", "True", "OnSchedule", "pods move when they have lived long enough")


def _held(reason: Mapping[str, Any], count: Count) -> str:
    """Return what an item of `status.blocked.reasons` holds up, in words."""
    secrets = count.secrets.get(reason["reason"], 0)
    numbers = ((reason["count"] - secrets, "pod"), (secrets, "Secret"))
    return " and ".join(f"{number} {word}{'s' * (number != 1)}" for number, word in numbers if number)


def _pods(number: int) -> str:
    return "1 pod is" if number == 1 else f"{number} pods are"
