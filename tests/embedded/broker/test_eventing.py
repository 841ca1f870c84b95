"""Brokers and Triggers from manifests."""

from __future__ import annotations

from typing import Any

import pytest

from molt.embedded.broker import eventing
from molt.embedded.broker.eventing import DEFAULT_DELIVERY, Delivery, Destination, Reference
from molt.embedded.broker.filters import EVERYTHING
from molt.embedded.manifests import ManifestError
from tests.embedded.broker.harness import broker, documents, nowhere, trigger

SERVICE = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "f"}
WHOLE = {
    "retry": 5,
    "backoffPolicy": "linear",
    "backoffDelay": "PT0.5S",
    "timeout": "PT30S",
    "retryAfterMax": "PT1M",
    "format": "binary",
    "deadLetterSink": {"ref": SERVICE},
}


def test_a_delivery_is_read_as_a_whole() -> None:
    """Every field of a delivery is read; a Trigger without one has the broker's."""
    found = eventing.read(
        documents(trigger("t", "http://s/"), broker(WHOLE), {"apiVersion": "v1", "kind": "Namespace"})
    )
    sink = Destination(Reference("serving.knative.dev/v1", "Service", "f", "ns"), "")
    expected = Delivery(5, "linear", 0.5, 30.0, 60.0, sink)
    assert expected == found.brokers["ns/default"].delivery == found.triggers["ns/t"].delivery
    assert found.triggers["ns/t"].filter == EVERYTHING
    assert found.triggers["ns/t"].namespace == "ns"


def test_a_triggers_delivery_replaces_the_brokers() -> None:
    """Not a single field of the broker's delivery is left, its dead letter sink not either."""
    found = eventing.read(documents(broker(WHOLE), trigger("t", "http://s/", delivery={"retry": 1})))
    assert Delivery(retry=1) == found.triggers["ns/t"].delivery


def test_a_broker_without_delivery_has_knatives_default() -> None:
    """Ten retries, exponential from 0.2 s."""
    found = eventing.read(documents(broker()))
    assert DEFAULT_DELIVERY == found.brokers["ns/default"].delivery


@pytest.mark.parametrize(
    ("destination", "url"),
    [
        ({"uri": "http://host/path"}, "http://host/path"),
        ({"ref": SERVICE}, "http://127.0.0.1:1/ns/f"),
        ({"ref": SERVICE | {"namespace": "other"}, "uri": "/path"}, "http://127.0.0.1:1/path"),
        ({"ref": SERVICE, "uri": "sub"}, "http://127.0.0.1:1/ns/sub"),
    ],
)
def test_a_destination_has_a_url(destination: dict[str, Any], url: str) -> None:
    """A uri is absolute alone and relative to the object's URL with a ref."""
    body = trigger("t", "")
    body["spec"]["subscriber"] = destination
    assert url == eventing.read(documents(broker(), body)).triggers["ns/t"].subscriber.url(nowhere)


def _with(path: str, value: Any) -> dict[str, Any]:
    body = trigger("t", "http://s/", delivery=dict(WHOLE))
    *parents, last = path.split(".")
    place: Any = body
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    return body


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (_with("spec.broker", "other"), "spec.broker: there is no Broker ns/other"),
        (_with("spec.broker", ""), "spec.broker: is required"),
        (_with("spec.broker", 1), "spec.broker: must be a string"),
        (_with("spec.brokerRef", {}), "spec.brokerRef: is not supported here; known are broker, "),
        (_with("spec", []), "spec: must be an object"),
        (_with("metadata.name", "A b"), "metadata.name: 'A b' is no name of a Kubernetes object"),
        (_with("metadata", "x"), "metadata: must be an object"),
        (_with("spec.subscriber", {}), "spec.subscriber: needs a ref or an absolute http uri"),
        (_with("spec.subscriber.uri", "/x"), "spec.subscriber: needs a ref or an absolute http uri"),
        (_with("spec.subscriber.uri", "ftp://x/"), "spec.subscriber: needs a ref or an absolute http uri"),
        (_with("spec.subscriber.ref", SERVICE), "spec.subscriber.uri: must be relative where there is a ref"),
        (
            _with("spec.subscriber", {"ref": SERVICE | {"kind": "Pod"}}),
            "spec.subscriber.ref: cannot deliver to serving.knative.dev/v1 Pod",
        ),
        (
            _with("spec.subscriber", {"ref": SERVICE | {"group": "x"}}),
            "spec.subscriber.ref.group: is not supported here",
        ),
        (_with("spec.delivery.retry", -1), "spec.delivery.retry: must be a whole number, 0 or more"),
        (_with("spec.delivery.retry", bool(1)), "spec.delivery.retry: must be a whole number, 0 or more"),
        (_with("spec.delivery.retry", "3"), "spec.delivery.retry: must be a whole number, 0 or more"),
        (
            _with("spec.delivery.backoffPolicy", "cubic"),
            "spec.delivery.backoffPolicy: 'cubic' is not one of linear, exponential",
        ),
        (
            _with("spec.delivery.backoffDelay", "200ms"),
            'spec.delivery.backoffDelay: "200ms" is not an ISO 8601 duration',
        ),
        (_with("spec.delivery.timeout", "PT0S"), "spec.delivery.timeout: must be longer than 0"),
        (_with("spec.delivery.format", "json"), "spec.delivery.format: 'json' is not one of binary"),
        (_with("spec.filters", {}), "spec.filters: must be a list"),
        (trigger("t", "http://s/") | {"metadata": {"namespace": "ns"}}, "metadata.name: is required"),
    ],
)
def test_a_bad_manifest_is_refused(body: dict[str, Any], problem: str) -> None:
    """The error names the file, the object, the field and the problem, in one line."""
    with pytest.raises(ManifestError) as refused:
        eventing.read(documents(broker(), body))
    said = str(refused.value)
    assert said.startswith("m.yaml: Trigger")
    assert problem in said
    assert "\n" not in said


def test_a_name_is_taken_once() -> None:
    """Two objects of one kind and name are an error."""
    with pytest.raises(ManifestError, match="Broker ns/default: is there twice"):
        eventing.read(documents(broker(), broker()))
