"""Who set which field: metadata.managedFields, in the API server's format (fieldsV1).

A field set is a set of paths. A part of a path is ("f", name), ("k", keys of a list's item as JSON) or ("v", a value of
a set as JSON). Lists and maps that do not merge are one field.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster.listkeys import KEY_DEFAULTS, applied, atomic_map
from molt.embedded.cluster.objects import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from molt.embedded.cluster.resources import Kind

Part = tuple[str, str]
Path = tuple[Part, ...]
DOT: Final = "."  # marks what is itself in a set and has more below it
Fields = dict[Path, Any]  # path -> value of the leaf; {} for an item of a keyed list itself

UNMANAGED = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
)


def fields_of(kind: Kind, obj: dict[str, Any], other: dict[str, Any] | None = None) -> Fields:
    """Return the fields that an object sets, with their values; what the server keeps by itself is left out.

    With `other`, what is the same in both may be left out too: all of it that is in no list.
    """
    return dict(_leaves(kind, (), (), _managed(obj), {} if other is None else _managed(other)))


def _managed(obj: dict[str, Any]) -> dict[str, Any]:
    body = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}
    metadata = {key: value for key, value in obj.get("metadata", {}).items() if key not in UNMANAGED}
    return body | ({"metadata": metadata} if metadata else {})


def _leaves(
    kind: Kind, names: tuple[str, ...], path: Path, value: Any, other: Any = ABSENT
) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and not (names and atomic_map(kind, names)):
        if not value and path:
            yield path, value
        there: dict[str, Any] = other if isinstance(other, dict) else {}
        for key, item in value.items():
            if there.get(key, ABSENT) != item:
                yield from _leaves(kind, (*names, key), (*path, ("f", key)), item, there.get(key, ABSENT))
    elif isinstance(value, list) and (rule := applied(kind, names)) is not None:
        for item in value:
            if not rule.keys:
                yield (*path, ("v", _json(item))), item
                continue
            keys = {key: item.get(key, KEY_DEFAULTS.get(key)) for key in rule.keys}
            here = (*path, ("k", _json({key: one for key, one in keys.items() if one is not None})))
            yield here, {}
            yield from _leaves(kind, names, here, item)
    else:
        yield path, value


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def to_v1(paths: set[Path]) -> dict[str, Any]:
    """Return a set of paths as fieldsV1."""
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        node = tree
        for kind, text in path:
            node = node.setdefault(f"{kind}:{text}", {})
    _dot(tree, (), paths)
    return tree


def _dot(tree: dict[str, Any], path: Path, paths: set[Path]) -> None:
    """Put in the marks of what is itself in the set and has more below it."""
    for key, node in list(tree.items()):
        kind, _, text = key.partition(":")
        here = (*path, (kind, text))
        _dot(node, here, paths)
        if node and here in paths:
            node[DOT] = {}


def from_v1(tree: dict[str, Any], path: Path = ()) -> set[Path]:
    """Return the set of paths that fieldsV1 holds."""
    found: set[Path] = {path} if path and (not tree or DOT in tree) else set()
    for key, node in tree.items():
        if key != DOT:
            kind, _, text = key.partition(":")
            found |= from_v1(node, (*path, (kind, text)))
    return found


def union(tree: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return the fieldsV1 of what is in one of both sets; parts that only one of them has are shared with it."""
    found = dict(tree)
    for key, node in other.items():
        mine = tree.get(key)
        if mine is None or key == DOT:
            found[key] = node
        elif mine and node:
            found[key] = union(mine, node)
        else:
            found[key] = (mine or node) and {**(mine or node), DOT: {}}
    return found


def difference(tree: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return the fieldsV1 of what is in the first set and not in the second."""
    found = dict(tree)
    for key in tree.keys() & other.keys():
        left = {} if key == DOT else difference(tree[key] or {DOT: {}}, other[key] or {DOT: {}})
        if left:
            found[key] = {} if left.keys() == {DOT} else left
        else:
            del found[key]
    return found


def shown(path: Path) -> str:
    """Return a path as a conflict names it: `.spec.containers[name="web"].image`."""
    text = ""
    for kind, part in path:
        if kind == "f":
            text += f".{part}"
        elif kind == "v":
            text += f"[={part}]"
        else:
            text += "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in json.loads(part).items()) + "]"
    return text
