"""What an explanation is made from: the policies, of files or of a cluster, and the alert's pod as it is now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from molt import guard, resolve
from molt.cli.explanation import Found
from molt.cluster import NAMESPACES, RESPONSE_POLICIES, Cluster, NotFound
from molt.policy import PolicyError, ResponsePolicy, response

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from molt.alert import Alert
    from molt.policy.load import Loaded


@dataclass(frozen=True, slots=True)
class Policies:
    """The valid ResponsePolicies, and what is wrong with the others by their names."""

    valid: tuple[ResponsePolicy, ...]
    invalid: Mapping[str, str]


def of_files(found: Iterable[Loaded]) -> Policies:
    """Return the ResponsePolicies among the policies of files; invalid ones go by file and document."""
    found = list(found)
    valid = tuple(one.policy for one in found if isinstance(one.policy, ResponsePolicy))
    return Policies(valid, {one.source: one.policy.reason for one in found if isinstance(one.policy, PolicyError)})


def of_cluster(cluster: Cluster) -> Policies:
    """Return the ResponsePolicies of a cluster. Raises the errors of the cluster."""
    valid, invalid = [], {}
    for obj in cluster.list(RESPONSE_POLICIES):
        try:
            valid.append(response.parse(obj))
        except PolicyError as error:
            invalid[str(obj["metadata"]["name"])] = error.reason
    return Policies(tuple(valid), invalid)


def pod_of(alert: Alert, cluster: Cluster) -> Found:
    """Return the alert's pod, or why there is none. Raises the errors of the cluster."""
    if alert.namespace and (objection := guard.protected_namespace(alert.namespace)):
        return Found(problem=objection)
    pod = resolve.find(alert, cluster)
    if isinstance(pod, str):
        return Found(problem=pod)
    try:
        namespace = cluster.get(NAMESPACES, pod["metadata"]["namespace"])
    except NotFound:
        namespace = None
    return Found(pod, objection=guard.first_objection(pod, namespace) or "")
