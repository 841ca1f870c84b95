"""Logs as far as the API server itself answers; whether a container said something, only a kubelet knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.space import pod, until

if TYPE_CHECKING:
    from tests.contract.space import Object, Space


def _made(space: Space, *names: str, init: str = "") -> None:
    body = pod("web")
    spec: Object = body["spec"]
    spec["containers"] = [{"name": name, "image": "example.org/app:1"} for name in names]
    if init:
        spec["initContainers"] = [{"name": init, "image": "example.org/app:1"}]
    space.create("pods", body).object()
    until(lambda: space.get("pods", "web")["spec"].get("nodeName"), "the pod has a node")


WRONG = [
    pytest.param(
        ("a", "b"),
        "",
        {},
        "a container name must be specified for pod web, choose one of: [a b]",
        id="one of two",
    ),
    pytest.param(
        ("a", "b"),
        "first",
        {},
        "a container name must be specified for pod web, choose one of: [first a b]",
        id="an init container",
    ),
    pytest.param(("a",), "", {"container": "x"}, "container x is not valid for pod web", id="unknown"),
]


@pytest.mark.parametrize(("names", "init", "query", "message"), WRONG)
def test_a_container_must_be_one_of_the_pods(
    space: Space, names: tuple[str, ...], init: str, query: dict[str, str], message: str
) -> None:
    """It is named when there are several, and known."""
    _made(space, *names, init=init)
    answer = space.api.get(space.path("pods", "web", "log"), **query)
    assert (400, message) == (answer.status, answer.message)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limitBytes": "0"}, "limitBytes: Invalid value: 0: must be greater than 0"),
        ({"tailLines": "-1"}, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
    ],
    ids=["limitBytes", "tailLines"],
)
def test_limits_are_checked(space: Space, query: dict[str, str], field: str) -> None:
    """Before anybody is asked."""
    _made(space, "a")
    answer = space.api.get(space.path("pods", "web", "log"), **query)
    assert 422 == answer.status
    assert field in answer.message


def test_there_is_no_log_of_a_pod_that_is_not_there(space: Space) -> None:
    """As for the pod itself."""
    answer = space.api.get(space.path("pods", "none", "log"))
    assert (404, 'pods "none" not found') == (answer.status, answer.message)


def test_a_log_is_only_read(space: Space) -> None:
    """Nobody writes one through the API."""
    _made(space, "a")
    assert 405 == space.api.post(space.path("pods", "web", "log"), {}).status
