"""Why a policy matches an alert: what in the alert, or its pod, met each of the policy's criteria. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt.policy import glob
from molt.policy.fields import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from molt.alert import Alert
    from molt.policy import ResponsePolicy


def grounds(policy: ResponsePolicy, alert: Alert, pod: Mapping[str, Any] | None) -> str:
    """Return, in one line, what made the policy match; for one that does match (molt.policy.match.explain is None)."""
    return "; ".join(_met(policy, alert, pod)) or "it is for every alert"


def _met(policy: ResponsePolicy, alert: Alert, pod: Mapping[str, Any] | None) -> Iterator[str]:
    match = policy.match
    if match.rules:
        yield f"rule {_fitting(match.rules, [alert.rule])}"
    if match.minimum_priority is not None:
        yield f"priority {alert.priority} is at least {match.minimum_priority}"
    if match.tags:
        yield f"tag {_fitting(match.tags, alert.tags)}"
    if match.sources:
        yield f"source {alert.source}"
    if match.namespaces:
        namespace = pod["metadata"]["namespace"] if pod else alert.namespace or ""
        yield f"namespace {_fitting(match.namespaces, [namespace])}"
    if match.pod_selector is not None:
        yield "the pod's labels fit podSelector"
    if match.expression:
        yield "expression is true"


def _fitting(patterns: Iterable[str], texts: Iterable[str]) -> str:
    """Return the first text that fits a pattern, and the pattern when it is not the text itself."""
    text, pattern = next((text, pattern) for text in texts for pattern in patterns if glob.matches(pattern, text))
    return quote(text) if text == pattern else f"{quote(text)} fits {quote(pattern)}"
