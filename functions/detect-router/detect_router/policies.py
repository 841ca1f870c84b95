"""The ResponsePolicies of the cluster: the valid ones to match, and word to the authors of the others.

The API server checks a policy against its schema, but not whether its CEL expression compiles. A policy whose does not
is left out and says so in its condition Accepted, written once per generation; it never stands in another's way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from detect_router import FUNCTION
from detect_router.parsed import Parsed
from molt import log, timestamps
from molt.cluster import RESPONSE_POLICIES, NotFound
from molt.combining import Combiner
from molt.outcome import MoltError
from molt.policy import PolicyError, ResponsePolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molt.cluster import Cluster
    from molt.outcome import Clock

CONDITION: Final = "Accepted"


class Policies:
    """The policies as the alerts of one process find them: those that wait for the list at once share the next one."""

    def __init__(self) -> None:
        """Begin without knowing any."""
        self._parsed = Parsed()
        self._readers = Combiner[None, Sequence[ResponsePolicy]]()

    def read(self, cluster: Cluster, clock: Clock) -> Sequence[ResponsePolicy]:
        """Return what the API server's cache has, read after this was called, by this thread or another."""
        return self._readers.submit(
            None, lambda alerts: [read(cluster, clock, self._parsed, cached=True)] * len(alerts)
        )

    def latest(self, cluster: Cluster, clock: Clock) -> Sequence[ResponsePolicy]:
        """Return what stands at present, for one that the cache is behind for."""
        return read(cluster, clock, self._parsed, cached=False)


def read(cluster: Cluster, clock: Clock, parsed: Parsed, *, cached: bool) -> list[ResponsePolicy]:
    """Return the valid policies, the latest, or as the API server's cache has them (molt.cluster.options.freshness).

    Raises what the list raises; that a status cannot be written is logged and no more.
    """
    policies = []
    for obj in cluster.list(RESPONSE_POLICIES, cached=cached):
        problem = None
        try:
            policies.append(parsed.parse(obj))
        except PolicyError as error:
            problem = error.reason
        if condition := verdict(obj, problem, timestamps.render(clock.now())):
            _write(cluster, obj, condition)
    return policies


def stands(policy: ResponsePolicy, cluster: Cluster) -> bool:
    """Tell whether a policy of the cache still says the same; one that acts must, one that rehearses is not asked."""
    if policy.mode == "DryRun":
        return True
    try:
        metadata = cluster.metadata(RESPONSE_POLICIES, policy.name)["metadata"]
    except NotFound:
        return False
    return (policy.uid, policy.generation) == (metadata.get("uid"), metadata.get("generation", 0))


def verdict(obj: Mapping[str, Any], problem: str | None, now: str) -> dict[str, Any] | None:
    """Return the condition to write, or None when the policy's status says it already.

    A valid policy without the condition stays without: only what was refused needs to hear that it is well again.
    """
    generation = obj["metadata"].get("generation", 0)
    present = next((condition for condition in _conditions(obj) if condition.get("type") == CONDITION), {})
    if problem is None and present.get("status") != "False":
        return None
    if problem and present.get("status") == "False" and present.get("observedGeneration") == generation:
        return None
    changed = present.get("status") != ("False" if problem else "True")
    return {
        "type": CONDITION,
        "status": "False" if problem else "True",
        "reason": "Invalid" if problem else "Valid",
        "message": problem or "the policy takes part",
        "observedGeneration": generation,
        "lastTransitionTime": now if changed else present.get("lastTransitionTime", now),
    }


def _write(cluster: Cluster, obj: Mapping[str, Any], condition: Mapping[str, Any]) -> None:
    """Put the condition into the status, unless someone else has written meanwhile: then the next alert will."""
    metadata = obj["metadata"]
    said = f"policy {metadata['name']}: {CONDITION}={condition['status']}: {condition['message']}"
    log.write("info" if condition["status"] == "True" else "warning", FUNCTION, message=said)
    others = [other for other in _conditions(obj) if other.get("type") != CONDITION]
    patch = {
        "metadata": {"resourceVersion": metadata.get("resourceVersion")},
        "status": {"conditions": [*others, condition]},
    }
    try:
        cluster.merge(RESPONSE_POLICIES, metadata["name"], patch, subresource="status")
    except MoltError as error:
        log.write("warning", FUNCTION, message=f"policy {metadata['name']}: status not written: {error.reason}")


def _conditions(obj: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list((obj.get("status") or {}).get("conditions") or ())
