"""The marks that molt leaves on pods: labels that selectors act on, annotations that say why and how to undo it.

    label       compromised      quarantined; what the deny-all NetworkPolicy selects
    label       retiring         the old pod of a move, which serves until its replacement is Ready
    label       exempt           on a namespace: nothing in it is ever touched
    label       suspect          tagged: an alert points at the pod
    label       cordoned         on a node: molt has cordoned it, and may undo it
    label       relocating       on a node, and the key of its taint: no new pod comes there until a replacement has
                                 another node; relocating-for has the UIDs of the pods for which
    annotation  original-labels  the labels that were taken off, as a JSON object
    label       restarting       on a workload: a restart of molt's, or the way back from it, is under way
    label       reconfigurable   on a workload, from its owner: rotate may change what its pods are
    annotation  combination      on a workload: what its last reconfiguration chose (molt.combination)
    annotation  reconfigured-from  while one is under way: how to go back
    annotation  undone-combination  the one that was taken back last
    annotation  leaks            what still leaks from a quarantined pod, as a JSON list of lines
    annotation  release          "true": somebody wants the pod released, and the clock's next tick does it
    annotation  kept             why a pod whose retention is over, or whose release is wanted, stays in quarantine
    annotation  surplus-for      the UID of the released pod for which this one is the cheapest of its ReplicaSet's
    annotation  own-cost         the deletion cost that such a pod had before
    annotation  pause            on a workload or a namespace: the clock moves none of its pods (molt.pause)
    annotation  stayed-since     on a pod whose move was undone, since its replacement did not become Ready
    annotation  stays            how many times in a row that was so
    annotation  regenerable      on a Secret, "true": its owner lets its values be regenerated
    annotation  regenerating     on a Secret: the keys whose former values are kept, while a regeneration is under way
    annotation  strategy         how a retiring pod moves, when that is not Replace
    annotation  the rest         workload, quarantined-at, reason, rule, alert, policy; expires-at, then,
                                 keep-on-release; owner, retiring-since;
                                 suspect-rule, -alert, -policy, -since; on a node cordoned-by, cordoned-at, uncordon-at,
                                 relocating-for, relocating-since; on a workload restarted-at, restarted-from,
                                 restarted-template, policy, reason; on a Secret regenerating-since, regenerated-at,
                                 put-back-at, policy

All start with `molt-project.io/`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from molt import timestamps
from molt.whereabouts import NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

PREFIX = "molt-project.io"

COMPROMISED = f"{PREFIX}/compromised"
RETIRING = f"{PREFIX}/retiring"
EXEMPT = f"{PREFIX}/exempt"
TRUE = "true"

ORIGINAL_LABELS = f"{PREFIX}/original-labels"
REASON = f"{PREFIX}/reason"
WORKLOAD = f"{PREFIX}/workload"
QUARANTINED_AT = f"{PREFIX}/quarantined-at"
RULE = f"{PREFIX}/rule"
ALERT = f"{PREFIX}/alert"
POLICY = f"{PREFIX}/policy"
OWNER = f"{PREFIX}/owner"
RETIRING_SINCE = f"{PREFIX}/retiring-since"
STAYED_SINCE = f"{PREFIX}/stayed-since"
PAUSE = f"{PREFIX}/pause"
STAYS = f"{PREFIX}/stays"
STRATEGY = f"{PREFIX}/strategy"

LEAKS = f"{PREFIX}/leaks"

EXPIRES_AT = f"{PREFIX}/expires-at"
THEN = f"{PREFIX}/then"
KEEP_ON_RELEASE = f"{PREFIX}/keep-on-release"
RELEASE = f"{PREFIX}/release"
KEPT = f"{PREFIX}/kept"

SURPLUS_FOR = f"{PREFIX}/surplus-for"
OWN_COST = f"{PREFIX}/own-cost"

QUARANTINE_ANNOTATIONS = (
    *(ORIGINAL_LABELS, REASON, WORKLOAD, QUARANTINED_AT, RULE, ALERT, POLICY, LEAKS),
    *(EXPIRES_AT, THEN, KEEP_ON_RELEASE, RELEASE, KEPT),
)
RETIRING_ANNOTATIONS = (ORIGINAL_LABELS, REASON, OWNER, RETIRING_SINCE, STRATEGY, POLICY)

SUSPECT = f"{PREFIX}/suspect"
SUSPECT_RULE = f"{PREFIX}/suspect-rule"
SUSPECT_ALERT = f"{PREFIX}/suspect-alert"
SUSPECT_POLICY = f"{PREFIX}/suspect-policy"
SUSPECT_SINCE = f"{PREFIX}/suspect-since"
CORDONED = f"{PREFIX}/cordoned"
CORDONED_BY = f"{PREFIX}/cordoned-by"
CORDONED_AT = f"{PREFIX}/cordoned-at"
UNCORDON_AT = f"{PREFIX}/uncordon-at"
RESTARTING = f"{PREFIX}/restarting"
RESTARTED_AT = f"{PREFIX}/restarted-at"
RESTARTED_FROM = f"{PREFIX}/restarted-from"
RESTARTED_TEMPLATE = f"{PREFIX}/restarted-template"
RECONFIGURABLE = f"{PREFIX}/reconfigurable"
COMBINATION = f"{PREFIX}/combination"
RECONFIGURED_FROM = f"{PREFIX}/reconfigured-from"
UNDONE_COMBINATION = f"{PREFIX}/undone-combination"
RESTART_ANNOTATIONS = (RESTARTED_AT, RESTARTED_FROM, RESTARTED_TEMPLATE, RECONFIGURED_FROM, POLICY, REASON)
REGENERABLE = f"{PREFIX}/regenerable"
REGENERATING = f"{PREFIX}/regenerating"
REGENERATING_SINCE = f"{PREFIX}/regenerating-since"
REGENERATED_AT = f"{PREFIX}/regenerated-at"
PUT_BACK_AT = f"{PREFIX}/put-back-at"
RELOCATING = f"{PREFIX}/relocating"
RELOCATING_FOR = f"{PREFIX}/relocating-for"
RELOCATING_SINCE = f"{PREFIX}/relocating-since"

ISOLATION = "molt-quarantine"
"""The name of the deny-all NetworkPolicy in each namespace that has, or had, a quarantined pod."""

_OWNER = {
    "apiVersion": re.compile(r"[-\w./]{1,253}", re.ASCII),
    "kind": re.compile(r"\w{1,63}", re.ASCII),
    "name": NAME,
    "uid": re.compile(r"[-\w]{1,128}", re.ASCII),
}

NOTE_LIMIT = 1000  # of the 1024 bytes that an Event's note may have
TEXT_LIMIT = 512
"""No annotation made from an alert's text is longer, in characters."""


def labels_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the object's labels; empty when it has none."""
    return obj["metadata"].get("labels") or {}


def annotations_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the object's annotations; empty when it has none."""
    return obj["metadata"].get("annotations") or {}


def is_compromised(pod: Mapping[str, Any]) -> bool:
    """Tell whether the pod wears the label of a quarantine, whoever has put it there."""
    return labels_of(pod).get(COMPROMISED) == TRUE


def is_quarantined(pod: Mapping[str, Any]) -> bool:
    """Tell whether the pod is in quarantine: it has the label, its first labels in the annotation, and it has left.

    The marks alone, which anybody may have put there, take no Service's traffic off the pod. Left it has when it has no
    other label, or no controller any more; somebody may have labelled it since, to find it again.
    """
    left = len(labels_of(pod)) == 1 or not any(
        owner.get("controller") for owner in pod["metadata"].get("ownerReferences") or ()
    )
    return is_compromised(pod) and original_labels(pod) is not None and left


def is_retiring(pod: Mapping[str, Any]) -> bool:
    """Tell whether the pod is the old one of a move that is not finished."""
    return labels_of(pod).get(RETIRING) == TRUE


def original_labels(pod: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the labels that were taken off the pod, or None when the annotation is not there or not readable."""
    try:
        kept = json.loads(annotations_of(pod).get(ORIGINAL_LABELS, ""))
    except (ValueError, RecursionError):
        return None
    if not isinstance(kept, dict) or not all(isinstance(value, str) for value in kept.values()):
        return None
    return kept


def owner(pod: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the controller that a retiring pod was released from (apiVersion, kind, name, uid), or None.

    Whoever may change the pod may have written it: what could not stand in an ownerReference is none.
    """
    try:
        kept = json.loads(annotations_of(pod).get(OWNER, ""))
    except (ValueError, RecursionError):
        return None
    return {name: kept[name] for name in _OWNER} if isinstance(kept, dict) and is_reference(kept) else None


def is_reference(owner: Mapping[str, Any]) -> bool:
    """Tell whether an owner says who it is, in words that the API takes for such: of those in pods it checks few."""
    said = {name: owner.get(name) for name in _OWNER}
    return all(isinstance(part, str) and _OWNER[name].fullmatch(part) for name, part in said.items())


def render_labels(kept: Mapping[str, str]) -> str:
    """Return labels as the text that `original_labels` reads."""
    return json.dumps(dict(kept), sort_keys=True, separators=(",", ":"))


def leaks_of(pod: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return what leaks from the quarantined pod, or None when it does not say, or nobody can read it."""
    try:
        told = json.loads(annotations_of(pod).get(LEAKS, ""))
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, list) or not all(isinstance(line, str) for line in told):
        return None
    return tuple(told)


def render_leaks(lines: Iterable[str]) -> str:
    """Return lines as the text that `leaks_of` reads."""
    return json.dumps(list(lines), separators=(",", ":"))


def printable(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return untrusted text as one line of at most `limit` printable characters; the cut shows as `...`."""
    plain = text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)
    line = " ".join(plain.split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def note(text: str) -> str:
    """Return untrusted text as the note of an Event: printable, in no more bytes of UTF-8 than the API takes."""
    return printable(text, NOTE_LIMIT).encode()[:NOTE_LIMIT].decode(errors="ignore")


def quarantined_at(pod: Mapping[str, Any]) -> datetime | None:
    """Return since when the pod says that it is in quarantine, or None when it does not say."""
    return time_of(annotations_of(pod).get(QUARANTINED_AT))


def stamp(time: datetime) -> str:
    """Return an aware time as an annotation has it: RFC 3339 in UTC, all of it, so that `time_of` gives it back."""
    return timestamps.render(time)


def time_of(text: str | None) -> datetime | None:
    """Return the time that an annotation or a creationTimestamp says, or None when it says none."""
    return timestamps.rfc3339(text) if text else None
