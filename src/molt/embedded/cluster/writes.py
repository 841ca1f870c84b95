"""Writing requests: create, update, patch, apply. Each is one step under the store's lock, dry runs included."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster import events, ownership, strategy, typed
from molt.embedded.cluster.errors import StoreNotFound
from molt.embedded.cluster.lifecycle import MODIFIED_TEXT
from molt.embedded.cluster.objects import generated
from molt.embedded.cluster.patch import PatchError, json_patch, merge
from molt.embedded.cluster.problems import (
    INVALID,
    Fault,
    Refused,
    bad_request,
    conflict,
    forbidden,
    invalid,
    not_found,
    unprocessable,
)
from molt.embedded.cluster.requests import APPLY, JSON_PATCH, MERGE, STRATEGIC, Answer, Options, decoded, options
from molt.embedded.cluster.resources import CRDS, of_crd
from molt.embedded.cluster.strategic import strategic_merge

if TYPE_CHECKING:
    from collections.abc import Callable

    from molt.embedded.cluster.requests import Request
    from molt.embedded.cluster.resources import Kind
    from molt.embedded.cluster.routes import Place
    from molt.embedded.cluster.store import Store

Object = dict[str, Any]

CREATED: Final = 201
OK: Final = 200
CONDITIONAL: Final = frozenset(("leases.coordination.k8s.io", "poddisruptionbudgets.policy", CRDS))


class Writer:
    """The writing verbs on objects and their /status."""

    def __init__(self, store: Store, may: Callable[[Request, Place], None]) -> None:
        """Write into `store`; `may` raises Refused unless who asks may also do that."""
        self._store = store
        self._may = may

    def create(self, request: Request, place: Place, kind: Kind) -> Answer:
        """POST: store a new object. Raises Refused."""
        chosen = options(request, self._store.now(), "CreateOptions")
        obj = strategy.decode(kind, decoded(request), place.namespace if kind.namespaced else None, None)
        with self._store.lock:
            return self._create(kind, obj, chosen)

    def _create(self, kind: Kind, obj: Object, chosen: Options, *, owned: bool = False) -> Answer:
        """Store a new object; `owned`: an apply has already written whose its fields are."""
        self._check_namespace(kind, obj)
        metadata = obj["metadata"]
        drawn = not metadata.get("name") and bool(metadata.get("generateName"))
        if drawn:
            metadata["name"] = generated(metadata["generateName"])
        warnings = strategy.before_create(kind, obj, chosen.now, strict=chosen.strict)
        if drawn:
            del metadata["name"]
        if not owned:
            obj = ownership.updated(kind, {"metadata": {}}, obj, chosen.writer(kind))
        made = self._store.create(kind.store, obj, dry_run=chosen.dry_run)
        if kind.key == CRDS and not chosen.dry_run:
            for custom in of_crd(made):
                self._store.begin(custom.key)
        return Answer(CREATED, made, tuple(warnings))

    def _check_namespace(self, kind: Kind, obj: Object) -> None:
        if not kind.namespaced:
            return
        namespace = obj["metadata"]["namespace"]
        try:
            found = self._store.get("namespaces", None, namespace)
        except StoreNotFound:
            raise not_found("namespaces", namespace) from None
        if found["status"]["phase"] == "Terminating":
            reason = f"unable to create new content in namespace {namespace} because it is being terminated"
            refused = forbidden(kind.key, obj["metadata"].get("name", ""), reason)
            cause = {"reason": "NamespaceTerminating", "message": f"namespace {namespace} is being terminated"}
            refused.details = (refused.details or {}) | {"causes": [cause | {"field": "metadata.namespace"}]}
            raise refused

    def update(self, request: Request, place: Place, kind: Kind) -> Answer:
        """PUT: replace an object, or its status. Raises Refused."""
        chosen = options(request, self._store.now(), "UpdateOptions")
        obj = strategy.decode(kind, decoded(request), place.namespace if kind.namespaced else None, place.name)
        with self._store.lock:
            old = self.stored(place, kind)
            uid, found = obj["metadata"].get("uid"), old["metadata"]["uid"]
            if uid not in (None, found):
                text = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {found}"
                raise conflict(kind.key, obj["metadata"]["name"], text)
            if "resourceVersion" not in obj["metadata"] and (kind.crd is not None or kind.key in CONDITIONAL):
                fault = Fault("metadata.resourceVersion", INVALID, 0, "must be specified for an update")
                raise invalid(kind.key, obj["metadata"]["name"], [fault])
            return self._replace(kind, old, obj, place.subresource, chosen)

    def patch(self, request: Request, place: Place, kind: Kind) -> Answer:
        """PATCH: change an object, or its status, or create it by server-side apply. Raises Refused."""
        chosen = options(request, self._store.now(), "PatchOptions")
        accepted = (JSON_PATCH, MERGE, STRATEGIC, APPLY) if kind.crd is None else (JSON_PATCH, MERGE, APPLY)
        body = decoded(request, accepted)
        with self._store.lock:
            if request.content_type == APPLY:
                return self._apply(request, place, kind, body, chosen)
            old = self.stored(place, kind)
            patched = _patched(kind, request.content_type, events.shown(kind, old), body)
            obj = strategy.decode(kind, patched, old["metadata"].get("namespace"), place.name)
            return self._replace(kind, old, obj, place.subresource, chosen)

    def _replace(self, kind: Kind, old: Object, obj: Object, subresource: str, chosen: Options) -> Answer:
        new, warnings = _judged(kind, old, obj, subresource, chosen)
        new = ownership.updated(kind, old, new, chosen.writer(kind, subresource))
        return Answer(OK, self._store.update(kind.store, new, dry_run=chosen.dry_run), tuple(warnings))

    def _apply(self, request: Request, place: Place, kind: Kind, body: Any, chosen: Options) -> Answer:
        config = strategy.decode(kind, body, place.namespace if kind.namespaced else None, place.name, empty=True)
        if config["metadata"].pop("managedFields", None):
            raise bad_request("metadata.managedFields must be nil")
        typed.check(kind, config)
        writer = chosen.writer(kind, place.subresource, ownership.APPLY)
        try:
            old = self.stored(place, kind)
        except Refused:
            if place.subresource:
                raise
            self._may(request, replace(place, verb="create"))
            return self._applied_anew(kind, config, chosen)
        obj = strategy.compacted(kind, ownership.apply(kind, old, config, writer, force=chosen.force))
        # Nobody manages anything of an object that is no more than its name.
        managers = {name: value for name, value in obj["metadata"].items() if name == "managedFields"}
        new, warnings = _judged(kind, old, obj, place.subresource, chosen)
        new["metadata"].pop("managedFields", None)
        new["metadata"] |= managers
        return Answer(OK, self._store.update(kind.store, new, dry_run=chosen.dry_run), tuple(warnings))

    def _applied_anew(self, kind: Kind, config: Object, chosen: Options) -> Answer:
        """Create the object that an apply did not find."""
        metadata = config["metadata"]
        if "uid" in metadata:
            text = f"uid mismatch: the provided object specified uid {metadata['uid']}"
            raise conflict(kind.key, metadata["name"], f"{text}, and no existing object was found")
        writer = chosen.writer(kind, operation=ownership.APPLY)
        obj = strategy.compacted(kind, ownership.apply(kind, None, config, writer, force=chosen.force))
        return self._create(kind, obj, chosen, owned=True)

    def stored(self, place: Place, kind: Kind) -> Object:
        """Return the object that a place names. Raises Refused (404)."""
        name = place.name or ""
        try:
            return self._store.get(kind.store, place.namespace if kind.namespaced else None, name)
        except StoreNotFound:
            raise not_found(kind.key, name) from None


def _judged(kind: Kind, old: Object, obj: Object, subresource: str, chosen: Options) -> tuple[Object, list[str]]:
    """Return what is to replace `old`, completed and found valid, and warnings. Raises Refused (400, 409, 422)."""
    if obj["metadata"].get("resourceVersion") not in (None, old["metadata"]["resourceVersion"]):
        raise conflict(kind.key, old["metadata"]["name"], MODIFIED_TEXT)
    if subresource == "status":
        return strategy.before_status(kind, obj, old, strict=chosen.strict)
    return obj, strategy.before_update(kind, obj, old, chosen.now, strict=chosen.strict)


def _patched(kind: Kind, content_type: str, old: Object, body: Any) -> Any:
    if content_type == JSON_PATCH:
        if not isinstance(body, list):
            raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
        try:
            return json_patch(old, body)
        except PatchError:
            raise unprocessable() from None
    if not isinstance(body, dict):
        raise bad_request("Invalid JSON Patch")
    if content_type == MERGE:
        return merge(old, body)
    try:
        return strategic_merge(kind, old, body)
    except PatchError as error:
        raise bad_request(str(error)) from None
