"""Strategy Reconfigure: a restart whose new pods differ in what the policy declares. Pure but for `begin`.

One patch has it all: the fields in the template, the stamp of a restart, and on the workload what was chosen, and what
was there before. Only values change of what its owner has written there: to go back is to write the earlier ones.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from molt import combination, due, marks
from molt.combination import Chosen
from molt.policy.reconfigure import KINDS, Field
from rotate import restart
from rotate.draw import draw

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.combination import Combination
    from molt.lifetime import Keys
    from molt.policy import RotationPolicy
    from rotate.fleet import Fleet
    from rotate.plan import Move

Object = dict[str, Any]
Setting = tuple[Field, str]

PARTS = ("containers", "nodeSelector", "runtimeClassName", "serviceAccount", "serviceAccountName")
"""What of a template's spec a reconfiguration may change."""


def begin(
    cluster: Cluster, move: Move, now: datetime, notes: Mapping[str, str], keys: Keys, *, dry_run: bool = False
) -> Combination:
    """Reconfigure the move's workload, which nothing forbids, as it was read; return the combination that was drawn.

    Raises Conflict when it has changed since.
    """
    fleet = move.fleet
    following = choose(move.policy, fleet, keys)
    body = patch(fleet.top, now, notes, move.policy, following)
    metadata = fleet.top["metadata"]
    resource = restart.RESOURCES[fleet.kind]
    cluster.merge(resource, metadata["name"], body, metadata["namespace"], dry_run=dry_run)
    return following


def choose(policy: RotationPolicy, fleet: Fleet, keys: Keys) -> Combination:
    """Return the combination that comes next: another than there is, and than failed last, if there are so many."""
    top = fleet.top
    current = combination.current(top["spec"]["template"], policy.dimensions)
    failed, last = combination.undone(top), combination.chosen(top)
    state = [policy.uid, policy.generation, fleet.uid, restart.stamped(top), current, failed, due.stays(top)]
    avoided: list[Mapping[str, str | None]] = [current, failed or {}, last.variants if last else {}]
    return draw(keys.current, state, policy.dimensions, avoided)


def patch(
    top: Mapping[str, Any],
    now: datetime,
    notes: Mapping[str, str],
    policy: RotationPolicy,
    following: Combination,
) -> Object:
    """Return the merge patch that reconfigures the workload, and says how to go back."""
    before = top["spec"]["template"]
    settings = [(one.field, following[one.name]) for one in policy.dimensions]
    after = changed(before, settings)
    body = restart.patch(top, now, notes)
    body["metadata"]["annotations"] |= {
        marks.COMBINATION: Chosen(following, policy.name, marks.stamp(now)).render(),
        marks.RECONFIGURED_FROM: _origin(top, [field for field, _ in settings]),
        marks.RESTARTED_TEMPLATE: restart.digest({"spec": {"template": after}}),
    }
    _add(body, before, after)
    return body


def is_one(top: Mapping[str, Any]) -> bool:
    """Tell whether what is under way is a reconfiguration, and not a mere restart."""
    return marks.RECONFIGURED_FROM in marks.annotations_of(top)


def back(top: Mapping[str, Any], now: datetime) -> Object | None:
    """Return the merge patch that gives the workload back what it had; None when nobody can read what that was."""
    body = restart.back(top, now)
    if not is_one(top):
        return body
    origin = _read(top)
    if origin is None:
        return None
    template, earlier = origin
    failed = combination.chosen(top)
    body["metadata"]["annotations"] |= {
        marks.COMBINATION: earlier,
        marks.UNDONE_COMBINATION: failed and combination.render(failed.variants),
    }
    _add(body, top["spec"]["template"], template)
    return body


def ended(top: Mapping[str, Any], *, well: bool) -> Object:
    """Return the merge patch that takes the marks off; `well`: earlier failures are past."""
    body = restart.ended(top, well=well)
    if well and is_one(top):
        body["metadata"]["annotations"][marks.UNDONE_COMBINATION] = None
    return body


def changed(template: Mapping[str, Any], settings: Iterable[Setting]) -> Object:
    """Return the template with other values of fields that it has."""
    new = copy.deepcopy(dict(template))
    for field, value in settings:
        _set(new, field, value)
    return new


def told(following: Combination) -> str:
    """Return a combination in words."""
    return ", ".join(f"{name}={variant}" for name, variant in following.items())


def _set(template: Object, field: Field, value: str) -> None:
    spec, of = template["spec"], combination.container(template, field.container) or {}
    match field.kind:
        case "label":
            template["metadata"]["labels"][field.key] = value
        case "nodeSelector":
            spec["nodeSelector"][field.key] = value
        case "image":
            of["image"] = value
        case "port":
            (combination.port(of, field.key) or {})["containerPort"] = int(value)
            (combination.variable(of, field.env) or {})["value"] = value
        case "environment":
            said = combination.variable(of, field.key) or {}
            said |= {"value": value}
            if not value:  # as the API has it
                del said["value"]
        case _:
            # An account has an older name too, which the API keeps the same.
            older = ("serviceAccount",) if field.kind == "serviceAccountName" and "serviceAccount" in spec else ()
            spec |= dict.fromkeys((field.kind, *older), value)


def _add(body: Object, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Add to a patch what of the template differs."""
    part = body["spec"]["template"]
    if after.get("metadata") != before.get("metadata"):
        part["metadata"]["labels"] = after["metadata"]["labels"]
    new, old = after["spec"], before["spec"]
    part["spec"] = {name: new[name] for name in PARTS if new.get(name) != old.get(name)}


def _origin(top: Mapping[str, Any], fields: Iterable[Field]) -> str:
    """Return the text that says what the fields, and the annotation, are before a reconfiguration."""
    template = top["spec"]["template"]
    settings = [[one.kind, one.container, one.key, one.env, combination.value_of(template, one)] for one in fields]
    earlier = marks.annotations_of(top).get(marks.COMBINATION)
    return json.dumps({"combination": earlier, "settings": settings}, sort_keys=True, separators=(",", ":"))


def _read(top: Mapping[str, Any]) -> tuple[Object, str | None] | None:
    """Return the earlier template and annotation, from what `_origin` has written; None when somebody else has."""
    template = top["spec"]["template"]
    try:
        kept = json.loads(marks.annotations_of(top)[marks.RECONFIGURED_FROM])
        settings = [(Field(*map(str, words)), str(value)) for *words, value in kept["settings"]]
        earlier, before = kept["combination"], changed(template, settings)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    touched = (Field(*part) for field, _ in settings for part in field.touches())
    known = all(one.kind in KINDS and combination.value_of(template, one) is not None for one in touched)
    return (before, earlier) if known and isinstance(earlier, str | None) else None
