"""What the loop asks of every controller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from molt.embedded.cluster.controllers.cache import Ref
from molt.embedded.cluster.controllers.kinds import POD
from molt.embedded.cluster.controllers.ownership import controller_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from molt.embedded.cluster.changes import Record
    from molt.embedded.cluster.controllers.actions import Action, Object
    from molt.embedded.cluster.controllers.cache import Cache
    from molt.embedded.cluster.controllers.kinds import Kind


class Controller(Protocol):
    """Gathers what a pure reconciler needs; decides about one object at a time."""

    def touched(self, cache: Cache, record: Record) -> Iterable[Ref]:
        """Return the objects to look at again because of `record`; `cache` has it already."""

    def decide(self, cache: Cache, key: Ref, obj: Object, now: datetime) -> list[Action]:
        """Return what is to be done about `obj`."""


def versions(record: Record) -> Iterator[Object]:
    """Yield the object as it was, if it was, and as it is."""
    if record.previous is not None:
        yield record.previous
    yield record.obj


def owners(kind: Kind, cache: Cache, record: Record) -> Iterator[Ref]:
    """Yield the objects of `kind` that a change of one of theirs concerns: its controller, or who might adopt it."""
    for obj in versions(record):
        namespace = obj["metadata"].get("namespace") or ""
        reference = controller_of(obj)
        if reference is None:
            yield from (
                Ref(kind.plural, namespace, one["metadata"]["name"]) for one in cache.objects(kind.plural, namespace)
            )
        elif (reference["apiVersion"], reference["kind"]) == (kind.api_version, kind.kind):
            yield Ref(kind.plural, namespace, reference["name"])


def itself_or_owners(kind: Kind, cache: Cache, record: Record, dependents: Kind = POD) -> Iterator[Ref]:
    """Yield the object of `kind` that changed, or those that a change of a dependent concerns."""
    if record.plural == kind.plural:
        yield Ref(kind.plural, record.obj["metadata"]["namespace"], record.obj["metadata"]["name"])
    elif record.plural == dependents.plural:
        yield from owners(kind, cache, record)
