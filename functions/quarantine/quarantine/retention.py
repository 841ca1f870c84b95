"""What the policy wants to become of the pod later, as the pod itself says it: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from molt import marks
from molt.itinerary import Step
from molt.outcome import BadEvent
from molt.policy import duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from molt.itinerary import Target

_TERMINATE: Final = Step("terminate", {"force": False})


def written(parameters: Mapping[str, Any], now: datetime) -> dict[str, str]:
    """Return when the pod's time in quarantine is over and what then, and which pod stays after a release.

    Raises BadEvent for a retention that no policy can have.
    """
    said = {marks.KEEP_ON_RELEASE: str(parameters["keepOnRelease"])} if "keepOnRelease" in parameters else {}
    retention = parameters.get("retention")
    if retention is None:
        return said
    after = duration.parse(str(retention.get("after"))) if isinstance(retention, dict) else None
    if after is None:
        raise BadEvent("itinerary[0].parameters.retention.after: not a duration")
    return {**said, marks.EXPIRES_AT: marks.stamp(now + after), marks.THEN: str(retention.get("then", "Keep"))}


def following(target: Target, parameters: Mapping[str, Any], itinerary: Sequence[Step]) -> tuple[Step, ...]:
    """Return the itinerary with `terminate` at its head where the policy wants that of a StatefulSet's pod.

    Not twice: what comes next anyway is not put before itself.
    """
    blocked = target.workload is not None and target.workload.kind == "StatefulSet"
    if not blocked or parameters.get("statefulSet") != "Terminate" or [*itinerary[:1]] == [_TERMINATE]:
        return tuple(itinerary)
    return (_TERMINATE, *itinerary)
