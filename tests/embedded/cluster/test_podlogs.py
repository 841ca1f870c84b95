"""What a container of the embedded cluster has said, and what there is to say when it has not."""

from __future__ import annotations

from typing import Any

import pytest

from molt.embedded.cluster.podlogs import LOG, PREVIOUS_LOG, text
from molt.embedded.cluster.problems import Refused
from tests.embedded.cluster.caller import DEFAULT, Caller, pod, refusal

RUNNING = {"running": {"startedAt": "2026-11-24T11:00:00Z"}}
ENDED = {"terminated": {"startedAt": "2026-11-24T10:00:00Z"}}
SAID = "one\ntwo\nthree\n"


def _pod(*states: dict[str, Any], last: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    names = [f"c{number}" for number in range(len(states))]
    made = pod(
        spec={"containers": [{"name": name} for name in names], **spec}, annotations={LOG: SAID, PREVIOUS_LOG: "x"}
    )
    statuses = [
        {"name": name, "state": state, "lastState": last or {}} for name, state in zip(names, states, strict=True)
    ]
    return made | {"status": {"containerStatuses": statuses}}


ANSWERS = [
    pytest.param(_pod(RUNNING), {}, SAID, id="all of it"),
    pytest.param(_pod(RUNNING, initContainers=[{"name": "first"}]), {}, SAID, id="of the only regular one"),
    pytest.param(_pod(RUNNING, RUNNING), {"container": "c1"}, SAID, id="of one container"),
    pytest.param(_pod(RUNNING), {"tailLines": "2"}, "two\nthree\n", id="the last lines"),
    pytest.param(_pod(RUNNING), {"tailLines": "0"}, "", id="no lines"),
    pytest.param(_pod(RUNNING), {"tailLines": "9"}, SAID, id="more lines than there are"),
    pytest.param(_pod(RUNNING), {"limitBytes": "5"}, "one\nt", id="the first bytes"),
    pytest.param(_pod(RUNNING), {"tailLines": "1", "limitBytes": "3"}, "thr", id="of the last lines the first bytes"),
    pytest.param(
        _pod(RUNNING),
        {"tailLines": "1", "timestamps": "true"},
        "2026-11-24T11:00:00Z three\n",
        id="with times",
    ),
    pytest.param(_pod(ENDED), {"tailLines": "1"}, "three\n", id="of one that has ended"),
    pytest.param(
        _pod(RUNNING, last=ENDED),
        {"previous": "true", "timestamps": "true"},
        "2026-11-24T10:00:00Z x",
        id="of the run before",
    ),
    pytest.param(_pod(RUNNING, nodeName=""), {}, "", id="of a pod that is nowhere"),
]


@pytest.mark.parametrize(("made", "query", "said"), ANSWERS)
def test_a_log(made: dict[str, Any], query: dict[str, str], said: str) -> None:
    """As the kubelet cuts it."""
    assert said == text(made, query)


INIT: dict[str, Any] = {"initContainers": [{"name": "first"}]}
REFUSALS = [
    pytest.param(_pod(RUNNING), {"container": "x"}, "container x is not valid for pod web", id="unknown"),
    pytest.param(
        _pod(RUNNING, RUNNING), {}, "a container name must be specified for pod web, choose one of: [c0 c1]", id="many"
    ),
    pytest.param(
        _pod(RUNNING, RUNNING, **INIT),
        {},
        "a container name must be specified for pod web, choose one of: [first c0 c1]",
        id="many, and an init container",
    ),
    pytest.param(
        _pod({"waiting": {"reason": "ImagePullBackOff"}}),
        {},
        'container "c0" in pod "web" is waiting to start: ImagePullBackOff',
        id="waiting",
    ),
    pytest.param(
        _pod(RUNNING, **INIT),
        {"container": "first"},
        'container "first" in pod "web" is waiting to start: ContainerCreating',
        id="without a status",
    ),
    pytest.param(
        _pod(RUNNING),
        {"previous": "true"},
        'previous terminated container "c0" in pod "web" not found',
        id="no run before",
    ),
]


@pytest.mark.parametrize(("made", "query", "message"), REFUSALS)
def test_no_log(made: dict[str, Any], query: dict[str, str], message: str) -> None:
    """With the reason, as API server and kubelet give it."""
    with pytest.raises(Refused) as raised:
        text(made, query)
    assert (400, message) == (raised.value.code, raised.value.status()["message"])


@pytest.mark.parametrize(("name", "value", "least"), [("limitBytes", "0", " 0"), ("tailLines", "-1", " or equal to 0")])
def test_a_limit_that_cannot_be(name: str, value: str, least: str) -> None:
    """It is named."""
    with pytest.raises(Refused) as raised:
        text(_pod(RUNNING), {name: value})
    assert 422 == raised.value.code
    assert f"{name}: Invalid value: {value}: must be greater than{least}" in raised.value.status()["message"]


def test_a_log_over_the_api(admin: Caller) -> None:
    """It is text; it is read, not written."""
    admin.store.create("pods", _pod(RUNNING))
    path = f"{DEFAULT}/pods/web/log"
    assert (200, SAID) == (admin.ask("GET", path).code, admin.ask("GET", path).body)
    assert 405 == refusal(admin.ask("POST", path, {}))[0]
    assert 404 == refusal(admin.ask("GET", f"{DEFAULT}/pods/none/log"))[0]
    assert 400 == refusal(admin.ask("GET", path, None, None, tailLines="many"))[0]
