"""Strategic merge patch: like a merge patch, but lists with a merge key merge item by item.

Directives: $patch (delete, replace, merge), $setElementOrder/<list>, $deleteFromPrimitiveList/<list>, $retainKeys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt.embedded.cluster.listkeys import SET, ListRule, Path, built_in
from molt.embedded.cluster.objects import copied
from molt.embedded.cluster.patch import PatchError

if TYPE_CHECKING:
    from molt.embedded.cluster.resources import Kind

ORDER = "$setElementOrder/"
DELETE = "$deleteFromPrimitiveList/"
DIRECTIVES = ("$patch", "$retainKeys")


def strategic_merge(kind: Kind, target: Any, patch: Any) -> Any:
    """Return `target`, an object of `kind`, with the patch applied. Raises PatchError."""
    return _objects(kind, (), target, patch)


def _objects(kind: Kind, path: Path, target: Any, patch: dict[str, Any]) -> dict[str, Any]:
    directive = patch.get("$patch", "merge")
    if directive == "delete":
        return {}
    merged: dict[str, Any] = copied(target) if isinstance(target, dict) and directive == "merge" else {}
    if directive not in ("merge", "replace"):
        message = f"Unknown patch type found: {directive}"
        raise PatchError(message)
    if "$retainKeys" in patch:
        merged = {key: value for key, value in merged.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if key in DIRECTIVES or key.startswith(ORDER):
            continue
        if key.startswith(DELETE):
            name = key.removeprefix(DELETE)
            merged[name] = [one for one in merged.get(name, []) if one not in value]
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = _value(kind, (*path, key), merged.get(key), value)
    for key, order in patch.items():
        if key.startswith(ORDER):
            _reorder(_rule(kind, (*path, key.removeprefix(ORDER))), merged.get(key.removeprefix(ORDER)), order)
    return merged


def _rule(kind: Kind, path: Path) -> ListRule | None:
    """Return the rule with its first key only: strategic merge patch knows one key for each list."""
    rule = built_in(kind, path)
    return rule and ListRule(rule.keys[:1])


def _value(kind: Kind, path: Path, old: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return _objects(kind, path, old, value)
    if not isinstance(value, list):
        return value
    rule = _rule(kind, path)
    if rule is None:
        return copied(value)
    base = list(old) if isinstance(old, list) else []
    if rule == SET:
        return [*base, *(one for one in dict.fromkeys(value) if one not in base)]
    return _keyed(kind, path, base, value)


def _keyed(kind: Kind, path: Path, base: list[dict[str, Any]], items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rule = _rule(kind, path) or SET
    key = rule.keys[0]
    if any(one.get("$patch") == "replace" and key not in one for one in items):
        return [copied(one) for one in items if "$patch" not in one]
    merged = list(base)
    for item in items:
        if key not in item:
            message = f"map: {item} does not contain declared merge key: {key}"
            raise PatchError(message)
        index = next((place for place, one in enumerate(merged) if one.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            merged = [one for one in merged if one.get(key) != item[key]]
        elif index is None:
            merged.append(_objects(kind, path, {}, item))
        else:
            merged[index] = _objects(kind, path, merged[index], item)
    return merged


def _reorder(rule: ListRule | None, items: Any, order: list[Any]) -> None:
    """Sort the items that `order` names as it names them; the others follow, in the order they had."""
    if not isinstance(items, list) or rule is None:
        return
    wanted = [one[rule.keys[0]] if rule.keys else one for one in order]

    def place(item: Any) -> int:
        value = item.get(rule.keys[0]) if rule.keys else item
        return wanted.index(value) if value in wanted else len(wanted)

    items.sort(key=place)
