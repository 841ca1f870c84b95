"""Which policy answers an alert, and what is to be done. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from molt import guard
from molt.policy import glob, match
from molt.policy.fields import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molt.alert import Alert
    from molt.itinerary import Step
    from molt.policy import ResponsePolicy


@dataclass(frozen=True, slots=True)
class Route:
    """The policy that answers the alert, and the remedies to do in order (one at least)."""

    policy: ResponsePolicy
    itinerary: tuple[Step, ...]


def hopeless(alert: Alert, policies: Sequence[ResponsePolicy]) -> str | None:
    """Return why no pod, whichever it is, could bring the alert a remedy; None when one could.

    It spares the look-up of the pod for most of what Falco says.
    """
    open_policies = [_without_pod(policy, alert) for policy in policies]
    first, _ = match.choose(open_policies, alert, None)
    if first is None:
        return _nearest_miss(alert, policies, match.choose(policies, alert, None)[1])
    certain = first in policies  # nothing about the pod was left open
    return _nothing_to_do(first) if certain and not first.remedies else None


def route(alert: Alert, policies: Sequence[ResponsePolicy], pod: Mapping[str, Any]) -> Route | str:
    """Return what to do about the alert in this pod, or why nothing is: no policy, an empty one, or a guard.

    The exemption of the pod's namespace is not checked here: it takes the namespace's object.
    """
    policy, others = match.choose(policies, alert, pod)
    if policy is None:
        return _nearest_miss(alert, policies, others)
    if not policy.remedies:
        return _nothing_to_do(policy)
    objection = guard.protected_namespace(pod["metadata"]["namespace"]) or guard.static_pod(pod)
    return objection or Route(policy, policy.remedies)


def _without_pod(policy: ResponsePolicy, alert: Alert) -> ResponsePolicy:
    """Return the policy without the criteria that only the pod can tell of."""
    namespaces = policy.match.namespaces if alert.namespace and alert.pod_name else ()
    return replace(policy, match=replace(policy.match, pod_selector=None, namespaces=namespaces))


def _nothing_to_do(policy: ResponsePolicy) -> str:
    return f"policy {policy.name} has no remedies"


def _nearest_miss(alert: Alert, policies: Sequence[ResponsePolicy], others: Sequence[tuple[str, str]]) -> str:
    """Return that no policy matches and, of the first that is at least for the alert's rule, why not that one."""
    by_name = {policy.name: policy.match.rules for policy in policies}
    for name, reason in others:
        if not by_name[name] or glob.any_matches(by_name[name], alert.rule):
            return f"no policy matches; {name} comes nearest: {reason}"
    return f"no policy is for the rule {quote(alert.rule)}"
