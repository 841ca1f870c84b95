"""What detect-router would decide about an alert, and why: the same questions, and nothing is done. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from molt import guard, target
from molt.cli.grounds import grounds
from molt.policy import match

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molt.alert import Alert
    from molt.policy import ResponsePolicy

INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Found:
    """The pod that an alert is about, or why it is not known; `objection`: why nobody may touch it, "" if one may."""

    pod: Mapping[str, Any] | None = None
    problem: str = ""
    objection: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one policy answers the alert ("yes", "no", or "invalid"), and why."""

    order: int | None
    policy: str
    mode: str
    answers: str
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The policy that answers the alert, if any, with its remedies; `ignored`: why nothing is done all the same."""

    policy: ResponsePolicy | None
    ignored: str
    verdicts: tuple[Verdict, ...]

    @property
    def remedies(self) -> tuple[str, ...]:
        """What would be done, in order."""
        return tuple(step.remedy for step in self.policy.remedies) if self.policy and not self.ignored else ()

    def __str__(self) -> str:
        """Return the decision in one line: `web-shell (Enforce): quarantine, rotate`, or `ignored: why`."""
        if self.ignored or self.policy is None:
            return f"ignored: {self.ignored}"
        return f"{self.policy.name} ({self.policy.mode}): {', '.join(self.remedies)}"


def explain(
    alert: Alert, policies: Sequence[ResponsePolicy], invalid: Mapping[str, str], found: Found | None
) -> Explanation:
    """Return what would be decided. `invalid`: problems by the names of policies that take no part.

    `found` is None when no cluster was asked: then the pod that the alert names is taken to be there, and in order.
    """
    pod = found.pod if found else None
    chosen, others = match.choose(policies, alert, pod)
    reasons = dict(others)
    verdicts = [
        Verdict(policy.order, policy.name, policy.mode, "no", reasons[policy.name])
        if policy.name in reasons
        else Verdict(policy.order, policy.name, policy.mode, "yes", grounds(policy, alert, pod))
        for policy in sorted(policies, key=attrgetter("order", "name"))
    ]
    verdicts += [Verdict(None, name, "", INVALID, problem) for name, problem in invalid.items()]
    return Explanation(chosen, _why_ignored(alert, chosen, found) or "", tuple(verdicts))


def _why_ignored(alert: Alert, chosen: ResponsePolicy | None, found: Found | None) -> str | None:
    if alert.namespace and (objection := guard.protected_namespace(alert.namespace)):
        return objection
    if chosen is None:
        return "no policy matches"
    if not chosen.remedies:
        return f"policy {chosen.name} has no remedies"
    if found is None:
        return target.no_pod(alert)
    return found.problem or found.objection
