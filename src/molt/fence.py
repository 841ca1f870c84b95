"""The fence: what keeps the token of a quarantined pod from writing to the API.

The ValidatingAdmissionPolicy `molt-fence` (functions/quarantine/fence.yaml) refuses every write, exec and token request
whose token is bound to a pod in the list. The list is data, in objects of the kind Fence: whoever keeps it needs no
right to write admission policies, and nothing that stands in it can refuse a request without a pod's UID.

The list is spread over 4 objects by the UID, made when they are first needed: one alone would be a bottleneck, since
each change of it is written whole, and each more is looked at by itself at every write in the cluster.
A change is a merge patch of one key: it needs no read before it, and two at once do not undo each other.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from molt import marks
from molt.cluster import PODS, AlreadyExists, NotFound
from molt.cluster.resources import ADMISSION_BINDINGS, ADMISSION_POLICIES, FENCES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molt.cluster import Cluster

NAME: Final = "molt-fence"
"""The name of the ValidatingAdmissionPolicy and of its binding."""

SHARDS: Final = 4
SHARD_NAMES: Final = tuple(f"pods-{number:x}" for number in range(SHARDS))


@dataclass(frozen=True, slots=True)
class Mended:
    """How many pods a mending has put into the list, and how many it has taken out."""

    added: int
    removed: int


def shard(uid: str) -> str:
    """Return the name of the Fence that has the pod, if any has."""
    return SHARD_NAMES[zlib.crc32(uid.encode()) % SHARDS]


def put_up(cluster: Cluster, uid: str, pod: str, *, dry_run: bool = False) -> None:
    """Fence the tokens bound to the pod of this UID; `pod` is what a refusal calls it, `namespace/name`.

    Raises the errors of molt.cluster; NotFound where the kind Fence is not installed.
    """
    entry = _entries({uid: pod})
    try:
        cluster.merge(FENCES, shard(uid), entry, dry_run=dry_run)
    except NotFound:
        try:
            cluster.create(FENCES, {"metadata": {"name": shard(uid)}, **entry}, dry_run=dry_run)
        except AlreadyExists:  # another pod's alert was faster
            cluster.merge(FENCES, shard(uid), entry, dry_run=dry_run)


def take_down(cluster: Cluster, uid: str, *, dry_run: bool = False) -> None:
    """Let the tokens bound to the pod of this UID write again; well if they may already, or no fence is installed."""
    try:
        cluster.merge(FENCES, shard(uid), _entries({uid: None}), dry_run=dry_run)
    except NotFound:
        return


def missing(cluster: Cluster) -> str | None:
    """Return which part of the policy is not there, so that the list is without effect; None when it stands."""
    for resource in (ADMISSION_POLICIES, ADMISSION_BINDINGS):
        try:
            cluster.get(resource, NAME)
        except NotFound:
            return f"{resource.kind} {NAME} is not there"
    return None


def mend(cluster: Cluster) -> Mended:
    """Make the list what the labels say: every pod in quarantine, and no other.

    Pods that are gone go, those whose fence could not be put up when they were isolated come. Reads the list first, and
    takes out only what stood in it then: a pod that is isolated meanwhile stays in.
    """
    fences = cluster.list(FENCES)
    quarantined = {
        pod["metadata"]["uid"]: f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        for pod in cluster.list(PODS, labels=f"{marks.COMPROMISED}={marks.TRUE}")
    }
    removed = 0
    for fence in fences:
        stale = [uid for uid in _pods(fence) if uid not in quarantined]
        if stale:
            cluster.merge(FENCES, fence["metadata"]["name"], _entries(dict.fromkeys(stale)))
            removed += len(stale)
    fenced = {uid for fence in fences for uid in _pods(fence)}
    lacking = sorted(quarantined.keys() - fenced)
    for uid in lacking:
        put_up(cluster, uid, quarantined[uid])
    return Mended(len(lacking), removed)


def _pods(fence: Mapping[str, Any]) -> Mapping[str, str]:
    return (fence.get("spec") or {}).get("pods") or {}


def _entries(pods: Mapping[str, str | None]) -> dict[str, Any]:
    return {"spec": {"pods": dict(pods)}}
