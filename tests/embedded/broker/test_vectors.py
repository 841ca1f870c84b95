"""The broker answers each recorded case as a real Knative broker did."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.embedded.broker.harness import broker, running, trigger
from tests.embedded.broker.subscriber import Received, Said, subscribing

_RECORDED_AT = "http://10.200.0.1:9009/router"


def _said(recorded: dict[str, Any]) -> Said:
    status, headers, body = recorded["status"], recorded["headers"], recorded["body"].encode()
    if status == "connection closed":
        return Said(0)
    if status == "204 after 10 s":
        return Said(204, wait=10)
    return Said(status, headers, body)


class _Cases:
    """Answers the tries of each case in turn; the last answer is repeated."""

    def __init__(self, vectors: list[dict[str, Any]]) -> None:
        self._answers = {
            vector["case"]: [_said(answer) for answer in vector["subscriber_answers"]] for vector in vectors
        }
        self._tries: dict[str, int] = defaultdict(int)

    def __call__(self, request: Received) -> Said:
        if request.path != "/router":
            return Said()
        case = request.headers["ce-case"]
        answers = self._answers[case]
        self._tries[case] += 1
        return answers[min(self._tries[case], len(answers)) - 1]


def _expected_extensions(vector: dict[str, Any], router: str) -> dict[str, str]:
    extensions = dict(vector.get("dead_letter_extensions", {}))
    if "knativeerrordest" in extensions:
        extensions["knativeerrordest"] = router
        said = base64.b64decode(extensions["knativeerrordata"]).decode().replace(_RECORDED_AT, router)
        extensions["knativeerrordata"] = base64.b64encode(said.encode()).decode()
    return extensions


@pytest.mark.slow
def test_every_recorded_case_is_reproduced(shared: Path, tmp_path: Path) -> None:
    """Tries, the seconds between them (within 20 %), the dead letter and its extensions are as recorded."""
    recorded = json.loads((shared / "knative" / "broker_vectors.json").read_text())
    vectors = recorded["vectors"]
    with subscribing(_Cases(vectors)) as subscriber:
        router = f"{subscriber.url}/router"
        delivery = recorded["broker_delivery"] | {"deadLetterSink": {"uri": f"{subscriber.url}/dead"}}
        with running(
            tmp_path / "state",
            broker(delivery),
            trigger("router", router, filter={"attributes": {"type": "falco.rule.output.v1"}}),
            trigger("next", f"{subscriber.url}/next", filter={"attributes": {"remedy": "quarantine"}}),
        ) as broker_:
            for vector in vectors:
                assert broker_.send(id=vector["case"], case=vector["case"], type="falco.rule.output.v1") == 202
            broker_.settled()

    tried, dead = defaultdict(list), {}
    for request in subscriber.received:
        if request.path == "/router":
            tried[request.id].append(request.at)
        elif request.path == "/dead":
            dead[request.id] = {
                name.removeprefix("ce-"): value
                for name, value in request.headers.items()
                if name.startswith("ce-knative")
            }
    for vector in vectors:
        case = vector["case"]
        assert (case, vector["tries"]) == (case, len(tried[case]))
        between = [later - earlier for earlier, later in zip(tried[case], tried[case][1:], strict=False)]
        assert pytest.approx(vector["seconds_between_tries"], rel=0.2) == between, case
        extensions = {name: value for name, value in dead.get(case, {}).items() if name != "knativearrivaltime"}
        assert (case, vector["dead_lettered"]) == (case, case in dead)
        assert (case, _expected_extensions(vector, router)) == (case, extensions)
    assert {"r1", "r2"} == {request.id for request in subscriber.at("/next")}
