"""The end of a tick: what became of each policy is written into its status, and told on workloads that are held up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import log, marks
from molt.cluster import ROTATION_POLICIES, Unavailable
from molt.due import FINISHED, begins, due_at, managed
from molt.outcome import MoltError
from molt.policy import PolicyError
from molt.workload import created_at, is_terminating
from rotate import blockage, status
from rotate.diary import FUNCTION
from rotate.held import held, is_resting
from rotate.status import Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.lifetime import Keys
    from molt.policy import RotationPolicy
    from rotate.blockage import Told
    from rotate.diary import Diary
    from rotate.journey import Journey
    from rotate.notice import Notice
    from rotate.plan import Scene

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """What a tick has come to: the namespaces as it found them, what it did, and the moves that it leaves under way."""

    scenes: Mapping[str, Scene]
    diary: Diary
    under_way: Sequence[Journey]
    ended: Sequence[Notice]
    told: Told
    keys: Keys
    now: datetime

    def write(self, cluster: Cluster, policies: Iterable[tuple[Object, RotationPolicy | PolicyError]]) -> None:
        """Write what is new of the policies, and the Events that are not `told` yet.

        A status that the API server cannot take now is the last: each may take seconds, and the next tick writes it.
        """
        blocked: list[Notice] = []
        open_ = True
        for obj, policy in policies:
            if isinstance(policy, PolicyError):
                open_ = open_ and _write(cluster, obj, status.refused(obj, self.now, policy))
                continue
            standing = self.standing(policy)
            latest = status.valid(obj, self.now, standing)
            open_ = open_ and _write(cluster, obj, latest)
            blocked += blockage.notices(policy, standing.held, latest["blocked"], self.now)
        self.told.tell(cluster, self.ended, blocked)

    def standing(self, policy: RotationPolicy) -> Standing:
        """Return how a policy in force stands."""
        scene = self.scenes[policy.namespace]
        near = scene.roll.near(policy.selector)
        pods = managed(policy, near)
        moved = self.diary.moved(policy)
        under_way = {item.pod["metadata"]["uid"] for item in self.under_way if item.policy == policy}
        moving = under_way | self.diary.moving(policy)
        staying = [pod for pod in pods if pod["metadata"]["uid"] not in moved | moving]
        dated = [(due_at(policy, pod, self.keys, self.now), pod) for pod in staying]
        due = [pod for at, pod in dated if at <= self.now or is_resting(pod, self.now)]
        earliest = min((at for at, _ in dated), default=None)
        return Standing(
            mode=policy.mode,
            managed=len(pods),
            due=len(due),
            moving=len(moving),
            held=held(self.diary.of(policy), due, scene.fleets, self.now),
            last=self.now if moved else None,
            following=earliest and begins(policy, earliest, self.now),
            exposed=_oldest(policy, (pod for pod in near if pod["metadata"]["uid"] not in moved)),
            closed=policy.hours.closed(self.now),
        )


def _write(cluster: Cluster, obj: Object, latest: Object) -> bool:
    """Write a status if it says something new; failing that, the next tick does. Tell whether to go on with others."""
    patch = status.news(obj, latest)
    if patch is None:
        return True
    name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
    try:
        cluster.merge(ROTATION_POLICIES, name, patch, namespace, subresource="status")
    except MoltError as error:
        log.write("warning", FUNCTION, message=f"policy {namespace}/{name}: status not written: {error.reason}")
        return not isinstance(error, Unavailable)
    return True


def _oldest(policy: RotationPolicy, pods: Iterable[Object]) -> datetime | None:
    """Return when the oldest of the policy's pods was made; a retiring one still serves, and counts."""
    made = (
        created_at(pod)
        for pod in pods
        if policy.selector.matches(marks.labels_of(pod))
        and not (marks.is_compromised(pod) or is_terminating(pod))
        and (pod.get("status") or {}).get("phase") not in FINISHED
    )
    return min((at for at in made if at), default=None)
