"""What a controller may ask for: reconcilers return these, the loop applies them.

`Update` and `UpdateStatus` carry the resourceVersion that the decision was made on: who was overtaken decides again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molt.embedded.cluster.store import Store

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Create:
    """Store a new object; with metadata.generateName the store names it."""

    plural: str
    obj: Object


@dataclass(frozen=True, slots=True)
class Update:
    """Replace an object, unless it has changed meanwhile."""

    plural: str
    obj: Object


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """Replace an object's status, unless it has changed meanwhile."""

    plural: str
    obj: Object


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete this very object (by UID), gracefully where it is a pod."""

    plural: str
    obj: Object


@dataclass(frozen=True, slots=True)
class Finalize:
    """End the graceful deletion of this very pod: its containers are gone."""

    obj: Object


@dataclass(frozen=True, slots=True)
class Wake:
    """Look at the same object again after `seconds`, whatever happens until then."""

    seconds: float


Action = Create | Update | UpdateStatus | Delete | Finalize | Wake


def status_change(plural: str, obj: Object, status: Object) -> list[Action]:
    """Return the write that makes `status` the object's, or nothing when it already is."""
    if obj.get("status") == status:
        return []
    return [UpdateStatus(plural, obj | {"status": status})]


def without_zeros(status: Object, *fields: str) -> Object:
    """Return `status` without those of `fields` that are 0, which the API leaves out."""
    return {key: value for key, value in status.items() if value != 0 or key not in fields}


def perform(store: Store, action: Create | Update | UpdateStatus | Delete | Finalize) -> None:
    """Carry out one write. Raises the store's errors: the object is gone, changed, or its name is taken."""
    match action:
        case Create(plural, obj):
            store.create(plural, obj)
        case Update(plural, obj):
            store.update(plural, obj)
        case UpdateStatus(plural, obj):
            store.update(plural, obj, status_only=True)
        case Delete(plural, obj):
            metadata = obj["metadata"]
            store.delete(plural, metadata.get("namespace"), metadata["name"], uid=metadata["uid"])
        case _:
            metadata = action.obj["metadata"]
            store.delete("pods", metadata["namespace"], metadata["name"], uid=metadata["uid"], grace_seconds=0)
