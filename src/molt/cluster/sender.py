"""How a request is put together and sent, and which were: what all of a cluster's verbs have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt.cluster.errors import Rejected, Request
from molt.cluster.transport import JSON, Call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molt.cluster.resources import Resource
    from molt.cluster.transport import Transport


class Sender:
    """The connections to one cluster, and the record of what was asked of it."""

    def __init__(self, transport: Transport) -> None:
        """Take the connections; nothing is sent."""
        self._transport = transport
        self.requests: list[Request] = []
        """What was asked, in order; a request that was tried three times stands here three times."""

    def _send(  # noqa: PLR0913 - the one place where all parts of a request meet
        self,
        verb: str,
        method: str,
        resource: Resource,
        namespace: str | None,
        name: str | None = None,
        *,
        subresource: str = "",
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        repeatable: bool = True,
    ) -> dict[str, Any]:
        """Send one request and return the object answered."""
        plural = f"{resource.plural}/{subresource}" if subresource else resource.plural
        asked = Request(verb, resource.group, plural, namespace if resource.namespaced else None)
        path = path_of(resource, namespace, name, subresource)
        call = Call(method, path, asked, query or {}, body, content_type, repeatable, accept=accept)
        return self._transport.send(call, self.requests)


def path_of(resource: Resource, namespace: str | None, name: str | None = None, subresource: str = "") -> str:
    """Return the path, or raise Rejected as the API would for a name that cannot be."""
    try:
        return resource.path(namespace, name, subresource)
    except ValueError as error:
        raise Rejected(str(error)) from error
