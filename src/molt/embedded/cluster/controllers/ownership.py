"""Who controls whom: the controller reference, and how a controller takes in and lets go.

As k8s.io/kubernetes/pkg/controller/controller_ref_manager.go: orphans that match are adopted; owned objects that no
longer match are released, by dropping the controller's own reference and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from molt.embedded.cluster.controllers.actions import Action, Object, Update
from molt.embedded.cluster.controllers.pods import is_terminating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from molt.embedded.cluster.controllers.kinds import Kind


def controller_of(obj: Object) -> Object | None:
    """Return the owner reference of the object's controller, if it has one."""
    references: list[Object] = obj["metadata"].get("ownerReferences") or []
    return next((one for one in references if one.get("controller")), None)


def is_controlled_by(obj: Object, owner: Object) -> bool:
    """Tell whether `owner` is the object's controller."""
    reference = controller_of(obj)
    return reference is not None and reference["uid"] == owner["metadata"]["uid"]


def reference_to(kind: Kind, owner: Object) -> Object:
    """Return the reference that makes `owner` an object's controller."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def amended(obj: Object, **metadata: object) -> Object:
    """Return `obj` with these fields of its metadata replaced."""
    return obj | {"metadata": obj["metadata"] | metadata}


@dataclass(frozen=True, slots=True)
class Claim:
    """The objects that are (from now on) owned, and the writes that make it so."""

    owned: list[Object]
    actions: list[Action]


def claim(
    kind: Kind, owner: Object, plural: str, candidates: Iterable[Object], fits: Callable[[Object], bool]
) -> Claim:
    """Decide which of `candidates` belong to `owner`: those it controls, and orphans, as far as they fit.

    An owner or an orphan that is being deleted adopts nothing and is not adopted.
    """
    owned: list[Object] = []
    actions: list[Action] = []
    leaving = is_terminating(owner)
    for one in candidates:
        reference = controller_of(one)
        if reference is not None and reference["uid"] != owner["metadata"]["uid"]:
            continue
        fitting = fits(one)
        if reference is not None and fitting:
            owned.append(one)
        elif reference is not None and not leaving:
            actions.append(Update(plural, released(one, owner)))
        elif reference is None and fitting and not leaving and not is_terminating(one):
            references = [*(one["metadata"].get("ownerReferences") or ()), reference_to(kind, owner)]
            actions.append(Update(plural, amended(one, ownerReferences=references)))
            owned.append(one)
    return Claim(owned, actions)


def released(obj: Object, owner: Object) -> Object:
    """Return `obj` without its reference to `owner`."""
    kept = [one for one in obj["metadata"]["ownerReferences"] if one["uid"] != owner["metadata"]["uid"]]
    metadata = {key: value for key, value in obj["metadata"].items() if key != "ownerReferences"}
    return obj | {"metadata": metadata | ({"ownerReferences": kept} if kept else {})}
