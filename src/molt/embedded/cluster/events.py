"""Events: one kind in two groups, stored once, shown under the old names (v1) or the new ones (events.k8s.io).

Source of names and rules: k8s.io/kubernetes v1.36.3, pkg/apis/{core,events}/v1/conversion.go and
pkg/apis/core/validation/events.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster.problems import INVALID, REQUIRED, Fault, bad_request
from molt.embedded.cluster.syntax import label_key_faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from molt.embedded.cluster.resources import Kind

Object = dict[str, Any]

GROUP: Final = "events.k8s.io"
NAMES: Final = {
    "note": "message",
    "regarding": "involvedObject",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
LIMITS: Final = {"reportingInstance": 128, "action": 128, "reason": 128, "message": 1024}
DEPRECATED: Final = ("firstTimestamp", "lastTimestamp", "count", "source")
FIXED: Final = (
    *("involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type", "eventTime"),
    *("action", "related", "reportingComponent", "reportingInstance"),
)
LAYOUT: Final = "2006-01-02T15:04:05.000000Z07:00"
MISMATCH: Final = "does not match event.namespace"


def stored(kind: Kind, obj: Object) -> Object:
    """Return an event of the new group under its old names, in which it is stored; any other object as it is."""
    if kind.group != GROUP:
        return obj
    moved = {NAMES.get(name, name): value for name, value in obj.items()}
    return moved | {"apiVersion": "v1"}


def shown(kind: Kind, obj: Object) -> Object:
    """Return a stored event as `kind` names its fields; any other object as it is."""
    if kind.group != GROUP or obj.get("kind") != kind.kind:
        return obj
    old = {stored_name: name for name, stored_name in NAMES.items()}
    moved = {old.get(name, name): value for name, value in obj.items()}
    return moved | {"apiVersion": kind.api_version}


def stored_field(kind: Kind, path: str) -> str:
    """Return where a field that is selected by stands in the stored object."""
    if kind.group != GROUP:
        return path
    first, dot, rest = path.partition(".")
    return f"{NAMES.get(first, first)}{dot}{rest}"


def check_time(kind: Kind, obj: Object) -> None:
    """Refuse (400) an eventTime that is no MicroTime: six digits of a second."""
    time = obj.get("eventTime")
    if kind.kind != "Event" or kind.crd is not None or time is None:
        return
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{6})?(.*)", str(time))
    if match is None or match[2] is None:
        rest = match[3] if match else str(time)
        text = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: parsing time "{time}" as'
        raise bad_request(f'{text} "{LAYOUT}": cannot parse "{rest}" as "{".000000" if match else "2006"}"')


def faults(kind: Kind, new: Object, old: Object | None) -> Iterator[Fault]:
    """Yield what is wrong with a stored event that was sent as `kind`: the new group is strict."""
    yield from _legacy(kind, new)
    if kind.group != GROUP:
        return
    if old is None:
        yield from _complete(new)
    else:
        for name in FIXED:
            if new.get(name) != old.get(name):
                yield Fault(name, INVALID, new.get(name), "field is immutable")


def _legacy(kind: Kind, event: Object) -> Iterator[Fault]:
    namespace = event["metadata"]["namespace"]
    about = (event.get("involvedObject") or {}).get("namespace", "")
    dated = bool(event.get("eventTime"))
    exempt = ("default", "kube-system") if dated else ("default",)
    if (not about and namespace not in exempt) or (about and not dated and about != namespace):
        yield Fault("involvedObject.namespace", INVALID, about, MISMATCH)
    if not dated:
        return
    controller = event.get("reportingComponent") or ""
    field = "reportingController" if kind.group == GROUP else "reportingComponent"
    if not controller:
        yield Fault(field, REQUIRED)
    for text in label_key_faults(controller):
        yield Fault(field, INVALID, controller, text)
    for name, limit in LIMITS.items():
        value = event.get(name) or ""
        if not value and name != "message":
            yield Fault(name, REQUIRED)
        if len(value.encode()) > limit:
            yield Fault(name, INVALID, "", f"can have at most {limit} characters")


def _complete(event: Object) -> Iterator[Fault]:
    if "series" in event:
        if event["series"].get("count", 0) < 2:  # noqa: PLR2004 - one event is no series
            yield Fault("series.count", INVALID, "", "should be at least 2")
        if not event["series"].get("lastObservedTime"):
            yield Fault("series.lastObservedTime", REQUIRED)
    if not event.get("eventTime"):
        yield Fault("eventTime", REQUIRED)
    if event.get("type") not in ("Normal", "Warning"):
        yield Fault("type", INVALID, "", f"has invalid value: {event.get('type', '')}")
    for name in DEPRECATED:
        if event.get(name):
            yield Fault(name, INVALID, "", "needs to be unset")
