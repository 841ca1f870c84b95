"""The remedies of a ResponsePolicy: the parameters of each, and the orders of them that make no sense.

A step's parameters are JSON, with every default filled in; durations are texts that `duration.parse` reads.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from molt.itinerary import Step
from molt.policy import duration, manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from molt.policy.fields import Reader

MOST = 8
"""Remedies of one policy, as steps of one itinerary."""
SCOPES = ("Siblings", "Workload", "Pod", "Node", "Namespace")
IF_LEAKY = ("Keep", "Terminate", "CordonNode")
STATEFUL_SET = ("Isolate", "Terminate")
KEEP_ON_RELEASE = ("Released", "Replacement")
AFTER_RETENTION = ("Release", "Terminate", "Keep")
IF_MISSING = ("Continue", "Stop")
LOG_LINES, MOST_LOG_LINES = 10_000, 1_000_000
SHORTEST = timedelta(seconds=1)

_NEED_THE_POD = ("evidence", "quarantine", "tag", "terminate")


def read(reader: Reader) -> tuple[Step, ...]:
    """Return spec.remedies in order. Notes what is wrong with one, and with their order."""
    readers = reader.objects("remedies", most=MOST, required=True)
    steps = tuple(map(_remedy, readers))
    paths = [each.path for each in readers]
    for later, step in enumerate(steps):
        if (earlier := _too_late(step, steps[:later])) is not None:
            after = f"the pod may be gone after {paths[earlier]} ({steps[earlier].remedy})"
            reader.problems.note(paths[later], f"{step.remedy} comes too late: {after}")
    return steps


def _too_late(step: Step, before: tuple[Step, ...]) -> int | None:
    """Return which of the steps before may leave no pod for this one; None when it comes in time.

    After `terminate` nothing is left to isolate, mark or end. Evidence has to be sure of its pod, so it also comes
    before what ends it under some circumstances only.
    """
    if step.remedy not in _NEED_THE_POD:
        return None
    for index, earlier in enumerate(before):
        if earlier.remedy == "terminate" or (step.remedy == "evidence" and _may_end_the_pod(earlier)):
            return index
    return None


def _may_end_the_pod(step: Step) -> bool:
    """Tell whether the step, which is not `terminate`, may end the alert's pod."""
    return step.parameters.get("scope", "Siblings") != "Siblings" or "Terminate" in (
        step.parameters.get("ifLeaky"),
        step.parameters.get("statefulSet"),
    )


def _remedy(reader: Reader) -> Step:
    """Read one of spec.remedies: an object with the one field that names the remedy."""
    steps = [Step(name, parameters(reader.object(name))) for name, parameters in _REMEDIES.items() if reader.has(name)]
    reader.close(known=_REMEDIES)
    if len(steps) == 1:
        return steps[0]
    if reader.readable:
        one_of = f"must have exactly one of {', '.join(_REMEDIES)}"
        reader.problems.note(reader.path, f"{one_of} (one without parameters is written `quarantine: {{}}`)")
    return Step("", {})


def _cordon(reader: Reader) -> dict[str, Any]:
    """Read the parameters of cordon: `for` how long; absent, until somebody undoes it."""
    length = duration.read(reader, "for", least=SHORTEST)
    reader.close()
    return {"for": duration.render(length)} if length else {}


def _evidence(reader: Reader) -> dict[str, Any]:
    """Read the parameters of evidence."""
    parameters = {
        "ifMissing": reader.choice("ifMissing", IF_MISSING, default="Continue"),
        "checkpoint": reader.boolean("checkpoint"),
        "logLines": reader.integer("logLines", least=1, most=MOST_LOG_LINES, default=LOG_LINES),
    }
    reader.close()
    return parameters


def _quarantine(reader: Reader) -> dict[str, Any]:
    """Read the parameters of quarantine; without `retention` the pod is kept until it is released."""
    parameters: dict[str, Any] = {
        "ifLeaky": reader.choice("ifLeaky", IF_LEAKY, default="Keep"),
        "statefulSet": reader.choice("statefulSet", STATEFUL_SET, default="Isolate"),
        "keepOnRelease": reader.choice("keepOnRelease", KEEP_ON_RELEASE, default="Released"),
    }
    retention = reader.object("retention")
    if reader.has("retention"):
        parameters["retention"] = _retention(retention)
    reader.close()
    return parameters


def _retention(reader: Reader) -> dict[str, Any]:
    """Read quarantine's retention: `after` how long, and what `then`."""
    retention = {
        "after": duration.render(duration.read(reader, "after", least=SHORTEST, required=True)),
        "then": reader.choice("then", AFTER_RETENTION, default="Keep"),
    }
    reader.close()
    return retention


def _rotate(reader: Reader) -> dict[str, Any]:
    """Read the parameters of rotate."""
    parameters = {
        "scope": reader.choice("scope", SCOPES, default="Siblings"),
        "strategy": reader.choice("strategy", manifest.STRATEGIES, default="Replace"),
    }
    if parameters["strategy"] == "Restart" and parameters["scope"] != "Workload":
        reader.problems.note(reader.path, "a Restart is of the whole workload: it needs scope Workload")
    reader.close()
    return parameters


def _tag(reader: Reader) -> dict[str, Any]:
    """Read the parameters of tag: none."""
    reader.close()
    return {}


def _terminate(reader: Reader) -> dict[str, Any]:
    """Read the parameters of terminate."""
    parameters = {"force": reader.boolean("force")}
    reader.close()
    return parameters


_REMEDIES: Mapping[str, Callable[[Reader], dict[str, Any]]] = {
    "cordon": _cordon,
    "evidence": _evidence,
    "quarantine": _quarantine,
    "rotate": _rotate,
    "tag": _tag,
    "terminate": _terminate,
}
