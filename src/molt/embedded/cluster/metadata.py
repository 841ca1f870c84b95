"""Metadata rules of every kind: names, labels, annotations, owners, finalizers, and what an update may not change.

Source: k8s.io/apimachinery v0.36.3, pkg/api/validation/objectmeta.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster.problems import FORBIDDEN, INVALID, REQUIRED, TOO_LONG, Fault
from molt.embedded.cluster.syntax import (
    dns1035_faults,
    label_faults,
    label_key_faults,
    label_value_faults,
    path_segment_faults,
    subdomain_faults,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from molt.embedded.cluster.resources import Kind

ANNOTATIONS_MAX: Final = 256 * 1024
IMMUTABLE: Final = "field is immutable"
_NAMES: Final[dict[str, Callable[[str], list[str]]]] = {
    "namespaces": label_faults,
    "services": dns1035_faults,
    "clusterrolebindings.rbac.authorization.k8s.io": path_segment_faults,
    "clusterroles.rbac.authorization.k8s.io": path_segment_faults,
    "rolebindings.rbac.authorization.k8s.io": path_segment_faults,
    "roles.rbac.authorization.k8s.io": path_segment_faults,
}


def faults(kind: Kind, metadata: dict[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with the metadata of a new or changed object."""
    name = metadata.get("name", "")
    if not name:
        yield Fault("metadata.name", REQUIRED, detail="name or generateName is required")
    else:
        for text in _NAMES.get(kind.key, subdomain_faults)(name):
            yield Fault("metadata.name", INVALID, name, text)
    yield from label_map_faults("metadata.labels", metadata.get("labels") or {})
    yield from _annotations(metadata.get("annotations") or {})
    yield from _owners(metadata.get("ownerReferences") or [])
    for finalizer in metadata.get("finalizers") or ():
        for text in label_key_faults(finalizer):
            yield Fault("metadata.finalizers", INVALID, finalizer, text)


def label_map_faults(field: str, labels: dict[str, str]) -> Iterator[Fault]:
    """Yield what is wrong with labels."""
    for key, value in sorted(labels.items()):
        for text in label_key_faults(key):
            yield Fault(field, INVALID, key, text)
        for text in label_value_faults(value):
            yield Fault(field, INVALID, value, text)


def _annotations(annotations: dict[str, str]) -> Iterator[Fault]:
    for key in sorted(annotations):
        for text in label_key_faults(key.lower()):
            yield Fault("metadata.annotations", INVALID, key, text)
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > ANNOTATIONS_MAX:
        yield Fault("metadata.annotations", TOO_LONG, detail=f"may not be more than {ANNOTATIONS_MAX} bytes")


def _owners(owners: list[dict[str, Any]]) -> Iterator[Fault]:
    controllers = []
    for owner in owners:
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                text = "version must not be empty" if field == "apiVersion" else "must not be empty"
                yield Fault(f"metadata.ownerReferences.{field}", INVALID, owner.get(field, ""), text)
        if owner.get("controller"):
            controllers.append(f"{owner.get('kind')}/{owner.get('name')}")
    for second in controllers[1:]:
        text = 'Only one reference can have Controller set to true. Found "true" in references for '
        yield Fault("metadata.ownerReferences", INVALID, owners, f"{text}{controllers[0]} and {second}")


def update_faults(new: dict[str, Any], old: dict[str, Any]) -> Iterator[Fault]:
    """Yield what an update may not do to metadata."""
    if new.get("uid", old["uid"]) != old["uid"]:
        yield Fault("metadata.uid", INVALID, new["uid"], IMMUTABLE)
    added = sorted(set(new.get("finalizers") or ()) - set(old.get("finalizers") or ()))
    if added and "deletionTimestamp" in old:
        shown = ", ".join(f'"{one}"' for one in added)
        text = (
            f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{shown}}}"
        )
        yield Fault("metadata.finalizers", FORBIDDEN, detail=text)
