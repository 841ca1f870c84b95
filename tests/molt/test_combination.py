"""What a workload's template and its annotations tell of its combination."""

from __future__ import annotations

from typing import Any

import pytest

from molt import combination, marks
from molt.combination import Chosen
from molt.policy.reconfigure import Dimension, Field

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "web", "version": "1"}},
    "spec": {
        "containers": [
            {"name": "other", "image": "other:1"},
            {
                "name": "main",
                "image": "web:1",
                "ports": [{"containerPort": 7000}, {"name": "http", "containerPort": 8080}],
                "env": [
                    {"name": "PORT", "value": "8080"},
                    {"name": "EMPTY"},
                    {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                ],
            },
        ],
        "nodeSelector": {"pool": "a"},
        "serviceAccountName": "web",
        "runtimeClassName": "gvisor",
    },
}
VARIANTS = {"build": "web:1", "port": "80"}


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (Field("image", "main"), "web:1"),
        (Field("image", "third"), None),
        (Field("port", "main", "http", "PORT"), "8080"),
        (Field("port", "main", "https", "PORT"), None),
        (Field("port", "other", "http", "PORT"), None),
        (Field("environment", "main", "PORT"), "8080"),
        (Field("environment", "main", "EMPTY"), ""),
        (Field("environment", "main", "SECRET"), None),
        (Field("environment", "main", "NONE"), None),
        (Field("environment", "other", "PORT"), None),
        (Field("nodeSelector", "", "pool"), "a"),
        (Field("nodeSelector", "", "zone"), None),
        (Field("label", "", "version"), "1"),
        (Field("label", "", "tier"), None),
        (Field("serviceAccountName"), "web"),
        (Field("runtimeClassName"), "gvisor"),
    ],
)
def test_a_field_is_read_from_the_template(field: Field, expected: str | None) -> None:
    """None: there is no such field with a plain value."""
    dimension = Dimension("it", field, ("a", "b"))
    assert {"it": expected} == combination.current(TEMPLATE, [dimension])


@pytest.mark.parametrize("kind", ["image", "port", "environment", "nodeSelector", "label", "serviceAccountName"])
@pytest.mark.parametrize("template", [{}, {"metadata": {}, "spec": {}}, {"metadata": None, "spec": None}])
def test_an_empty_template_has_nothing(template: dict[str, Any], kind: str) -> None:
    """And no error."""
    assert combination.value_of(template, Field(kind, "main", "x", "y")) is None


def _noted(**annotations: str) -> dict[str, Any]:
    return {"metadata": {"annotations": {f"molt-project.io/{name}": text for name, text in annotations.items()}}}


def test_what_was_chosen_is_written_and_read() -> None:
    """In one line of JSON that a person can read too."""
    chosen = Chosen(VARIANTS, "web", "2026-11-24T12:00:00Z")
    text = '{"at":"2026-11-24T12:00:00Z","policy":"web","variants":{"build":"web:1","port":"80"}}'
    assert text == chosen.render()
    assert chosen == combination.chosen(_noted(combination=text))
    assert VARIANTS == combination.undone(
        {"metadata": {"annotations": {marks.UNDONE_COMBINATION: combination.render(VARIANTS)}}}
    )


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "[]", "{}", "null", '{"at":"a","policy":"b"}', '{"at":"a","policy":"b","variants":[]}'),
        *('{"at":"a","policy":"b","variants":{"port":80}}', '{"at":1,"policy":"b","variants":{}}'),
        '{"at":"a","policy":null,"variants":{}}',
        "[" * 100_000,
    ],
)
def test_what_somebody_else_wrote_is_nothing(text: str) -> None:
    """Whoever may change the workload may have written anything."""
    assert combination.chosen(_noted(combination=text)) is None


@pytest.mark.parametrize(
    ("text", "expected"), [('{"a":1}', None), ("[1]", None), ("{", None), ('{"a":"b"}', {"a": "b"})]
)
def test_so_it_is_with_what_was_undone(text: str, expected: dict[str, str] | None) -> None:
    """What is no combination stands in the way of none."""
    assert expected == combination.undone({"metadata": {"annotations": {marks.UNDONE_COMBINATION: text}}})


def test_a_workload_that_was_never_reconfigured_tells_nothing() -> None:
    """No annotation, no combination."""
    assert combination.chosen({"metadata": {}}) is None
    assert combination.undone({"metadata": {}}) is None
