"""Asks the API in process, without HTTP: what is sent and what comes back, as plain values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from molt.embedded.cluster import bootstrap
from molt.embedded.cluster.api import Api
from molt.embedded.cluster.objects import copied
from molt.embedded.cluster.requests import APPLY, JSON, JSON_PATCH, MERGE, STRATEGIC, Answer, Request, Stream
from molt.embedded.cluster.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

ADMIN = "admin-token"
DEFAULT = "/api/v1/namespaces/default"
APPS = "/apis/apps/v1/namespaces/default"
CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TYPES = {"merge": MERGE, "json": JSON_PATCH, "strategic": STRATEGIC, "apply": APPLY}

Object = dict[str, Any]


def made_api(*, rbac: bool = True, window: int = 8192) -> Api:
    """Return an API with the namespaces of every cluster, and no controllers."""
    store = Store(window=window)
    bootstrap.fill(store)
    return Api(store, admin_token=ADMIN, rbac=rbac)


@dataclass
class Caller:
    """One user of one API."""

    api: Api = field(default_factory=made_api)
    token: str | None = ADMIN

    @property
    def store(self) -> Store:
        """Return what is behind the API."""
        return self.api.store

    def by(self, token: str | None) -> Caller:
        """Return somebody else's view of the same API."""
        return Caller(self.api, token)

    def ask(self, method: str, path: str, body: Any = None, headers: Object | None = None, **query: str) -> Answer:
        """Send one request; a body that is no bytes is sent as JSON."""
        answer = self._send(method, path, body, headers, query)
        assert isinstance(answer, Answer)
        return answer

    def _send(self, method: str, path: str, body: Any, headers: Object | None, query: Object) -> Answer | Stream:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = {"content-type": JSON} | ({"authorization": f"Bearer {self.token}"} if self.token else {})
        return self.api.handle(Request(method, path, query, sent | (headers or {}), data))

    def get(self, path: str, **query: str) -> Object:
        """Return the object at `path`."""
        return object_of(self.ask("GET", path, None, None, **query))

    def post(self, path: str, body: Any, **query: str) -> Object:
        """Create an object and return it."""
        return object_of(self.ask("POST", path, body, None, **query))

    def put(self, path: str, body: Any, **query: str) -> Object:
        """Replace an object and return it."""
        return object_of(self.ask("PUT", path, body, None, **query))

    def patch(self, kind: str, path: str, body: Any, **query: str) -> Answer:
        """Change an object by a patch of this kind: merge, json, strategic or apply."""
        return self.ask("PATCH", path, body, {"content-type": TYPES[kind]}, **query)

    def watch(self, path: str, headers: Object | None = None, **query: str) -> Iterator[Object]:
        """Return a watch's events."""
        answer = self._send("GET", path, None, headers, {"watch": "true", "timeoutSeconds": "5"} | query)
        assert isinstance(answer, Stream)
        return answer.events


def object_of(answer: Answer) -> Object:
    """Return an answer's object, as a client's own; it must be no refusal."""
    assert isinstance(answer.body, dict)
    assert answer.code < 400, answer.body
    return copied(answer.body)


def refusal(answer: Answer) -> tuple[int, str, str]:
    """Return code, reason and message of a refusal."""
    assert isinstance(answer.body, dict)
    assert "Failure" == answer.body["status"]
    assert answer.code == answer.body["code"]
    return answer.code, answer.body.get("reason", ""), answer.body["message"]


def config_map(name: str = "one", data: Object | None = None, **metadata: Any) -> Object:
    """Return a ConfigMap."""
    return {"metadata": {"name": name, **metadata}, "data": data or {"a": "1"}}


def pod(name: str = "web", *, ready: bool | None = None, spec: Object | None = None, **metadata: Any) -> Object:
    """Return a pod on a node; `ready` says so in its status (for the store: the API drops a new pod's status)."""
    body: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {"nodeName": "n1", "containers": [{"name": "web", "image": "nginx:1"}]} | (spec or {}),
    }
    if ready is not None:
        condition = {"type": "Ready", "status": str(ready)}
        body["status"] = {"phase": "Running", "conditions": [condition]}
    return body


def deployment(name: str = "web", **spec: Any) -> Object:
    """Return a Deployment."""
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "nginx:1"}]}}
    wanted = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": wanted | spec}


def definition(
    schema: Object | None = None, *, status: bool = True, scope: str = "Namespaced", **version: Any
) -> Object:
    """Return a CustomResourceDefinition of the kind Thing in the group test.io."""
    spec_schema = schema or {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    whole = {
        "type": "object",
        "properties": {
            "spec": spec_schema,
            "status": {
                "type": "object",
                "properties": {
                    "seen": {"type": "integer"},
                    "conditions": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {"type": {"type": "string"}, "status": {"type": "string"}},
                        },
                    },
                },
            },
        },
    }
    one: Object = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": whole}}
    one |= {"subresources": {"status": {}}} if status else {}
    names = {"plural": "things", "kind": "Thing", "shortNames": ["th"], "categories": ["all"]}
    spec = {"group": "test.io", "scope": scope, "names": names, "versions": [one | version]}
    return {"metadata": {"name": "things.test.io"}, "spec": spec}


def thing(name: str = "one", spec: Object | None = None, **more: Any) -> Object:
    """Return a Thing."""
    return {"apiVersion": "test.io/v1", "kind": "Thing", "metadata": {"name": name}, "spec": spec or {}} | more


THINGS = "/apis/test.io/v1/namespaces/default/things"
