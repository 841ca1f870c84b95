"""Who is told of pods that stay: whoever looks at their workload, by an Event, once an hour while it lasts.

API servers keep Events for an hour unless told otherwise: so there is one to see as long as pods are held up, and no
more than that. An Event's name follows from the workload, the policy, the reason, since when and the how manieth hour
it is: two instances, and one that begins anew, say nothing twice. What a process remembers saves calls, and no more.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from molt import marks
from rotate import notice
from rotate.conditions import lasts
from rotate.notice import Notice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.policy import RotationPolicy
    from rotate.held import Held

AGAIN = timedelta(hours=1)
MOST = 50
"""Events that one tick writes; a later one writes more."""


class Told:
    """What this process has said and what is still so: as much as there are workloads held up."""

    def __init__(self) -> None:
        """Begin; nothing is said yet."""
        self._names: frozenset[str] = frozenset()

    def tell(self, cluster: Cluster, moved: Sequence[Notice], blocked: Iterable[Notice]) -> None:
        """Write the Events of a tick: what has moved, and MOST of what is held up and not said yet."""
        wanted = {said.name: said for said in blocked}
        new = [said for name, said in wanted.items() if name not in self._names][:MOST]
        done = {said.name for said in notice.post_all(cluster, [*moved, *new])}
        self._names = frozenset((done | self._names) & wanted.keys())


def notices(
    policy: RotationPolicy, held: Iterable[Held], blocked: Mapping[str, Any], now: datetime
) -> Iterator[Notice]:
    """Yield what there is to say of a policy's pods; `blocked` is its status, which knows since when.

    Nothing while it is not known for long, of what somebody wants, and of a rehearsal, which leaves no trace.
    """
    lasting = {each["reason"]: each["since"] for each in blocked["reasons"] if lasts(each, now)}
    for one in held if policy.mode != "DryRun" else ():
        since = lasting.get(one.reason)
        begun = marks.time_of(since)
        if one.fleet is None or since is None or begun is None:
            continue
        pods = "1 pod is" if one.pods == 1 else f"{one.pods} pods are"
        note = f"{pods} due by policy {policy.name}, and held up since {since} or later ({one.reason}): {one.message}"
        about = (policy.uid, one.reason, since, str((now - begun) // AGAIN))
        yield Notice(one.fleet, notice.BLOCKED, about, note, now)
