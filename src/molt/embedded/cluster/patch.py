"""JSON merge patch (RFC 7386) and JSON patch (RFC 6902), as the API server applies them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt.embedded.cluster.objects import copied

if TYPE_CHECKING:
    from collections.abc import Callable


class PatchError(ValueError):
    """The patch cannot be applied to this object."""


def merge(target: Any, patch: Any) -> Any:
    """Return `target` with the merge patch applied: null removes, objects merge, all else replaces."""
    if not isinstance(patch, dict):
        return copied(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def json_patch(target: Any, operations: list[dict[str, Any]]) -> Any:
    """Return a copy of `target` with the operations applied in order; all or nothing. Raises PatchError."""
    document = {"": copied(target)}
    for operation in operations:
        try:
            apply = _OPERATIONS[operation["op"]]
            apply(document, operation)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            message = f"{operation!r}: {error!r}"
            raise PatchError(message) from error
    return document[""]


def _pointer(text: str) -> list[str]:
    """Return the parts of a JSON pointer, below the document's own key."""
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")]


def _parent(document: Any, pointer: str) -> tuple[Any, str]:
    *path, last = _pointer(pointer)
    for part in path:
        document = document[_index(document, part)] if isinstance(document, list) else document[part]
    return document, last


def _index(items: list[Any], part: str) -> int:
    """Return the place in a list; the API server counts negative ones from the end."""
    index = int(part)
    return index + len(items) if index < 0 else index


def _present(document: Any, pointer: str) -> Any:
    """Return what is there, None for a member that is not, as the API server's library does for `test` and `copy`."""
    parent, last = _parent(document, pointer)
    return parent[_index(parent, last)] if isinstance(parent, list) else parent.get(last)


def _add(document: Any, pointer: str, value: Any) -> None:
    parent, last = _parent(document, pointer)
    if not isinstance(parent, list):
        parent[last] = value
        return
    index = len(parent) if last == "-" else _index(parent, last)
    if not 0 <= index <= len(parent):
        raise IndexError(last)
    parent.insert(index, value)


def _remove(document: Any, pointer: str) -> Any:
    parent, last = _parent(document, pointer)
    return parent.pop(_index(parent, last) if isinstance(parent, list) else last)


def _replace(document: Any, pointer: str, value: Any) -> None:
    """Replace what is there; a member that is not there is added, as the API server's library (json-patch v4) does."""
    parent, last = _parent(document, pointer)
    parent[_index(parent, last) if isinstance(parent, list) else last] = value


def _test(document: Any, pointer: str, value: Any) -> None:
    if _present(document, pointer) != value:
        message = f"testing value {pointer} failed"
        raise ValueError(message)


_OPERATIONS: dict[str, Callable[[Any, dict[str, Any]], object]] = {
    "add": lambda document, one: _add(document, one["path"], copied(one["value"])),
    "remove": lambda document, one: _remove(document, one["path"]),
    "replace": lambda document, one: _replace(document, one["path"], copied(one["value"])),
    "move": lambda document, one: _add(document, one["path"], _remove(document, one["from"])),
    "copy": lambda document, one: _add(document, one["path"], copied(_present(document, one["from"]))),
    "test": lambda document, one: _test(document, one["path"], one["value"]),
}
