"""What makes the other built-in kinds invalid, as far as molt and its users are likely to get them wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster import crd, events, podrules
from molt.embedded.cluster.metadata import IMMUTABLE, label_map_faults
from molt.embedded.cluster.problems import FORBIDDEN, INVALID, NOT_SUPPORTED, REQUIRED, Fault
from molt.embedded.cluster.resources import CRDS
from molt.embedded.cluster.selectors import matches, of_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from molt.embedded.cluster.resources import Kind

Object = dict[str, Any]

OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist")
STATEFUL_MUTABLE: Final = frozenset(
    (
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    )
)
STATEFUL_TEXT: Final = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
PERCENT_TEXT: Final = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)
FIXED_TEXT: Final = "field is immutable when `immutable` is set"


def faults(kind: Kind, new: Object, old: Object | None) -> Iterator[Fault]:
    """Yield what is wrong with a built-in object; `old` is what it replaces, None when it is new."""
    if kind.store == "events":
        yield from events.faults(kind, new, old)
    check = _CHECKS.get(kind.key)
    if check is not None:
        yield from check(new, old)


def _pod(new: Object, old: Object | None) -> Iterator[Fault]:
    yield from podrules.spec_faults(new["spec"], "spec")
    if old is not None:
        yield from podrules.update_faults(new["spec"], old["spec"])


def _workload(new: Object, old: Object | None) -> Iterator[Fault]:
    spec = new["spec"]
    replicas = spec.get("replicas", 0)
    if replicas < 0:
        yield Fault("spec.replicas", INVALID, replicas, "must be greater than or equal to 0")
    selector = spec.get("selector")
    if selector is None:
        yield Fault("spec.selector", REQUIRED)
    else:
        yield from selector_faults("spec.selector", selector)
        if not selector:
            yield Fault("spec.selector", INVALID, selector, f"empty selector is invalid for {new['kind'].lower()}")
        labels = spec["template"]["metadata"].get("labels") or {}
        if not matches(of_spec(selector), labels):
            yield Fault("spec.template.metadata.labels", INVALID, labels, "`selector` does not match template `labels`")
    yield from label_map_faults("spec.template.labels", spec["template"]["metadata"].get("labels") or {})
    yield from podrules.spec_faults(spec["template"]["spec"], "spec.template.spec")
    restart = spec["template"]["spec"]["restartPolicy"]
    if restart in ("OnFailure", "Never"):
        yield Fault("spec.template.spec.restartPolicy", NOT_SUPPORTED, restart, 'supported values: "Always"')
    if old is not None and new["kind"] != "StatefulSet" and selector != old["spec"]["selector"]:
        yield Fault("spec.selector", INVALID, selector, IMMUTABLE)


def _stateful_set(new: Object, old: Object | None) -> Iterator[Fault]:
    yield from _workload(new, old)
    if old is not None:
        fields = (new["spec"].keys() | old["spec"].keys()) - STATEFUL_MUTABLE
        if any(new["spec"].get(field) != old["spec"].get(field) for field in fields):
            yield Fault("spec", FORBIDDEN, detail=STATEFUL_TEXT)


def selector_faults(path: str, selector: Object) -> Iterator[Fault]:
    """Yield what is wrong with a LabelSelector."""
    yield from label_map_faults(f"{path}.matchLabels", selector.get("matchLabels") or {})
    for index, one in enumerate(selector.get("matchExpressions") or ()):
        place = f"{path}.matchExpressions[{index}]"
        operator, values = one.get("operator"), one.get("values") or []
        if operator not in OPERATORS:
            yield Fault(f"{place}.operator", INVALID, operator, "not a valid selector operator")
        elif operator in OPERATORS[:2] and not values:
            text = "must be specified when `operator` is 'In' or 'NotIn'"
            yield Fault(f"{place}.values", REQUIRED, detail=text)
        elif operator in OPERATORS[2:] and values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield Fault(f"{place}.values", FORBIDDEN, detail=text)


def _disruption_budget(new: Object, _: Object | None) -> Iterator[Fault]:
    spec = new.get("spec") or {}
    if "minAvailable" in spec and "maxUnavailable" in spec:
        yield Fault("spec", INVALID, spec, "minAvailable and maxUnavailable cannot be both set")
    for field in ("minAvailable", "maxUnavailable"):
        value = spec.get(field, 0)
        if isinstance(value, str) and not re.fullmatch("[0-9]+%", value):
            yield Fault(f"spec.{field}", INVALID, value, PERCENT_TEXT)
        elif isinstance(value, int) and value < 0:
            yield Fault(f"spec.{field}", INVALID, value, "must be greater than or equal to 0")
    yield from selector_faults("spec.selector", spec.get("selector") or {})


def _kept(new: Object, old: Object | None) -> Iterator[Fault]:
    """Check a Secret or a ConfigMap."""
    if old is None:
        return
    if new.get("type") != old.get("type"):
        yield Fault("type", INVALID, new.get("type"), IMMUTABLE)
    fixed = ("immutable", "data", "binaryData") if old.get("immutable") else ()
    yield from (Fault(name, FORBIDDEN, detail=FIXED_TEXT) for name in fixed if new.get(name) != old.get(name))


def _network_policy(new: Object, _: Object | None) -> Iterator[Fault]:
    yield from selector_faults("spec.podSelector", new["spec"]["podSelector"])
    for index, one in enumerate(new["spec"]["policyTypes"]):
        if one not in ("Ingress", "Egress"):
            yield Fault(f"spec.policyTypes[{index}]", NOT_SUPPORTED, one, 'supported values: "Ingress", "Egress"')


def _service(new: Object, old: Object | None) -> Iterator[Fault]:
    spec = new["spec"]
    if not spec.get("ports") and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        yield Fault("spec.ports", REQUIRED)
    if old is not None and old["spec"].get("clusterIP") != spec.get("clusterIP"):
        yield Fault("spec.clusterIPs[0]", INVALID, spec.get("clusterIPs"), "may not change once set")


def _role(new: Object, _: Object | None) -> Iterator[Fault]:
    for index, rule in enumerate(new.get("rules") or ()):
        if not rule.get("verbs"):
            yield Fault(f"rules[{index}].verbs", REQUIRED, detail="verbs must contain at least one value")
        if not rule.get("resources") and not rule.get("nonResourceURLs"):
            text = "resource rules must supply at least one resource"
            yield Fault(f"rules[{index}].resources", REQUIRED, detail=text)


def _binding(new: Object, old: Object | None) -> Iterator[Fault]:
    if new["roleRef"].get("kind") not in ("Role", "ClusterRole"):
        values = 'supported values: "ClusterRole", "Role"'
        yield Fault("roleRef.kind", NOT_SUPPORTED, new["roleRef"].get("kind", ""), values)
    if old is not None and new["roleRef"] != old["roleRef"]:
        yield Fault("roleRef", INVALID, new["roleRef"], "cannot change roleRef")


def _crd(new: Object, _: Object | None) -> Iterator[Fault]:
    yield from crd.faults(new)


_CHECKS: Final[dict[str, Callable[[Object, Object | None], Iterator[Fault]]]] = {
    CRDS: _crd,
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
    "configmaps": _kept,
    "clusterroles.rbac.authorization.k8s.io": _role,
    "daemonsets.apps": _workload,
    "deployments.apps": _workload,
    "networkpolicies.networking.k8s.io": _network_policy,
    "poddisruptionbudgets.policy": _disruption_budget,
    "pods": _pod,
    "replicasets.apps": _workload,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "roles.rbac.authorization.k8s.io": _role,
    "secrets": _kept,
    "services": _service,
    "statefulsets.apps": _stateful_set,
}
