"""The history of a StatefulSet's template, as ControllerRevisions.

As k8s.io/kubernetes/pkg/controller/history. The label controller-revision-hash of a pod is its revision's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from molt.embedded.cluster.controllers.actions import Action, Create, Delete, Object, Update
from molt.embedded.cluster.controllers.hashing import template_hash
from molt.embedded.cluster.controllers.kinds import CONTROLLER_REVISION, STATEFUL_SET
from molt.embedded.cluster.controllers.ownership import is_controlled_by, reference_to
from molt.embedded.cluster.controllers.pods import labels_of

if TYPE_CHECKING:
    from collections.abc import Iterable

HASH = "controller-revision-hash"
DEFAULT_HISTORY = 10


@dataclass(frozen=True, slots=True)
class History:
    """The revision that the pods come from, the one they go to, their templates, and the writes that note them."""

    current: str
    update: str
    templates: dict[str, Object]
    actions: list[Action]


def history(stateful_set: Object, revisions: Iterable[Object], pods: Iterable[Object]) -> History:
    """Return the history of `stateful_set`, with its present template noted as the newest revision."""
    owned = sorted((one for one in revisions if is_controlled_by(one, stateful_set)), key=_number)
    template = stateful_set["spec"]["template"]
    templates = {one["metadata"]["name"]: one["data"]["spec"]["template"] for one in owned}
    update = next((name for name, known in templates.items() if known == template), None)
    update = update or f"{stateful_set['metadata']['name']}-{template_hash(template)}"
    actions = _noted(stateful_set, owned, update, template)
    current = (stateful_set.get("status") or {}).get("currentRevision", update)
    templates[update] = template
    current = current if current in templates else update
    live = {current, update} | {labels_of(pod).get(HASH, "") for pod in pods}
    old = [one for one in owned if one["metadata"]["name"] not in live]
    surplus = max(len(old) - stateful_set["spec"].get("revisionHistoryLimit", DEFAULT_HISTORY), 0)
    actions += [Delete(CONTROLLER_REVISION.plural, one) for one in old[:surplus]]
    return History(current, update, templates, actions)


def _noted(stateful_set: Object, owned: list[Object], update: str, template: Object) -> list[Action]:
    """Return the write that makes `update` the newest revision."""
    newest = _number(owned[-1]) if owned else 0
    known = next((one for one in owned if one["metadata"]["name"] == update), None)
    if known is not None:
        return [] if known is owned[-1] else [Update(CONTROLLER_REVISION.plural, known | {"revision": newest + 1})]
    revision = {
        "apiVersion": CONTROLLER_REVISION.api_version,
        "kind": CONTROLLER_REVISION.kind,
        "metadata": {
            "name": update,
            "namespace": stateful_set["metadata"]["namespace"],
            "labels": labels_of(template) if "metadata" in template else {},
            "ownerReferences": [reference_to(STATEFUL_SET, stateful_set)],
        },
        "data": {"spec": {"template": template}},
        "revision": newest + 1,
    }
    return [Create(CONTROLLER_REVISION.plural, revision)]


def _number(revision: Object) -> int:
    return int(revision["revision"])
