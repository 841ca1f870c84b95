"""Namespaces: each has its default ServiceAccount, and takes all that is in it along when it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molt.embedded.cluster.changes import DELETED
from molt.embedded.cluster.controllers.actions import Action, Create, Delete, Object, Update
from molt.embedded.cluster.controllers.cache import Ref, ref
from molt.embedded.cluster.controllers.kinds import NAMESPACE, SERVICE_ACCOUNT
from molt.embedded.cluster.controllers.pods import is_terminating

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from molt.embedded.cluster.changes import Record
    from molt.embedded.cluster.controllers.cache import Cache

DEFAULT = "default"
FINALIZER = "kubernetes"  # of a namespace's spec, not its metadata


class Namespaces:
    """Fills and empties namespaces."""

    def touched(self, cache: Cache, record: Record) -> Iterator[Ref]:
        """Return the namespace that changed or lost something; once it is gone, what is left in it."""
        if record.plural == NAMESPACE.plural:
            yield ref(NAMESPACE.plural, record.obj)
            if record.type == DELETED:
                yield from cache.within(record.obj["metadata"]["name"])
        elif record.type == DELETED and record.obj["metadata"].get("namespace"):
            yield Ref(NAMESPACE.plural, "", record.obj["metadata"]["namespace"])

    def decide(self, cache: Cache, key: Ref, obj: Object, now: datetime) -> list[Action]:
        """Gather what is in the namespace; an object whose namespace is gone follows it."""
        del now  # nothing here has a time
        if key.plural != NAMESPACE.plural:
            return [] if is_terminating(obj) else [Delete(key.plural, obj)]
        content = {inner: found for inner in cache.within(key.name) if (found := cache.get(inner)) is not None}
        return reconcile(obj, content)


def reconcile(namespace: Object, content: Mapping[Ref, Object]) -> list[Action]:
    """Return the ServiceAccount that the namespace lacks, or what its deletion still has to take along."""
    name = namespace["metadata"]["name"]
    if not is_terminating(namespace):
        if Ref(SERVICE_ACCOUNT.plural, name, DEFAULT) in content:
            return []
        account = {"apiVersion": "v1", "kind": SERVICE_ACCOUNT.kind, "metadata": {"name": DEFAULT, "namespace": name}}
        return [Create(SERVICE_ACCOUNT.plural, account)]
    if content:
        return [Delete(key.plural, obj) for key, obj in content.items() if not is_terminating(obj)]
    finalizers = (namespace.get("spec") or {}).get("finalizers") or []
    if FINALIZER not in finalizers:
        return []
    left = [one for one in finalizers if one != FINALIZER]
    return [Update(NAMESPACE.plural, namespace | {"spec": namespace["spec"] | {"finalizers": left}})]
