"""Reading requests: get, and list with selectors and pages."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster.errors import StoreGone
from molt.embedded.cluster.labelquery import SelectorError
from molt.embedded.cluster.problems import bad_request, gone
from molt.embedded.cluster.selectors import matcher

if TYPE_CHECKING:
    from molt.embedded.cluster.requests import Request
    from molt.embedded.cluster.resources import Kind
    from molt.embedded.cluster.routes import Place
    from molt.embedded.cluster.selectors import Matcher
    from molt.embedded.cluster.store import Store

Object = dict[str, Any]

EXPIRED: Final = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which objects a list or watch is about."""

    kind: Kind
    namespace: str | None
    selects: Matcher

    def holds(self, obj: Object) -> bool:
        """Tell whether the object is one of them."""
        return self.namespace in (None, obj["metadata"].get("namespace")) and self.selects(obj)


def scope(request: Request, place: Place, kind: Kind) -> Scope:
    """Return what a list, watch or deletion of a collection is about. Raises Refused (400)."""
    query = request.query
    fields = query.get("fieldSelector", "")
    if place.name is not None:
        fields = ",".join(filter(None, (fields, f"metadata.name={place.name}")))
    try:
        selects = matcher(query.get("labelSelector", ""), fields, kind)
    except SelectorError as error:
        raise bad_request(str(error)) from None
    return Scope(kind, place.namespace if kind.namespaced else None, selects)


def selected(store: Store, wanted: Scope, at: int | None = None) -> list[Object]:
    """Return the objects of a scope, as they are or as they were at a version. Raises StoreGone."""
    return store.list(wanted.kind.store, wanted.namespace, at=at, where=wanted.selects)


def listed(store: Store, request: Request, wanted: Scope) -> Object:
    """Return a List: all, or one page of it and where the next begins. Raises Refused (400, 410)."""
    limit = int(request.query.get("limit", "0") or 0)
    token = request.query.get("continue", "")
    version, last = _continued(token) if token else (None, ("", ""))
    with store.lock:
        metadata: Object = {"resourceVersion": str(version or store.version)}
        try:
            items = [one for one in selected(store, wanted, version) if _place(one) > last]
        except StoreGone:
            raise gone(EXPIRED) from None
    if limit and len(items) > limit:
        metadata["continue"] = _token(int(metadata["resourceVersion"]), items[limit - 1])
        if "labelSelector" not in request.query and "fieldSelector" not in request.query:
            metadata["remainingItemCount"] = len(items) - limit
        items = items[:limit]
    kind = wanted.kind
    return {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata, "items": items}


def bare(found: Object, kind: Kind) -> Object:
    """Return a List as the API server writes it: items of built-in kinds do not repeat their kind."""
    if kind.crd is not None:
        return found
    head = ("kind", "apiVersion")
    return found | {"items": [{key: item[key] for key in item if key not in head} for item in found["items"]]}


def _place(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _token(version: int, last: Object) -> str:
    return base64.urlsafe_b64encode(json.dumps({"rv": version, "start": _place(last)}).encode()).decode()


def _continued(token: str) -> tuple[int, tuple[str, str]]:
    try:
        found = json.loads(base64.urlsafe_b64decode(token))
        namespace, name = found["start"]
        return int(found["rv"]), (namespace, name)
    except (ValueError, KeyError, TypeError):
        text = "continue key is not valid: illegal base64 or encoding"
        raise bad_request(text) from None
