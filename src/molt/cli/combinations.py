"""What combination each workload of a Reconfigure policy has, who chose it, and what is pinned. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import combination, marks
from molt.cli.age import relative

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from molt.combination import Chosen, Combination
    from molt.policy import RotationPolicy

COLUMNS = ("Workload", "Dimension", "Now", "Pinned to", "Variants", "Note")


@dataclass(frozen=True, slots=True)
class Standing:
    """A workload (`Kind/name`): what its template has of each dimension, and what its annotations tell."""

    workload: str
    reconfigurable: bool
    now: Mapping[str, str | None]
    chosen: Chosen | None
    undone: Combination | None

    @property
    def changed(self) -> list[str]:
        """Return the dimensions that somebody has changed since they were chosen."""
        then = self.chosen.variants if self.chosen else {}
        return [name for name, value in self.now.items() if name in then and then[name] != value]


def standing(policy: RotationPolicy, workload: str, obj: Mapping[str, Any]) -> Standing:
    """Return how a workload stands to the policy's dimensions."""
    return Standing(
        workload=workload,
        reconfigurable=marks.labels_of(obj).get(marks.RECONFIGURABLE) == marks.TRUE,
        now=combination.current(obj["spec"].get("template") or {}, policy.dimensions),
        chosen=combination.chosen(obj),
        undone=combination.undone(obj),
    )


def rows(policy: RotationPolicy, found: Iterable[Standing], now: datetime) -> list[tuple[object, ...]]:
    """Return a row for each dimension of each workload; what is said of the workload stands in its first."""
    shown: list[tuple[object, ...]] = []
    for one in found:
        for index, dimension in enumerate(policy.dimensions):
            value = one.now[dimension.name]
            ends = ("", "") if index else (one.workload, _note(one, now))
            said = (dimension.name, "not there" if value is None else value, dimension.pin, len(dimension.variants))
            shown.append((ends[0], *said, ends[1]))
    return shown


def as_json(policy: RotationPolicy, found: Iterable[Standing]) -> list[dict[str, Any]]:
    """Return the same as JSON; `chosen` and `undone` are null where there is none."""
    pinned = {one.name: one.pin for one in policy.dimensions if one.pin}
    return [
        {
            "workload": one.workload,
            "reconfigurable": one.reconfigurable,
            "combination": dict(one.now),
            "pinned": pinned,
            "chosen": one.chosen
            and {"at": one.chosen.at, "policy": one.chosen.policy, "variants": one.chosen.variants},
            "changedSince": one.changed,
            "undone": one.undone,
        }
        for one in found
    ]


def _note(one: Standing, now: datetime) -> str:
    said = [] if one.reconfigurable else [f"not labelled {marks.RECONFIGURABLE}=true"]
    if one.chosen is None:
        said.append("as its owner has it")
    else:
        said.append(f"chosen {relative(one.chosen.at, now)} by policy {one.chosen.policy}")
    if one.changed:
        said.append(f"changed since: {', '.join(one.changed)}")
    if one.undone:
        said.append("taken back: " + ", ".join(f"{name}={variant}" for name, variant in one.undone.items()))
    return "; ".join(said)
