"""Objects as their metadata alone (`Accept: application/json;as=PartialObjectMetadata`)."""

from __future__ import annotations

from typing import Any, Final

Object = dict[str, Any]

ONE: Final = "PartialObjectMetadata"
MANY: Final = "PartialObjectMetadataList"
API_VERSION: Final = "meta.k8s.io/v1"


def wanted(accept: str, form: str = ONE) -> bool:
    """Tell whether the first acceptable answer is of this form."""
    return f"as={form}" in accept.partition(",")[0].replace(" ", "").split(";")


def one(obj: Object) -> Object:
    """Return an object's metadata."""
    return {"kind": ONE, "apiVersion": API_VERSION, "metadata": obj["metadata"]}


def many(found: Object) -> Object:
    """Return the metadata of a List's objects."""
    return found | {"kind": MANY, "apiVersion": API_VERSION, "items": list(map(one, found["items"]))}
