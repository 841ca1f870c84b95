"""What there is to collect of a pod: pure, from the pod as read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from molt import marks
from molt.cluster import DAEMON_SETS, DEPLOYMENTS, JOBS, REPLICA_SETS, STATEFUL_SETS
from molt.policy import selector
from molt.policy.fields import Problems, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from molt.cluster import Resource

OWNERS: Final = {
    (resource.api_version, resource.kind): resource
    for resource in (REPLICA_SETS, DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, JOBS)
}
"""The kinds of owners that are collected; of another kind the pod's manifest has the reference."""
_KINDS: Final = (
    ("containers", "containerStatuses"),
    ("initContainers", "initContainerStatuses"),
    ("ephemeralContainers", "ephemeralContainerStatuses"),
)


@dataclass(frozen=True, slots=True)
class Container:
    """A container as its pod describes it: whether it has run, and whether it had run before the last restart."""

    name: str
    kind: str  # the field of the pod's spec: containers, initContainers, ephemeralContainers
    image: str
    image_id: str
    container_id: str
    started: bool
    restarted: bool
    running: bool


@dataclass(frozen=True, slots=True)
class Owner:
    """A reference to an owner; `resource` is None for a kind that is not collected."""

    kind: str
    name: str
    uid: str
    resource: Resource | None


def containers(pod: Mapping[str, Any]) -> list[Container]:
    """Return the containers: regular ones first, whose logs matter most, then init and ephemeral ones."""
    return list(_containers(pod))


def _containers(pod: Mapping[str, Any]) -> Iterator[Container]:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    for kind, statuses in _KINDS:
        known = {one["name"]: one for one in status.get(statuses) or ()}
        for container in spec.get(kind) or ():
            told = known.get(container["name"]) or {}
            state, last = told.get("state") or {}, told.get("lastState") or {}
            yield Container(
                name=container["name"],
                kind=kind,
                image=str(container.get("image") or ""),
                image_id=str(told.get("imageID") or ""),
                container_id=str(told.get("containerID") or ""),
                started=any(each in state for each in ("running", "terminated")) or "terminated" in last,
                restarted="terminated" in last,
                running="running" in state,
            )


def images(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return, by container, the image that was asked for and the digest that runs."""
    return {
        one.name: {"kind": one.kind, "image": one.image, "imageID": one.image_id, "containerID": one.container_id}
        for one in _containers(pod)
    }


def owners(obj: Mapping[str, Any]) -> list[Owner]:
    """Return the object's owners, its controller first."""
    return [
        Owner(one["kind"], one["name"], one["uid"], OWNERS.get((one["apiVersion"], one["kind"])))
        for one in sorted(obj["metadata"].get("ownerReferences") or (), key=lambda one: not one.get("controller"))
    ]


def labels(pod: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """Return the label sets that the pod is, or was before molt marked it, selected by."""
    before = marks.original_labels(pod)
    return [marks.labels_of(pod), *([] if before is None else [before])]


def applying(policies: list[dict[str, Any]], pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the NetworkPolicies that select the pod, or did before it was marked."""
    return [policy for policy in policies if any(_fits(policy, each) for each in labels(pod))]


def serving(services: list[dict[str, Any]], pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the Services that select the pod, or did before it was marked; one without selector selects nothing."""
    return [
        service
        for service in services
        if (wanted := service["spec"].get("selector")) and any(wanted.items() <= each.items() for each in labels(pod))
    ]


def _fits(policy: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    reader = Reader(policy["spec"].get("podSelector"), "spec.podSelector", Problems())
    return selector.parse(reader).explain(labels) is None
