"""Field managers at work: what an update leaves to whom, and server-side apply with its conflicts.

Source of the rules: sigs.k8s.io/structured-merge-diff and k8s.io/apimachinery/pkg/util/managedfields.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from molt.embedded.cluster.listkeys import KEY_DEFAULTS, ListRule, applied, atomic_map, identity
from molt.embedded.cluster.managed import Path, difference, fields_of, from_v1, shown, to_v1, union
from molt.embedded.cluster.objects import ABSENT, copied
from molt.embedded.cluster.problems import Refused, quoted

if TYPE_CHECKING:
    from molt.embedded.cluster.resources import Kind

APPLY = "Apply"
UPDATE = "Update"
BEFORE = "before-first-apply"


@dataclass(frozen=True, slots=True)
class Entry:
    """One manager's fields."""

    manager: str
    operation: str
    api_version: str
    time: str
    paths: frozenset[Path]
    subresource: str = ""

    def is_of(self, other: Entry) -> bool:
        """Tell whether both are the same manager's, doing the same kind of thing."""
        return (self.manager, self.operation, self.subresource) == (other.manager, other.operation, other.subresource)

    def wrote(self, rendered: dict[str, Any]) -> bool:
        """Tell whether an entry of managedFields is the same manager's, doing the same kind of thing."""
        key = (rendered["manager"], rendered["operation"], rendered.get("subresource", ""))
        return key == (self.manager, self.operation, self.subresource)

    def render(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return it with these fields as managedFields has it."""
        return {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        } | ({"subresource": self.subresource} if self.subresource else {})

    def __str__(self) -> str:
        """Return it as a conflict names it."""
        text = quoted(self.manager)
        if self.subresource:
            text += f" with subresource {quoted(self.subresource)}"
        return text if self.operation == APPLY else f"{text} using {self.api_version} at {self.time}"


def entries_of(obj: dict[str, Any]) -> list[Entry]:
    """Return the managers of an object."""
    return [
        Entry(
            one["manager"],
            one["operation"],
            one["apiVersion"],
            one["time"],
            frozenset(from_v1(one["fieldsV1"])),
            one.get("subresource", ""),
        )
        for one in obj["metadata"].get("managedFields") or ()
    ]


def _write(obj: dict[str, Any], entries: list[Entry], before: list[Entry]) -> dict[str, Any]:
    """Set managedFields; an entry with the same fields as before keeps its time, so that nothing seems changed."""
    known = {(one.manager, one.operation, one.subresource, one.paths): one.time for one in before}
    times = [known.get((one.manager, one.operation, one.subresource, one.paths), one.time) for one in entries]
    timed = [replace(one, time=time) for one, time in zip(entries, times, strict=True)]
    return _managed_by(obj, [one.render(to_v1(set(one.paths))) for one in timed])


def updated(kind: Kind, old: dict[str, Any], new: dict[str, Any], writer: Entry) -> dict[str, Any]:
    """Return `new` with its managedFields: what changed is now the writer's, and nobody else's.

    The sets of fields are not read: of what manages a large object, too, only as much changes as of the object.
    """
    before, after = fields_of(kind, old, new), fields_of(kind, new, old)
    changed = {path for path, value in after.items() if before.get(path, ABSENT) != value}
    gone = before.keys() - after.keys()
    entries: list[dict[str, Any]] = old["metadata"].get("managedFields") or []
    if not changed and not gone:
        return _managed_by(new, entries)
    lost, own = to_v1(changed | gone), writer.render(to_v1(changed))
    kept = []
    for one in entries:
        if not writer.wrote(one):
            kept.append(one | {"fieldsV1": difference(one["fieldsV1"], lost)})
        elif (fields := difference(union(one["fieldsV1"], own["fieldsV1"]), to_v1(gone))) == one["fieldsV1"]:
            own |= {"fieldsV1": fields, "time": one["time"]}
        else:
            own |= {"fieldsV1": fields}
    return _managed_by(new, [*kept, own])


def _managed_by(obj: dict[str, Any], entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Set managedFields to those who manage something."""
    obj["metadata"].pop("managedFields", None)
    if managing := [one for one in entries if one["fieldsV1"]]:
        obj["metadata"]["managedFields"] = managing
    return obj


def apply(
    kind: Kind, old: dict[str, Any] | None, config: dict[str, Any], writer: Entry, *, force: bool
) -> dict[str, Any]:
    """Return the object that results from applying `config`. Raises Refused (409) on conflicts, unless `force`.

    `old` is None when there is none yet. Fields that this manager applied before, that are not in `config` and that
    nobody else manages, are removed.
    """
    live = copied(old) if old is not None else {"metadata": {}}
    wanted = fields_of(kind, config)
    entries = entries_of(live)
    if old is not None and not entries:
        entries = [Entry(BEFORE, UPDATE, kind.api_version, writer.time, frozenset(fields_of(kind, live)))]
    current = fields_of(kind, live)
    others = [one for one in entries if not one.is_of(writer)]
    clashes = [
        (one, path)
        for one in others
        for path in sorted(one.paths)
        if path in wanted and current.get(path) != wanted[path]
    ]
    if clashes and not force:
        raise _conflict(clashes)
    lost = {path for _, path in clashes}
    others = [replace(one, paths=one.paths - lost) for one in others]
    mine: frozenset[Path] = next((one.paths for one in entries if one.is_of(writer)), frozenset())
    theirs = frozenset[Path]().union(*(one.paths for one in others))
    for path in mine - frozenset(wanted) - theirs:
        # An item goes as a whole, defaults included, unless somebody else set something in it.
        if path[-1][0] != "k" or not any(other[: len(path)] == path for other in theirs):
            _remove(live, path)
    merged = _merge(kind, (), live, {key: value for key, value in config.items() if key != "metadata"})
    metadata = {key: value for key, value in config["metadata"].items() if key != "managedFields"}
    merged["metadata"] = _merge(kind, ("metadata",), merged["metadata"], metadata)
    return _write(merged, [*others, replace(writer, paths=frozenset(wanted))], entries)


def _conflict(clashes: list[tuple[Entry, Path]]) -> Refused:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {one}", "field": shown(path)}
        for one, path in clashes
    ]
    if len(clashes) == 1:
        message = f"Apply failed with 1 conflict: conflict with {clashes[0][0]}: {shown(clashes[0][1])}"
    else:
        by_manager: dict[str, list[str]] = {}
        for one, path in clashes:
            by_manager.setdefault(str(one), []).append(f"- {shown(path)}")
        lines = [line for one in sorted(by_manager) for line in (f"conflicts with {one}:", *by_manager[one])]
        message = f"Apply failed with {len(clashes)} conflicts: " + "\n".join(lines)
    return Refused(409, "Conflict", message, {"causes": causes})


def _merge(kind: Kind, names: tuple[str, ...], old: Any, new: Any) -> Any:
    if isinstance(new, dict) and isinstance(old, dict) and not (names and atomic_map(kind, names)):
        merged = dict(old)
        for key, value in new.items():
            merged[key] = _merge(kind, (*names, key), old.get(key), value)
        return merged
    if isinstance(new, list) and isinstance(old, list) and (rule := applied(kind, names)) is not None:
        return _merge_lists(kind, names, rule, old, new)
    return copied(new)


def _merge_lists(kind: Kind, names: tuple[str, ...], rule: ListRule, old: list[Any], new: list[Any]) -> list[Any]:
    if not rule.keys:
        return [*new, *(one for one in old if one not in new)]
    by_identity = {identity(rule, one): one for one in new}
    kept = {identity(rule, one): one for one in old}
    found = [_merge(kind, names, kept.get(key, {}), one) for key, one in by_identity.items()]
    return [*found, *(one for key, one in kept.items() if key not in by_identity)]


def _remove(node: Any, path: Path) -> None:
    """Remove a field from an object, if it is still there; an item of a keyed list once only its keys are left."""
    (form, text), *rest = path
    if form == "f":
        if isinstance(node, dict) and text in node and not rest:
            del node[text]
        elif isinstance(node, dict):
            _remove(node.get(text), tuple(rest))
    elif isinstance(node, list):
        _remove_item(node, form, json.loads(text), tuple(rest))


def _remove_item(items: list[Any], form: str, value: Any, rest: Path) -> None:
    if form == "v":
        items[:] = [one for one in items if one != value]
    elif not rest:
        items[:] = [one for one in items if not _is_item(one, value)]
    elif rest[0][1] not in value:  # the keys stay as long as the item does
        for one in items:
            if _is_item(one, value):
                _remove(one, rest)


def _is_item(item: dict[str, Any], keys: dict[str, Any]) -> bool:
    return all(item.get(key, KEY_DEFAULTS.get(key)) == value for key, value in keys.items())
