"""What happens to an object on its way into the store: decoded, completed, judged, as the kind demands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster import crd, events, metadata, rules, schema, specrules, structural
from molt.embedded.cluster.defaults import default
from molt.embedded.cluster.objects import ABSENT, meta, with_status
from molt.embedded.cluster.problems import Fault, bad_request, invalid, quoted
from molt.embedded.cluster.resources import CRDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from molt.embedded.cluster.resources import Kind

Object = dict[str, Any]

METADATA: Final = frozenset(
    (
        "annotations",
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "labels",
        "managedFields",
        "name",
        "namespace",
        "ownerReferences",
        "resourceVersion",
        "uid",
    )
)
KEEPS_EMPTY_LISTS: Final = ("apiextensions.k8s.io", "discovery.k8s.io", "rbac.authorization.k8s.io")


def decode(kind: Kind, obj: Any, namespace: str | None, name: str | None, *, empty: bool = False) -> Object:
    """Return an object of `kind` as it was sent, in the form in which it is kept. Raises Refused (400).

    With `empty` it still has its empty lists, as a configuration to apply: they say that there is nothing.
    """
    if not isinstance(obj, dict):
        shown = f"couldn't get version/kind; json parse error: json: cannot unmarshal {schema.type_name(obj)}"
        raise bad_request(f"{shown} into Go value of type struct")
    found: Object = dict(obj)
    version, sent = found.setdefault("apiVersion", kind.api_version), found.setdefault("kind", kind.kind)
    if version != kind.api_version:
        text = "does not match the expected API version"
        raise bad_request(f"the API version in the data ({version}) {text} ({kind.api_version})")
    if sent != kind.kind:
        raise bad_request(f'{sent} in version "{kind.version}" cannot be handled as a {kind.kind}')
    found["metadata"] = _metadata(kind, found.get("metadata") or {})
    _place(found["metadata"], kind, namespace, name)
    found = compacted(kind, found, empty=empty)
    events.check_time(kind, found)
    return events.stored(kind, found)


def compacted(kind: Kind, obj: Object, *, empty: bool = False) -> Object:
    """Return an object of a built-in kind without what Go's omitempty drops, with `empty` but for its empty lists."""
    if kind.crd is not None:
        return obj
    head = {key: obj[key] for key in ("apiVersion", "kind", "metadata")}
    body = {key: value for key, value in obj.items() if key not in head}
    kept: Object = _compact(body, lists=not empty and kind.group not in KEEPS_EMPTY_LISTS)
    return head | kept


def _metadata(kind: Kind, sent: Any) -> Object:
    """Return metadata as Go's ObjectMeta keeps it: known fields only, nothing empty."""
    wrong = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: json: cannot unmarshal'
    if not isinstance(sent, dict):
        raise bad_request(f"{wrong} {schema.type_name(sent)} into Go struct field .metadata of type v1.ObjectMeta")
    for field in ("labels", "annotations"):
        values = sent.get(field) or {}
        if not isinstance(values, dict):
            text = f"Go struct field ObjectMeta.metadata.{field} of type map[string]string"
            raise bad_request(f"{wrong} {schema.type_name(values)} into {text}")
        for value in values.values():
            if not isinstance(value, str):
                text = f"Go struct field ObjectMeta.metadata.{field} of type string"
                raise bad_request(f"{wrong} {schema.type_name(value)} into {text}")
    return {key: value for key, value in sent.items() if key in METADATA and value not in (None, "", [], {})}


def _compact(value: Any, *, lists: bool) -> Any:
    """Return a value without nulls, and without empty lists where Go's omitempty drops them."""
    if isinstance(value, dict):
        kept = {key: _compact(item, lists=lists) for key, item in value.items() if item is not None}
        return {key: item for key, item in kept.items() if not lists or item != []}
    return [_compact(item, lists=lists) for item in value] if isinstance(value, list) else value


def _place(sent: Object, kind: Kind, namespace: str | None, name: str | None) -> None:
    """Put the request's namespace and name into metadata, or refuse another."""
    if kind.namespaced:
        if sent.setdefault("namespace", namespace) != namespace:
            text = "the namespace of the provided object does not match the namespace sent on the request"
            raise bad_request(text)
    else:
        sent.pop("namespace", None)
    if name is not None and sent.setdefault("name", name) != name:
        text = f"the name of the object ({sent['name']}) does not match the name on the URL ({name})"
        raise bad_request(text)


def before_create(kind: Kind, obj: Object, now: str, *, strict: bool) -> list[str]:
    """Complete and judge a new object, in place; returns warnings. Raises Refused (400, 422)."""
    if kind.has_status and kind.key != "nodes":
        obj.pop("status", None)
    warnings = _complete(kind, obj, None, now, strict=strict)
    _judge(kind, obj, None)
    return warnings


def before_update(kind: Kind, obj: Object, old: Object, now: str, *, strict: bool) -> list[str]:
    """Complete and judge what is to replace `old`, in place; returns warnings. Raises Refused (400, 422)."""
    if kind.has_status:
        obj.pop("status", None)
        obj |= {"status": old["status"]} if "status" in old else {}
    warnings = _complete(kind, obj, old, now, strict=strict)
    _judge(kind, obj, old)
    return warnings


def before_status(kind: Kind, obj: Object, old: Object, *, strict: bool) -> tuple[Object, list[str]]:
    """Return `old` with the status of `obj`, completed and judged; and warnings. Raises Refused (400, 422)."""
    new = with_status(old, obj)
    sent = {key: obj["metadata"][key] for key in ("resourceVersion", "uid") if key in obj["metadata"]}
    new["metadata"] = old["metadata"] | sent
    warnings = _complete(kind, new, old, "", strict=strict) if kind.crd is not None else []
    if kind.crd is not None:
        _judge(kind, new, old)
    return new, warnings


def _complete(kind: Kind, obj: Object, old: Object | None, now: str, *, strict: bool) -> list[str]:
    if kind.crd is not None:
        found = structural.schema_of(kind.crd, kind.version)
        unknown: list[str] = []
        before = _settled(kind.crd, old)
        known = structural.pruned(found, obj, before, unknown)
        if unknown and strict:
            fields = ", ".join(f"unknown field {quoted(path)}" for path in unknown)
            text = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'
            raise bad_request(f"{text}: strict decoding error: {fields}")
        obj.clear()
        obj |= structural.defaulted(found, known, before)
        return [f"unknown field {quoted(path)}" for path in unknown]
    default(kind, obj, old)
    if kind.key == CRDS:
        crd.default(obj)
        if not list(crd.faults(obj)):
            crd.establish(obj, now)
    return []


def _settled(definition: Object, old: Object | None) -> Object | None:
    """Return `old` if it was written since the definition of its kind was: it was judged by what holds now."""
    if old is None or int(old["metadata"]["resourceVersion"]) < int(definition["metadata"]["resourceVersion"]):
        return None
    return old


def _judge(kind: Kind, obj: Object, old: Object | None) -> None:
    found = list(metadata.faults(kind, meta(obj)))
    if old is not None:
        found += metadata.update_faults(obj["metadata"], old["metadata"])
    if kind.crd is None:
        found += specrules.faults(kind, obj, old)
    else:
        found += _custom(kind, kind.crd, obj, old)
    if found:
        raise invalid(kind.qualified_kind, obj["metadata"].get("name", ""), found)


def _custom(kind: Kind, definition: Object, obj: Object, old: Object | None) -> Iterator[Fault]:
    found = structural.schema_of(definition, kind.version)
    body = {key: value for key, value in obj.items() if key not in structural.KEPT}
    wrong = schema.faults(found, body, _settled(definition, old))
    yield from wrong
    blocked = schema.blocked(wrong)
    yield from blocked
    if not blocked:
        yield from rules.faults(found, obj, ABSENT if old is None else old)
