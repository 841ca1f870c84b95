"""molt.policy.selector: the API server's meaning of a LabelSelector.

operator x label {has one of the values, has another, is missing} | several requirements | none | the query string
"""

from __future__ import annotations

from typing import Any

import pytest

from molt.policy import selector
from molt.policy.fields import Problems, Reader
from molt.policy.selector import Requirement, Selector


def parsed(value: Any) -> Selector:
    problems = Problems()
    found = selector.parse(Reader(value, "spec.selector", problems))
    problems.settle()
    return found


@pytest.mark.parametrize(
    ("operator", "values", "verdicts"),
    [
        ("In", ("web", "api"), (True, False, False)),
        ("NotIn", ("web", "api"), (False, True, True)),
        ("Exists", (), (True, True, False)),
        ("DoesNotExist", (), (False, False, True)),
    ],
)
def test_operators_mean_what_the_api_server_means(
    operator: str, values: tuple[str, ...], verdicts: tuple[bool, ...]
) -> None:
    """A missing label meets NotIn and DoesNotExist, and no other."""
    requirement = Requirement("app", operator, values)
    labels: list[dict[str, str]] = [{"app": "web"}, {"app": "db"}, {"other": "web"}]
    assert verdicts == tuple(requirement.explain(each) is None for each in labels)


def test_the_first_unmet_requirement_is_the_reason() -> None:
    """All requirements must be met; the reason names the label, what it is and what was wanted."""
    chosen = parsed(
        {
            "matchLabels": {"app": "web"},
            "matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a", "b"]}],
        }
    )
    assert chosen.explain({"app": "web", "zone": "c"}) is None
    assert 'label app is "db", wanted: app in (web)' == chosen.explain({"app": "db", "zone": "a"})
    assert "label app is not there, wanted: app in (web)" == chosen.explain({})
    assert 'label zone is "a", wanted: zone notin (a,b)' == chosen.explain({"app": "web", "zone": "a"})


def test_an_empty_selector_selects_everything() -> None:
    """No requirement, no objection, no query."""
    assert parsed({}).explain({}) is None
    assert "" == parsed({}).query()


def test_the_query_is_what_the_api_server_parses() -> None:
    """The requirements are joined in the syntax of labelSelector."""
    chosen = parsed(
        {
            "matchLabels": {"app": "web", "tier": ""},
            "matchExpressions": [
                {"key": "a.b/c", "operator": "Exists"},
                {"key": "d", "operator": "DoesNotExist"},
                {"key": "e", "operator": "NotIn", "values": ["f", "g"]},
            ],
        }
    )
    assert "app in (web),tier in (),a.b/c,!d,e notin (f,g)" == chosen.query()
