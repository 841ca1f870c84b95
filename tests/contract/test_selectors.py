"""Label and field selectors: which objects they name, and what is said about those that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.space import as_now, pod

if TYPE_CHECKING:
    from tests.contract.space import Space

LABELLED = {
    "both": {"app": "web", "tier": "front"},
    "web": {"app": "web"},
    "db": {"app": "db"},
    "empty": {"app": ""},
    "none": {},
}

BOOLEANS = ("false", "true")

SELECTED = [
    ("app=web", "both web"),
    ("app==web", "both web"),
    ("app!=web", "db empty none"),
    ("app", "both db empty web"),
    ("!app", "none"),
    ("app in (web,db)", "both db web"),
    ("app in (web, db)", "both db web"),
    ("app in (web,)", "both empty web"),
    ("app in ()", "empty"),
    ("app notin (web)", "db empty none"),
    ("app notin (web),app", "db empty"),
    ("app=web,tier=front", "both"),
    ("app=web,!tier", "web"),
    ("app=", "empty"),
    ("app>1", ""),
    ("", "both db empty none web"),
]

REFUSED = [
    ("app in (web", "unable to parse requirement: found '', expected: ',' or ')'"),
    ("app=web=x", "found '=', expected: ',' or 'end of string'"),
    ("app=web,", "found '', expected: identifier after ','"),
    ("app=a b", "found 'b', expected: ',' or 'end of string'"),
    ("bad key=1", "unable to parse requirement: found 'key', expected: in, notin, =, ==, !=, gt, lt"),
    ("!app=web", "found '=', expected: ',' or 'end of string'"),
    ("app=!web", "unable to parse requirement: found '!', expected: identifier"),
    (
        "app=" + "x" * 64,
        f'unable to parse requirement: values[0][app]: Invalid value: "{"x" * 64}": must be no more than 63 bytes',
    ),
    (
        "-bad",
        (
            'unable to parse requirement: <nil>: Invalid value: "-bad": name part must consist of alphanumeric '
            "characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or "
            "'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        ),
    ),
]

FIELDS = [
    ("metadata.name=web", "web"),
    ("metadata.name!=web", "both db empty none"),
    ("metadata.name=web,metadata.name=db", ""),
]

FIELDS_REFUSED = [
    ("spec.nodeName=a", '"spec.nodeName" is not a known field selector: only "metadata.name", "metadata.namespace"'),
    ("metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
]


@pytest.fixture
def labelled(space: Space) -> Space:
    """Fill a namespace with one ConfigMap for each set of labels."""
    for name, labels in LABELLED.items():
        space.create("configmaps", {"metadata": {"name": name, "labels": labels}}).object()
    return space


def test_label_selectors(labelled: Space) -> None:
    """Every operator selects the same objects."""
    answers = {text: set(labelled.names("configmaps", labelSelector=text)) & set(LABELLED) for text, _ in SELECTED}
    assert {text: set(names.split()) for text, names in SELECTED} == answers


def test_field_selectors(labelled: Space) -> None:
    """Name and inequality select by field."""
    answers = {text: set(labelled.names("configmaps", fieldSelector=text)) & set(LABELLED) for text, _ in FIELDS}
    assert {text: set(names.split()) for text, names in FIELDS} == answers


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[text[:12] for text, _ in REFUSED])
def test_unreadable_label_selector(space: Space, text: str, message: str) -> None:
    """A selector that cannot be read is refused with 400, never taken for one that selects everything."""
    answer = space.api.get(space.path("configmaps"), labelSelector=text)
    assert (400, "BadRequest", message) == (answer.status, answer.reason, as_now(answer.message))


@pytest.mark.parametrize(("text", "message"), FIELDS_REFUSED, ids=[text for text, _ in FIELDS_REFUSED])
def test_unreadable_field_selector(space: Space, text: str, message: str) -> None:
    """A field that cannot be selected by is refused with 400, and the answer lists those that can."""
    answer = space.api.get(space.path("configmaps"), fieldSelector=text)
    assert (400, "BadRequest", message) == (answer.status, answer.reason, answer.message)


@pytest.mark.parametrize(
    ("plural", "message"),
    [
        ("pods", "field label not supported: spec.none"),
        ("services", "field label not supported: spec.none"),
        ("jobs", 'field label "spec.none" not supported for Job'),
        ("deployments", '"spec.none" is not a known field selector: only "metadata.name", "metadata.namespace"'),
    ],
)
def test_unknown_field_of_a_kind(space: Space, plural: str, message: str) -> None:
    """Each kind has its own fields to select by; any other is refused."""
    answer = space.api.get(space.path(plural), fieldSelector="spec.none=1")
    assert (400, "BadRequest", message) == (answer.status, answer.reason, answer.message)


def test_pods_by_node_and_phase(space: Space) -> None:
    """Pods are found by the node they run on and by their phase."""
    space.create("pods", pod("one", app="one")).object()
    ready = space.ready_pods("app=one", 1)[0]
    node = ready["spec"]["nodeName"]
    assert ["one"] == space.names("pods", fieldSelector=f"spec.nodeName={node},status.phase=Running")
    assert [] == space.names("pods", fieldSelector=f"spec.nodeName!={node}")
    assert [] == space.names("pods", fieldSelector="status.phase!=Running")


def test_a_boolean_that_is_not_there_is_false(space: Space) -> None:
    """Nodes that nobody cordoned, and pods on a network of their own, are found by `false`."""
    space.create("pods", pod("one", app="one")).object()
    space.ready_pods("app=one", 1)
    assert [["one"], []] == [space.names("pods", fieldSelector=f"spec.hostNetwork={value}") for value in BOOLEANS]
    nodes = [space.api.get("/api/v1/nodes", fieldSelector=f"spec.unschedulable={value}") for value in BOOLEANS]
    assert [3, 0] == [len(answer.object()["items"]) for answer in nodes]


def test_delete_by_selector(labelled: Space) -> None:
    """Deleting a collection deletes what the selector names, and nothing else."""
    answer = labelled.api.delete(labelled.path("configmaps"), labelSelector="app=web").object()
    assert ["both", "web"] == sorted(item["metadata"]["name"] for item in answer["items"])
    assert {"db", "empty", "none"} == set(labelled.names("configmaps")) & set(LABELLED)
