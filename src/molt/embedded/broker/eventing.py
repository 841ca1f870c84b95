"""Broker and Trigger of eventing.knative.dev/v1, read from the manifests that a cluster would get."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urljoin, urlsplit

from molt.embedded.broker import duration, filters

if TYPE_CHECKING:
    from molt.embedded.manifests import Document, Field

API = "eventing.knative.dev/v1"
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
T = TypeVar("T")
_ADDRESSABLE = {("serving.knative.dev/v1", "Service"), ("v1", "Service"), (API, "Broker")}


@dataclass(frozen=True, slots=True)
class Reference:
    """The object that an event goes to."""

    api_version: str
    kind: str
    name: str
    namespace: str


Resolve = Callable[[Reference, str], str]
"""Returns the URL of a reference; the second argument is its namespace."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where events go: an object, a URL, or a path below an object's URL."""

    ref: Reference | None
    uri: str

    def url(self, resolve: Resolve) -> str:
        """Return the absolute URL."""
        return urljoin(resolve(self.ref, self.ref.namespace), self.uri) if self.ref else self.uri


@dataclass(frozen=True, slots=True)
class Delivery:
    """How hard to try. Times in seconds; without `policy` and `backoff` a retry comes at once."""

    retry: int = 0
    policy: str | None = None
    backoff: float | None = None
    timeout: float | None = None
    retry_after_max: float | None = None
    dead_letter_sink: Destination | None = None


DEFAULT_DELIVERY = Delivery(retry=10, policy="exponential", backoff=0.2)
"""What Knative's config-br-defaults gives a Broker that states no delivery."""


@dataclass(frozen=True, slots=True)
class Broker:
    """A named place that events are sent to."""

    key: str
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Trigger:
    """A subscription: the events of `broker` that pass `filter` go to `subscriber`."""

    key: str
    broker: str
    filter: filters.Filter
    subscriber: Destination
    delivery: Delivery

    @property
    def namespace(self) -> str:
        """Return the namespace, which is the broker's too."""
        return self.key.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Eventing:
    """Every Broker and Trigger of a set of manifests, by `namespace/name`."""

    brokers: Mapping[str, Broker]
    triggers: Mapping[str, Trigger]


def read(documents: Iterable[Document]) -> Eventing:
    """Return the brokers and triggers among `documents`, whatever their order. Raises ManifestError."""
    brokers: dict[str, Broker] = {}
    triggers: dict[str, Trigger] = {}
    roots = [document.root for document in documents if document.api[0] == API]
    for root in roots:
        if root.document.api[1] == "Broker":
            _add(brokers, root, _broker(root))
    for root in roots:
        if root.document.api[1] == "Trigger":
            _add(triggers, root, _trigger(root, brokers))
    return Eventing(brokers, triggers)


def _add(found: dict[str, T], root: Field, item: T) -> None:
    key = key_of(root)
    if key in found:
        raise root.bad("is there twice")
    found[key] = item


def key_of(root: Field) -> str:
    """Return `namespace/name` of an object. Raises ManifestError."""
    metadata = root.at("metadata").object()
    return f"{_name(metadata.at('namespace'), 'default')}/{_name(metadata.at('name'))}"


def _name(field: Field, default: str | None = None) -> str:
    name = field.text(default)
    if not _NAME.fullmatch(name):
        raise field.bad(f"{name!r} is no name of a Kubernetes object")
    return name


def _broker(root: Field) -> Broker:
    spec = root.at("spec").object("config", "delivery")
    delivery = spec.at("delivery")
    key = key_of(root)
    return Broker(key, _delivery(delivery, key) if delivery else DEFAULT_DELIVERY)


def _trigger(root: Field, brokers: Mapping[str, Broker]) -> Trigger:
    spec = root.at("spec").object("broker", "filter", "filters", "subscriber", "delivery")
    key = key_of(root)
    broker = f"{key.partition('/')[0]}/{spec.at('broker').text()}"
    if broker not in brokers:
        raise spec.at("broker").bad(f"there is no Broker {broker}")
    subscriber = destination(spec.at("subscriber"), key)
    own = spec.at("delivery")
    # As a cluster does it: a Trigger's delivery replaces the broker's as a whole, its dead letter sink included.
    delivery = _delivery(own, key) if own else brokers[broker].delivery
    return Trigger(key, broker, filters.read(spec), subscriber, delivery)


def destination(field: Field, owner: str) -> Destination:
    """Return the destination, by default in the namespace of `owner` (`namespace/name`). Raises ManifestError."""
    field.object("ref", "uri")
    uri = field.at("uri").text("")
    absolute = urlsplit(uri).scheme in {"http", "https"} and bool(urlsplit(uri).hostname)
    if field.at("ref"):
        if absolute:
            raise field.at("uri").bad("must be relative where there is a ref")
        return Destination(_reference(field.at("ref"), owner), uri)
    if not absolute:
        raise field.bad("needs a ref or an absolute http uri")
    return Destination(None, uri)


def _reference(field: Field, owner: str) -> Reference:
    field.object("apiVersion", "kind", "name", "namespace")
    kind = (field.at("apiVersion").text(), field.at("kind").text())
    if kind not in _ADDRESSABLE:
        raise field.bad(f"cannot deliver to {' '.join(kind)}; only to a Service or a Broker")
    return Reference(*kind, _name(field.at("name")), _name(field.at("namespace"), owner.partition("/")[0]))


def _delivery(field: Field, owner: str) -> Delivery:
    field.object("retry", "backoffPolicy", "backoffDelay", "timeout", "retryAfterMax", "deadLetterSink", "format")
    field.at("format").choice("binary")
    sink = field.at("deadLetterSink")
    timeout = _seconds(field.at("timeout"))
    if timeout == 0:
        raise field.at("timeout").bad("must be longer than 0")
    return Delivery(
        retry=field.at("retry").whole(0),
        policy=field.at("backoffPolicy").choice("linear", "exponential"),
        backoff=_seconds(field.at("backoffDelay")),
        timeout=timeout,
        retry_after_max=_seconds(field.at("retryAfterMax")),
        dead_letter_sink=destination(sink, owner) if sink else None,
    )


def _seconds(field: Field) -> float | None:
    if not field:
        return None
    try:
        return duration.parse(field.text())
    except ValueError as error:
        raise field.bad(str(error)) from error
