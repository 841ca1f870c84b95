"""Which policy an alert gets, and why it does not get the others."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from molt.policy import expression, glob
from molt.policy.fields import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from molt.alert import Alert
    from molt.policy.response import Match, ResponsePolicy

Pod = Mapping[str, Any] | None


def choose(
    policies: Iterable[ResponsePolicy], alert: Alert, pod: Pod
) -> tuple[ResponsePolicy | None, list[tuple[str, str]]]:
    """Return the first policy, by order and then name, that matches; and of all others the names, and why not they."""
    chosen: ResponsePolicy | None = None
    others = []
    for policy in sorted(policies, key=attrgetter("order", "name")):
        if chosen:
            others.append((policy.name, f"{chosen.name} (order {chosen.order}) comes before it (order {policy.order})"))
        elif reason := explain(policy, alert, pod):
            others.append((policy.name, reason))
        else:
            chosen = policy
    return chosen, others


def explain(policy: ResponsePolicy, alert: Alert, pod: Pod) -> str | None:
    """Return the first criterion that the alert, or its pod (None: none is known), does not meet; None: it matches."""
    return next((reason for criterion in _CRITERIA if (reason := criterion(policy.match, alert, pod))), None)


def _rules(match: Match, alert: Alert, _: Pod) -> str | None:
    if not match.rules or glob.any_matches(match.rules, alert.rule):
        return None
    return f"rule {quote(alert.rule)} fits none of its rules"


def _priority(match: Match, alert: Alert, _: Pod) -> str | None:
    floor = match.minimum_priority
    # 0 is Emergency: the greater number is the lesser priority.
    if floor is None or alert.priority <= floor:
        return None
    return f"priority {alert.priority} is below {floor}"


def _tags(match: Match, alert: Alert, _: Pod) -> str | None:
    if not match.tags or any(glob.any_matches(match.tags, tag) for tag in alert.tags):
        return None
    return f"no tag of the alert ({', '.join(map(quote, alert.tags)) or 'it has none'}) fits its tags"


def _sources(match: Match, alert: Alert, _: Pod) -> str | None:
    if not match.sources or alert.source in match.sources:
        return None
    return f"source {quote(alert.source)} is none of {', '.join(match.sources)}"


def _namespaces(match: Match, alert: Alert, pod: Pod) -> str | None:
    if not match.namespaces:
        return None
    # The pod that was found counts more than what the alert says about it.
    namespace = _metadata(pod).get("namespace") or alert.namespace
    if not namespace:
        return "it is for certain namespaces, and the alert's is not known"
    return (
        None
        if glob.any_matches(match.namespaces, namespace)
        else f"namespace {quote(namespace)} fits none of its namespaces"
    )


def _pod_selector(match: Match, _: Alert, pod: Pod) -> str | None:
    if match.pod_selector is None:
        return None
    if pod is None:
        return "it has a podSelector, and no pod is known"
    reason = match.pod_selector.explain(_metadata(pod).get("labels") or {})
    return f"podSelector: {reason}" if reason else None


def _expression(match: Match, alert: Alert, _: Pod) -> str | None:
    if not match.expression:
        return None
    try:
        return None if expression.evaluate(match.expression, alert.to_dict()) else "expression is false"
    except expression.ExpressionError as error:
        return f"expression cannot be evaluated: {error}"


def _metadata(pod: Pod) -> Mapping[str, Any]:
    """Return the pod's metadata, empty without a pod."""
    return (pod or {}).get("metadata") or {}


# Cheapest first; the one that runs a user's code comes last, so it sees only alerts that all others let through.
_CRITERIA: tuple[Callable[[Match, Alert, Pod], str | None], ...] = (
    _sources,
    _priority,
    _rules,
    _tags,
    _namespaces,
    _pod_selector,
    _expression,
)
