"""What must hold for a workload's pods to be changed safely, dimension by dimension. Pure.

Old and new pods serve side by side while the rollout lasts, and both must be found. So a port is reached by its name
only, and no label changes that anything selects by. What only the program knows (a port in its arguments, a probe that
runs a command) cannot be seen from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import combination, marks
from rotate.fleet import selector_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from molt.policy import RotationPolicy
    from molt.policy.reconfigure import Dimension, Field
    from rotate.fleet import Fleet

Object = dict[str, Any]

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
HOOKS = ("postStart", "preStop")
WAYS = ("httpGet", "tcpSocket", "grpc")


@dataclass(frozen=True, slots=True)
class Around:
    """The Services and PodDisruptionBudgets of a namespace: what may select a workload's pods."""

    services: Sequence[Object] = ()
    budgets: Sequence[Object] = ()


def obstacle(policy: RotationPolicy, fleet: Fleet, around: Around) -> str | None:
    """Return why the policy may not reconfigure the workload, or None."""
    if marks.labels_of(fleet.top).get(marks.RECONFIGURABLE) != marks.TRUE:
        return f'{fleet} is not labelled {marks.RECONFIGURABLE}: "true" by its owner'
    template = fleet.top["spec"].get("template") or {}
    changing = [one.field for one in policy.dimensions]
    for one in policy.dimensions:
        reason = _missing(template, one.field)
        if reason is None and one.field.kind == "port":
            reason = _port(template, one, changing, around)
        elif reason is None and one.field.kind == "label":
            reason = _label(fleet, template, one.field.key, changing, around)
        if reason:
            return f"{fleet} cannot change its {one.name}: {reason}"
    return None


def _missing(template: Mapping[str, Any], field: Field) -> str | None:
    """Return what the template lacks of the field, or None: a change of what is there is all that is made."""
    if field.container and combination.container(template, field.container) is None:
        return f"it has no container {field.container}"
    if combination.value_of(template, field) is not None:
        return None
    match field.kind:
        case "port":
            return f"container {field.container} has no port named {field.key}"
        case "environment":
            return f"container {field.container} has no variable {field.key} with a plain value"
        case "label" | "nodeSelector":
            return f"its pods have no {field.kind} {field.key}"
        case _:
            return f"its pods have no {field.kind}"


def _port(template: Mapping[str, Any], one: Dimension, changing: Sequence[Field], around: Around) -> str | None:
    field = one.field
    now = combination.value_of(template, field)
    told = combination.variable(combination.container(template, field.container) or {}, field.env)
    if template["spec"].get("hostNetwork"):
        return "its pods are on their node's network"
    if (told or {}).get("value") != now:
        return f"variable {field.env} of container {field.container} does not say {now}, as port {field.key} does"
    numbers = {int(option) for option in (now or "", *one.options)}
    return (
        _other_port(template, numbers, changing)
        or _probe(template, numbers)
        or _service_by_number(template, numbers, field.key, around)
    )


def _other_port(template: Mapping[str, Any], numbers: set[int], changing: Iterable[Field]) -> str | None:
    """Tell of a port that has one of the numbers, and that does not change itself."""
    moving = {(field.container, field.key) for field in changing if field.kind == "port"}
    for of in _containers(template):
        for port in of.get("ports") or ():
            if port["containerPort"] in numbers and (of["name"], port.get("name")) not in moving:
                return f"{port['containerPort']} is a port of container {of['name']} already"
    return None


def _probe(template: Mapping[str, Any], numbers: set[int]) -> str | None:
    """Tell of a probe or hook that asks one of the numbers, and not a name."""
    for of in _containers(template):
        for name, asked in _asked(of):
            if asked in numbers:
                return f"{name} of container {of['name']} asks port {asked} by number"
    return None


def _asked(of: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the probes and hooks of a container, with the port that each asks."""
    handlers = [(name, of.get(name) or {}) for name in PROBES]
    handlers += [(name, (of.get("lifecycle") or {}).get(name) or {}) for name in HOOKS]
    for name, handler in handlers:
        yield from ((name, handler[way]["port"]) for way in WAYS if handler.get(way))


def _service_by_number(template: Mapping[str, Any], numbers: set[int], name: str, around: Around) -> str | None:
    labels = _labels(template)
    for service in around.services:
        wanted = service["spec"].get("selector") or {}
        if not wanted or not wanted.items() <= labels.items():
            continue
        for port in service["spec"].get("ports") or ():
            target = port.get("targetPort", port["port"])
            if target in numbers:
                return f"Service/{service['metadata']['name']} has {target} as targetPort, and not the name {name}"
    return None


def _label(
    fleet: Fleet, template: Mapping[str, Any], key: str, changing: Iterable[Field], around: Around
) -> str | None:
    if any(item.key == key for item in fleet.selector.requirements):
        return f"{fleet} selects its pods by the label {key}"
    keys = {field.key for field in changing if field.kind == "label"}
    fixed = {name: value for name, value in _labels(template).items() if name not in keys}
    for service in around.services:
        wanted = service["spec"].get("selector") or {}
        if key in wanted and {item for item in wanted.items() if item[0] not in keys} <= fixed.items():
            return f"Service/{service['metadata']['name']} selects by the label {key}"
    for budget in around.budgets:
        asked = selector_of(budget).requirements
        if any(item.key == key for item in asked) and all(item.met(fixed) for item in asked if item.key not in keys):
            return f"PodDisruptionBudget/{budget['metadata']['name']} selects by the label {key}"
    return None


def _containers(template: Mapping[str, Any]) -> list[Object]:
    spec = template["spec"]
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def _labels(template: Mapping[str, Any]) -> Mapping[str, str]:
    return (template.get("metadata") or {}).get("labels") or {}
