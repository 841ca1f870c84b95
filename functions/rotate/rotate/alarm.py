"""The alarm: an alert puts the policies that select what it is about under attack, which shortens their lifetimes.

It is a time in the policy's status, where ticks and `molt plan` find it: that of the alert's quarantine, so that a
redelivery, or another hop, raises nothing anew, and of two alerts the later one counts. It holds up no move: what the
API server refuses is told, and the pods go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt import marks
from molt.cluster import PODS, ROTATION_POLICIES, Conflict
from molt.haste import Alarm
from molt.outcome import MoltError, PermanentError, TemporaryError
from molt.policy import PolicyError, rotation
from molt.policy.under_attack import SINCE
from molt.workload import top
from rotate import survey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from molt.policy import RotationPolicy
    from rotate.hop import Hop

Object = dict[str, Any]

ATTEMPTS = 4
NAMED = 5


def sound(hop: Hop) -> str:
    """Raise the alarm, or in mode DryRun only try to; return what was done, "" when there is none to raise.

    Raises TemporaryError when the policies or their pods cannot be read now.
    """
    try:
        return _sound(hop)
    except PermanentError as error:
        return f"no alarm is raised: {error.reason}"


def _sound(hop: Hop) -> str:
    quiet = [(obj, policy) for obj, policy in _policies(hop) if _is_quiet(hop, policy)]
    if not quiet:
        return ""
    pods = _pods(hop)
    said = [_raise(hop, obj, policy) for obj, policy in quiet if _concerns(policy, pods)]
    lines = [line for line in said if line]
    return "; ".join(lines[:NAMED]) + (f"; and {len(lines) - NAMED} more policies" if len(lines) > NAMED else "")


def _policies(hop: Hop) -> list[tuple[Object, RotationPolicy]]:
    """Return the valid policies that the step's scope reaches."""
    return _read(hop, None if hop.order.scope == "Node" else hop.slip.target.namespace)


def _read(hop: Hop, namespace: str | None, fields: str = "") -> list[tuple[Object, RotationPolicy]]:
    found = []
    for obj in hop.cluster.list(ROTATION_POLICIES, namespace, fields=fields):
        try:
            found.append((obj, rotation.parse(obj)))
        except PolicyError:
            continue  # the tick says so in its status
    return found


def _is_quiet(hop: Hop, policy: RotationPolicy) -> bool:
    """Tell whether the policy has an alarm to raise: it asks for one, and has none from then, which is not over yet."""
    attack, alarm = policy.under_attack, policy.alarm
    if attack is None or hop.before + attack.length <= hop.clock.now():
        return False
    return alarm is None or alarm.since < hop.before


def _pods(hop: Hop) -> list[Object]:
    """Return the pods that the step is about: of the node, of the namespace, or of the workload of the alert's pod."""
    target = hop.slip.target
    if hop.order.scope == "Node":
        node = hop.place()
        return hop.cluster.list(PODS, fields=f"spec.nodeName={node}", trim=survey.essence) if node else []
    pods = survey.all_pods(hop.cluster, target.namespace)
    if hop.order.scope == "Namespace":
        return pods
    workload = target.workload and (target.workload.kind, target.workload.name)
    return [pod for pod in pods if pod["metadata"]["uid"] == target.uid or (workload and workload == _workload(pod))]


def _workload(pod: Object) -> tuple[str, str] | None:
    found = top(pod)
    return (found.kind, found.name) if found else None


def _concerns(policy: RotationPolicy, pods: Iterable[Object]) -> bool:
    """Tell whether the policy selects one of the pods, by the labels that it had before a quarantine."""
    return any(
        pod["metadata"]["namespace"] == policy.namespace and policy.selector.matches(_labels(pod)) for pod in pods
    )


def _labels(pod: Object) -> Mapping[str, str]:
    return (marks.original_labels(pod) if marks.is_compromised(pod) else None) or marks.labels_of(pod)


def _raise(hop: Hop, obj: Object, policy: RotationPolicy) -> str:
    """Write the alarm into the policy's status; return what became of it, "" when somebody else was faster."""
    name, rehearsal = f"policy {policy.namespace}/{policy.name}", hop.slip.mode == "DryRun"
    try:
        written = _write(hop, obj, policy, rehearsal=rehearsal)
    except MoltError as error:
        return f"{name} is not put under attack: {error.reason}"
    if not written:
        return ""
    until = marks.stamp(written.until)
    return f"{name} would be under attack until {until}" if rehearsal else f"{name} is under attack until {until}"


def _write(hop: Hop, obj: Object, policy: RotationPolicy, *, rehearsal: bool) -> Alarm | None:
    """Write it for the policy as it was read; read it again when it has changed, four times at most."""
    latest: tuple[Object, RotationPolicy] | None = (obj, policy)
    for _ in range(ATTEMPTS):
        if latest is None or not (attack := latest[1].under_attack) or not _is_quiet(hop, latest[1]):
            return None
        metadata = {name: latest[0]["metadata"][name] for name in ("uid", "resourceVersion")}
        patch = {"metadata": metadata, "status": {SINCE: marks.stamp(hop.before)}}
        try:
            hop.cluster.merge(
                ROTATION_POLICIES, policy.name, patch, policy.namespace, subresource="status", dry_run=rehearsal
            )
        except Conflict:
            latest = next(iter(_read(hop, policy.namespace, fields=f"metadata.name={policy.name}")), None)
        else:
            return Alarm(hop.before, attack.factor, attack.length)
    raise TemporaryError(f"it changed under each of {ATTEMPTS} attempts")
