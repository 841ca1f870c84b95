"""The identity of a StatefulSet's pods: one name for each ordinal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molt.embedded.cluster.controllers.history import HASH
from molt.embedded.cluster.controllers.kinds import STATEFUL_SET
from molt.embedded.cluster.controllers.ownership import reference_to
from molt.embedded.cluster.controllers.pods import from_template

if TYPE_CHECKING:
    from molt.embedded.cluster.controllers.actions import Object

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"


def ordinal(stateful_set: Object, name: str) -> int | None:
    """Return the ordinal that a pod's name has in the set, None when the name is not of it."""
    base, dash, number = name.rpartition("-")
    if not dash or base != stateful_set["metadata"]["name"] or not number.isdecimal():
        return None
    return int(number)


def wanted(stateful_set: Object) -> range:
    """Return the ordinals that are to exist."""
    start = (stateful_set["spec"].get("ordinals") or {}).get("start", 0)
    return range(start, start + stateful_set["spec"].get("replicas", 1))


def identity(name: str, index: int) -> dict[str, str]:
    """Return the labels that tell a pod's identity."""
    return {POD_NAME: name, POD_INDEX: str(index)}


def made(stateful_set: Object, index: int, revision: str, template: Object) -> Object:
    """Return the pod of one ordinal. Volume claim templates are not honoured: there are no volumes here."""
    name = f"{stateful_set['metadata']['name']}-{index}"
    extra = identity(name, index) | {HASH: revision}
    pod = from_template(template, stateful_set, reference_to(STATEFUL_SET, stateful_set), extra)
    pod["metadata"]["name"] = name
    pod["spec"] |= {"hostname": name, "subdomain": stateful_set["spec"].get("serviceName", "")}
    return pod
