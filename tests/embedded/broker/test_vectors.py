"""The broker answers each recorded case as a real Knative broker did."""

from __future__ import annotations

import base64
import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.embedded.broker.harness import broker, running, trigger
from tests.embedded.broker.subscriber import Received, Said, subscribing

_RECORDED_AT = "http://10.200.0.1:9009/router"
_REPLIES = {"reply": "r1", "replystructured": "r2"}


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


@dataclass
class _Observed:
    """What became of one case."""

    tries: list[float] = field(default_factory=list)
    dead_letter: dict[str, str] | None = None

    @property
    def seconds(self) -> list[float]:
        return [later - earlier for earlier, later in pairwise(self.tries)]


def _observe(vectors: list[dict[str, Any]], delivery: dict[str, Any], state: Path) -> tuple[dict[str, _Observed], str]:
    """Run all cases at once; return what was seen of each, and the URL that stood for the recorded one."""
    observed: dict[str, _Observed] = defaultdict(_Observed)
    with subscribing(_Cases(vectors)) as subscriber:
        router = f"{subscriber.url}/router"
        manifests = (
            broker(delivery | {"deadLetterSink": {"uri": f"{subscriber.url}/dead"}}),
            trigger("router", router, filter={"attributes": {"type": "falco.rule.output.v1"}}),
            trigger("next", f"{subscriber.url}/next", filter={"attributes": {"remedy": "quarantine"}}),
        )
        with running(state, *manifests) as broker_:
            for vector in vectors:
                assert broker_.send(id=vector["case"], case=vector["case"], type="falco.rule.output.v1") == 202
                time.sleep(0.02)  # so that the tries of one case do not wait for those of all the others
            broker_.settled()
        for request in subscriber.received:
            if request.path == "/router":
                observed[request.id].tries.append(request.at)
            else:
                extensions = {name[3:]: text for name, text in request.headers.items() if name.startswith("ce-knative")}
                extensions.pop("knativearrivaltime")
                observed[request.id].dead_letter = extensions if request.path == "/dead" else None
    return observed, router


@pytest.mark.slow
def test_every_recorded_case_is_reproduced(shared: Path, tmp_path: Path) -> None:
    """Tries, the seconds between them (within 20 %), the dead letter and its extensions are as recorded.

    A busy machine makes waits longer, never shorter: a case that was late is looked at again, twice.
    """
    recorded = json.loads((shared / "knative" / "broker_vectors.json").read_text())
    left = recorded["vectors"]
    for attempt in range(3):
        observed, router = _observe(left, recorded["broker_delivery"], tmp_path / str(attempt))
        for vector in left:
            case, seen = vector["case"], observed[vector["case"]]
            assert (case, vector["tries"]) == (case, len(seen.tries))
            assert (case, vector["dead_lettered"]) == (case, seen.dead_letter is not None)
            assert (case, _expected_extensions(vector, router)) == (case, seen.dead_letter or {})
            assert ("reply_routed_to" in vector) == (_REPLIES.get(case) in observed), case
        late = {
            vector["case"]: observed[vector["case"]].seconds
            for vector in left
            if pytest.approx(vector["seconds_between_tries"], rel=0.2) != observed[vector["case"]].seconds
        }
        left = [vector for vector in left if vector["case"] in late]
        if not left:
            return
    pytest.fail(f"not within 20 % of the recorded delays: {late}")
