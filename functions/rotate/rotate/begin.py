"""The first call of a move that an alert asks for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from molt.cluster import Blocked
from molt.outcome import TemporaryError
from rotate import departure, siblings
from rotate.evict import evict, evict_if
from rotate.replace import Why

if TYPE_CHECKING:
    from rotate.departure import Way
    from rotate.fleet import Fleet
    from rotate.hop import Hop

Object = dict[str, Any]


def begin(hop: Hop, pod: Object, fleet: Fleet) -> Way:
    """Release the pod, or evict it, and return by which way it moves.

    Raises TemporaryError when it is not as it was read, Blocked when its disruption budget forbids it.
    """
    way = departure.way(hop.order.strategy, pod, fleet)
    if way.is_make_before_break:
        departure.release(hop.cluster, pod, fleet, hop.clock.now(), Why(reason(hop), way.strategy))
    elif not evict_if(hop.cluster, pod, partial(siblings.movable_as, pod, fleet)):
        raise TemporaryError(f"{pod['metadata']['name']} is not as it was read")
    return way


def rehearse(hop: Hop, pod: Object, fleet: Fleet) -> bool:
    """Send the first call of the pod's move as a dry run, and tell whether its disruption budget would let it go."""
    way = departure.way(hop.order.strategy, pod, fleet)
    if way.is_make_before_break:
        departure.release(hop.cluster, pod, fleet, hop.clock.now(), Why(reason(hop), way.strategy), dry_run=True)
        return True
    try:
        evict(hop.cluster, pod, dry_run=True)
    except Blocked:
        return False
    return True


def reason(hop: Hop) -> str:
    """Return the reason that a moving pod carries."""
    return f"alert {hop.slip.alert['id']}, policy {hop.slip.policy.name}"
