"""CustomResourceDefinitions: what they default to, what is wrong with one, and the status that says it is served.

Source of the rules: k8s.io/apiextensions-apiserver, pkg/apis/apiextensions/{v1/defaults.go,validation}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster.problems import INVALID, NOT_SUPPORTED, REQUIRED, Fault
from molt.embedded.cluster.rules import RULES, RuleError, compiled

if TYPE_CHECKING:
    from collections.abc import Iterator

CONDITIONS: Final = (
    ("NamesAccepted", "NoConflicts", "no conflicts found"),
    ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
)


def default(crd: dict[str, Any]) -> None:
    """Fill in what the API server fills in."""
    spec = crd.setdefault("spec", {})
    spec.setdefault("conversion", {"strategy": "None"})
    names = spec.setdefault("names", {})
    if names.get("kind"):
        names.setdefault("singular", names["kind"].lower())
        names.setdefault("listKind", f"{names['kind']}List")


def establish(crd: dict[str, Any], now: str) -> None:
    """Write the status of a definition whose names are accepted and which is served."""
    stored = [one["name"] for one in crd["spec"]["versions"] if one.get("storage")]
    kept = crd.get("status") or {}
    before = {one["type"]: one for one in kept.get("conditions") or ()}
    conditions = [
        before.get(kind)
        or {"type": kind, "status": "True", "reason": reason, "message": text, "lastTransitionTime": now}
        for kind, reason, text in CONDITIONS
    ]
    versions = list(dict.fromkeys([*(kept.get("storedVersions") or ()), *stored]))
    crd["status"] = {"acceptedNames": crd["spec"]["names"], "conditions": conditions, "storedVersions": versions}


def faults(crd: dict[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with a definition."""
    spec = crd["spec"]
    names = spec["names"]
    for field, value in (
        ("group", spec.get("group")),
        ("scope", spec.get("scope")),
        ("names.plural", names.get("plural")),
    ):
        if not value:
            yield Fault(f"spec.{field}", REQUIRED)
    if not names.get("kind"):
        yield Fault("spec.names.kind", REQUIRED)
    if spec.get("scope") not in (None, "Namespaced", "Cluster"):
        yield Fault("spec.scope", NOT_SUPPORTED, spec["scope"], 'supported values: "Cluster", "Namespaced"')
    name = f"{names.get('plural')}.{spec.get('group')}"
    if crd["metadata"].get("name") != name:
        yield Fault("metadata.name", INVALID, crd["metadata"].get("name"), 'must be spec.names.plural+"."+spec.group')
    versions = spec.get("versions") or []
    if sum(bool(one.get("storage")) for one in versions) != 1:
        yield Fault("spec.versions", INVALID, versions, "must have exactly one version marked as storage version")
    for index, version in enumerate(versions):
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        place = f"spec.versions[{index}].schema.openAPIV3Schema"
        if schema is None:
            yield Fault(place, REQUIRED, detail="schemas are required")
        else:
            yield from _schema(schema, place)


def _schema(schema: dict[str, Any], place: str) -> Iterator[Fault]:
    if not schema.get("type") and not (
        schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    ):
        yield Fault(f"{place}.type", REQUIRED, detail="must not be empty for specified object fields")
    for index, rule in enumerate(schema.get(RULES) or ()):
        for field in ("rule", "messageExpression"):
            try:
                compiled(rule.get(field, "true"))
            except RuleError as error:
                yield Fault(f"{place}.{RULES}[{index}].{field}", INVALID, rule[field], f"compilation failed: {error}")
    for key, part in (schema.get("properties") or {}).items():
        yield from _schema(part, f"{place}.properties[{key}]")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _schema(schema[key], f"{place}.{key}")
