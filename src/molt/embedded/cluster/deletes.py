"""Deleting requests: one object, or all that a selector selects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster.errors import StoreNotFound
from molt.embedded.cluster.eviction import mismatch
from molt.embedded.cluster.problems import NOT_SUPPORTED, Fault, forbidden, invalid
from molt.embedded.cluster.requests import Answer, decoded
from molt.embedded.cluster.resources import CRDS, of_crd

if TYPE_CHECKING:
    from molt.embedded.cluster.requests import Request
    from molt.embedded.cluster.resources import Kind
    from molt.embedded.cluster.routes import Place
    from molt.embedded.cluster.store import Store
    from molt.embedded.cluster.writes import Writer

Object = dict[str, Any]

IMMORTAL: Final = ("default", "kube-system", "kube-public")
FINALIZERS: Final = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}
POLICIES: Final = ("Background", "Foreground", "Orphan")
RETURNED: Final = frozenset(("pods", "services", "serviceaccounts"))  # kinds whose deletion answers the object itself


class Deleter:
    """The deleting verbs."""

    def __init__(self, store: Store, writer: Writer) -> None:
        """Delete in `store`, found by `writer`."""
        self._store = store
        self._writer = writer

    def delete(self, request: Request, place: Place, kind: Kind) -> Answer:
        """DELETE: remove one object, or begin to. Raises Refused."""
        wanted = delete_options(request)
        with self._store.lock:
            old = self._writer.stored(place, kind)
            if kind.key == "namespaces" and place.name in IMMORTAL:
                raise forbidden(kind.key, place.name or "", "this namespace may not be deleted")
            check(kind, old, wanted.get("preconditions") or {})
            gone = self._delete(kind, old, wanted)
        metadata = gone["metadata"]
        waits = metadata.get("finalizers") or kind.key == "namespaces"
        if kind.key in RETURNED or waits:
            return Answer(200, gone)
        shown = {"name": metadata["name"], "group": kind.group, "kind": kind.plural, "uid": metadata["uid"]}
        details = {key: value for key, value in shown.items() if value}
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        return Answer(200, status)

    def many(self, request: Request, kind: Kind, found: list[Object]) -> None:
        """DELETE of a collection: remove all of these."""
        wanted = delete_options(request)
        with self._store.lock:
            for obj in found:
                self._delete(kind, obj, wanted)

    def _delete(self, kind: Kind, old: Object, wanted: Object) -> Object:
        metadata = old["metadata"]
        dry_run = bool(wanted.get("dryRun"))
        finalizer = FINALIZERS.get(wanted.get("propagationPolicy", ""))
        if finalizer and not dry_run and finalizer not in metadata.get("finalizers", ()):
            finalizers = [*metadata.get("finalizers", ()), finalizer]
            self._store.update(kind.store, old | {"metadata": metadata | {"finalizers": finalizers}})
        if kind.key == CRDS and not dry_run:
            self._delete_instances(old)
        return self._store.delete(
            kind.store,
            metadata.get("namespace"),
            metadata["name"],
            grace_seconds=wanted.get("gracePeriodSeconds"),
            dry_run=dry_run,
        )

    def _delete_instances(self, definition: Object) -> None:
        """Delete the objects of a kind whose definition goes, whatever holds them."""
        for kind in of_crd(definition):
            for obj in self._store.list(kind.key):
                metadata = {key: value for key, value in obj["metadata"].items() if key != "finalizers"}
                self._store.update(kind.store, obj | {"metadata": metadata})
                try:
                    self._store.delete(kind.key, obj["metadata"].get("namespace"), obj["metadata"]["name"])
                except StoreNotFound:
                    continue  # it had been waiting for its finalizers only


def check(kind: Kind, obj: Object, preconditions: Object) -> None:
    """Refuse (409) unless a deletion's preconditions hold."""
    metadata = obj["metadata"]
    for field, what in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        if preconditions.get(field) not in (None, metadata[field]):
            raise mismatch(kind.qualified_kind, metadata["name"], what, preconditions[field], metadata[field])


def delete_options(request: Request) -> Object:
    """Return the DeleteOptions of body and query. Raises Refused (400, 422)."""
    found: Object = dict(decoded(request) or {}) if request.body else {}
    query = request.query
    if "gracePeriodSeconds" in query:
        found["gracePeriodSeconds"] = int(query["gracePeriodSeconds"])
    if "propagationPolicy" in query:
        found["propagationPolicy"] = query["propagationPolicy"]
    if "dryRun" in query:
        found["dryRun"] = [query["dryRun"]]
    faults = []
    if found.get("dryRun") not in (None, [], ["All"]):
        faults.append(Fault("dryRun", NOT_SUPPORTED, found["dryRun"], 'supported values: "All"'))
    if found.get("propagationPolicy", POLICIES[0]) not in POLICIES:
        text = 'supported values: "Background", "Foreground", "Orphan"'
        faults.append(Fault("propagationPolicy", NOT_SUPPORTED, found["propagationPolicy"], text))
    if faults:
        raise invalid("DeleteOptions.meta.k8s.io", "", faults)
    return found
