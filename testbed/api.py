"""Plain JSON over HTTP to an API server, so that a test sees the very answer: status, body, and each watch event.

`molt.cluster` turns answers into outcomes; what it is built on is compared here, underneath it.
"""

from __future__ import annotations

import http.client
import json
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said: a status, and an object (a `Status` for a refusal; text is kept under "text")."""

    status: int
    body: dict[str, Any]

    @property
    def reason(self) -> str:
        """The machine-readable reason of a refusal, such as "Conflict"; empty for an object."""
        return str(self.body.get("reason", "")) if self.body.get("kind") == "Status" else ""

    @property
    def message(self) -> str:
        """What a refusal says to a person."""
        return str(self.body.get("message", self.body.get("text", "")))

    def object(self) -> dict[str, Any]:
        """Return the object of a success; an AssertionError that quotes the refusal otherwise."""
        if self.status >= http.client.BAD_REQUEST:
            raise AssertionError(f"{self.status} {self.reason}: {self.message}")
        return self.body


@dataclass(frozen=True, slots=True)
class Api:
    """One API server, as one user. Every call opens its own connection: nothing is shared between threads."""

    url: str
    token: str
    ca_file: Path | None = None
    timeout: float = 30.0

    def get(self, path: str, **query: str) -> Answer:
        """Ask for an object or a list."""
        return self.request("GET", path, query=query)

    def post(self, path: str, body: Mapping[str, Any], **query: str) -> Answer:
        """Create an object, or call a subresource such as an eviction."""
        return self.request("POST", path, body, query=query)

    def put(self, path: str, body: Mapping[str, Any], **query: str) -> Answer:
        """Replace an object."""
        return self.request("PUT", path, body, query=query)

    def patch(self, path: str, body: Any, kind: str = MERGE, **query: str) -> Answer:
        """Change an object by a patch of one of the four kinds."""
        return self.request("PATCH", path, body, query=query, content_type=kind)

    def delete(self, path: str, body: Mapping[str, Any] | None = None, **query: str) -> Answer:
        """Delete an object, or a collection."""
        return self.request("DELETE", path, body, query=query)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Answer:
        """Send one request and return whatever came back."""
        asked = f"{path}?{urlencode(query)}" if query else path
        with self._sent(method, asked, body, content_type, accept) as response:
            return _answer(response)

    def watch(self, path: str, *, seconds: int = 10, **query: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (type, object) until the server ends the watch, which it is asked to do after some seconds.

        A watch refused before it began is yielded as one ("HTTP", Status), so that it is not taken for silence.
        """
        asked = urlencode({"watch": "1", "timeoutSeconds": str(seconds), **query})
        with self._sent("GET", f"{path}?{asked}", None, "", "application/json") as response:
            if response.status != http.client.OK:
                yield "HTTP", _answer(response).body
                return
            while line := response.readline():
                event = json.loads(line)
                yield event["type"], event["object"]

    @contextmanager
    def _sent(
        self, method: str, path: str, body: Any, content_type: str, accept: str
    ) -> Iterator[http.client.HTTPResponse]:
        headers = {"Accept": accept, "Authorization": f"Bearer {self.token}"}
        payload = None if body is None else json.dumps(body).encode()
        if payload is not None:
            headers["Content-Type"] = content_type
        connection = self._connection()
        try:
            connection.request(method, path, payload, headers)
            yield connection.getresponse()
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.netloc, timeout=self.timeout)
        context = ssl.create_default_context(cafile=self.ca_file)
        return http.client.HTTPSConnection(parts.netloc, timeout=self.timeout, context=context)


def _answer(response: http.client.HTTPResponse) -> Answer:
    raw = response.read().decode()
    try:
        body = json.loads(raw)
    except ValueError:
        body = {"text": raw}
    return Answer(response.status, body if isinstance(body, dict) else {"text": raw})
