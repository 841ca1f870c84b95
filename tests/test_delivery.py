"""How events are delivered: what every Trigger says, what the embedded broker makes of it, and Kafka in production.

The names that Knative's Kafka broker reads are those of its documentation (knative.dev, "Knative Broker for Apache
Kafka"): the annotations `eventing.knative.dev/broker.class` and `kafka.eventing.knative.dev/delivery.order`, and the
keys of the ConfigMap in KEYS.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from molt.embedded import manifests
from molt.embedded.broker import duration, eventing
from molt.turns import LONGEST as TURN
from rotate.patience import WAIT
from tests.test_manifests import BASE, ROOT, _of, _render

KEYS = {"bootstrap.servers", "default.topic.partitions", "default.topic.replication.factor", "auth.secret.ref.name"}
TOPIC = "default.topic.config."
KAFKA_TOPIC_SETTINGS = {"min.insync.replicas", "retention.ms"}  # kafka.apache.org/documentation/#topicconfigs
ISO_8601 = re.compile(r"P(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?", re.ASCII)

TRIGGERS = {trigger["metadata"]["name"]: trigger for trigger in _of("Trigger")}


def _seconds(function: str) -> int:
    """Return the time-out of a function's Knative Service."""
    service = yaml.safe_load((ROOT / "functions" / function / "service.yaml").read_text("utf-8"))
    return int(service["spec"]["template"]["spec"]["timeoutSeconds"])


@pytest.mark.parametrize("name", TRIGGERS)
def test_every_trigger_says_how_it_delivers(name: str) -> None:
    """Bounded tries with growing pauses, in ISO 8601, and the dead letter at the end, which is a function of ours."""
    spec = TRIGGERS[name]["spec"]
    delivery = spec["delivery"]
    assert "default" == spec["broker"]
    assert 0 < delivery["retry"] <= 10
    assert "exponential" == delivery["backoffPolicy"]
    for field in ("backoffDelay", "timeout"):
        assert ISO_8601.fullmatch(delivery[field]), field
        assert duration.parse(delivery[field]) > 0
    sink = delivery["deadLetterSink"]["ref"]
    assert {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "name": "dead-letter",
        "namespace": "molt",
    } == sink
    assert ("dead-letter", "molt") == (_service("dead-letter")["name"], _service("dead-letter")["namespace"])


def _service(function: str) -> dict[str, Any]:
    service = yaml.safe_load((ROOT / "functions" / function / "service.yaml").read_text("utf-8"))
    metadata: dict[str, Any] = service["metadata"]
    return metadata


@pytest.mark.parametrize("name", TRIGGERS)
def test_the_broker_waits_longer_than_the_function_may_take(name: str) -> None:
    """Else the broker tries again while the first try is still at work, and no reason reaches the dead letter."""
    spec = TRIGGERS[name]["spec"]
    assert duration.parse(spec["delivery"]["timeout"]) > _seconds(spec["subscriber"]["ref"]["name"])


def test_what_waits_inside_a_function_ends_before_its_time_out() -> None:
    """Rotate's patience and the turn in a namespace, one after the other, leave time for the calls."""
    assert WAIT + timedelta(seconds=TURN) < timedelta(seconds=_seconds("rotate"))
    assert timedelta(seconds=TURN) < timedelta(seconds=_seconds("quarantine"))


def test_the_embedded_broker_does_what_the_triggers_say() -> None:
    """Each Trigger's own delivery, field by field, is what its deliveries are tried with."""
    read = eventing.read(list(manifests.load(BASE)))
    for name, trigger in TRIGGERS.items():
        said, found = trigger["spec"]["delivery"], read.triggers[f"molt/{name}"].delivery
        times = (duration.parse(said["backoffDelay"]), duration.parse(said["timeout"]))
        assert (said["retry"], said["backoffPolicy"], *times) == (
            found.retry,
            found.policy,
            found.backoff,
            found.timeout,
        )
        assert found.dead_letter_sink is not None
        assert found.dead_letter_sink.ref == eventing.Reference(
            "serving.knative.dev/v1", "Service", "dead-letter", "molt"
        )


@pytest.fixture(scope="module")
def kafka() -> list[dict[str, Any]]:
    """Return what kustomize makes of the overlay."""
    return _render(ROOT / "knative" / "overlays" / "kafka")


def _one(rendered: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [doc for doc in rendered if (doc["kind"], doc["metadata"]["name"]) == (kind, name)]
    return found


def test_the_kafka_broker_is_one_and_finds_its_settings(kafka: list[dict[str, Any]]) -> None:
    """The class is `Kafka`, in this spelling; the ConfigMap that it names is rendered, in molt's own namespace."""
    (broker,) = [doc for doc in kafka if doc["kind"] == "Broker"]
    assert {"eventing.knative.dev/broker.class": "Kafka"} == broker["metadata"]["annotations"]
    reference = broker["spec"]["config"]
    config = _one(kafka, "ConfigMap", reference["name"])
    assert {"apiVersion": "v1", "kind": "ConfigMap", "name": "kafka-broker-config", "namespace": "molt"} == reference
    assert "molt" == config["metadata"]["namespace"]
    assert _of("Broker")[0]["spec"]["delivery"] == broker["spec"]["delivery"]


def test_the_settings_are_those_that_knative_reads(kafka: list[dict[str, Any]]) -> None:
    """Every key is known, every value is text, as a ConfigMap needs it, and an acknowledged event is on two disks."""
    data = _one(kafka, "ConfigMap", "kafka-broker-config")["data"]
    topic = {key.removeprefix(TOPIC): value for key, value in data.items() if key.startswith(TOPIC)}
    assert KAFKA_TOPIC_SETTINGS == set(topic)
    assert KEYS - {"auth.secret.ref.name"} == {key for key in data if not key.startswith(TOPIC)}
    assert all(isinstance(value, str) for value in data.values())
    servers = data["bootstrap.servers"].split(",")
    assert all(re.fullmatch(r"[-\w.]+:\d+", server.strip(), re.ASCII) for server in servers)
    replicas, least = int(data["default.topic.replication.factor"]), int(topic["min.insync.replicas"])
    assert 2 <= least < replicas  # one Kafka broker may be away without a word to the sender
    assert int(data["default.topic.partitions"]) > 1


def test_an_event_outlives_its_last_try_in_kafka(kafka: list[dict[str, Any]]) -> None:
    """Retention is far longer than all tries of a delivery and its pauses take."""
    data = _one(kafka, "ConfigMap", "kafka-broker-config")["data"]
    longest = max(_all_tries(trigger["spec"]["delivery"]) for trigger in TRIGGERS.values())
    assert int(data[f"{TOPIC}retention.ms"]) / 1000 > 100 * longest


def _all_tries(delivery: dict[str, Any]) -> float:
    first, retries = duration.parse(delivery["backoffDelay"]), int(delivery["retry"])
    return sum(first * 2.0**number for number in range(retries)) + (1 + retries) * duration.parse(delivery["timeout"])


def test_no_trigger_blocks_a_partition(kafka: list[dict[str, Any]]) -> None:
    """All of the base's Triggers are there, at the one Broker, unordered, and deliver as the base says."""
    rendered = {doc["metadata"]["name"]: doc for doc in kafka if doc["kind"] == "Trigger"}
    assert set(TRIGGERS) == set(rendered)
    for name, trigger in rendered.items():
        assert {"kafka.eventing.knative.dev/delivery.order": "unordered"} == trigger["metadata"]["annotations"]
        assert TRIGGERS[name]["spec"] == trigger["spec"]


def test_the_documented_overlay_of_ones_own_renders(tmp_path: Path) -> None:
    """What README.md says to write changes the servers and names a Secret, and leaves the other settings."""
    text = (ROOT / "knative/overlays/kafka/README.md").read_text("utf-8")
    lines = re.search(r"\n( {7}resources: .*?)\n\n", text, re.DOTALL)
    assert lines
    relative = Path(*[".."] * len(tmp_path.parts[1:])) / (ROOT / "knative/overlays/kafka").relative_to("/")
    own = "\n".join(line[7:] for line in lines[1].splitlines()).replace("../kafka", str(relative))
    (tmp_path / "kustomization.yaml").write_text(own)
    data = _one(_render(tmp_path), "ConfigMap", "kafka-broker-config")["data"]
    assert ("kafka-1:9093,kafka-2:9093", "kafka-credentials") == (
        data["bootstrap.servers"],
        data["auth.secret.ref.name"],
    )
    assert "3" == data["default.topic.replication.factor"]
