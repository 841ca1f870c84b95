"""How many pods of a workload: a count, or a percentage of its replicas."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt.policy.fields import quote

if TYPE_CHECKING:
    from molt.policy.fields import Reader

_PERCENTAGE = re.compile(r"(100|[1-9][0-9]?)%")
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Amount:
    """`value` pods, or `value` % of them; 1..10000 pods, 1..100 %."""

    value: int
    percent: bool = False

    def of(self, total: int) -> int:
        """Return how many of `total` pods this is: a percentage is rounded down, and never less than one pod."""
        return max(1, total * self.value // 100) if self.percent else self.value

    def render(self) -> int | str:
        """Return it as in a manifest: 2 or "25%"."""
        return f"{self.value}%" if self.percent else self.value


def parse(value: Any) -> Amount | None:
    """Return the amount that 2 or "25%" is, or None for anything else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return Amount(value) if 1 <= value <= _MOST else None
    if isinstance(value, str) and (percentage := _PERCENTAGE.fullmatch(value)):
        return Amount(int(percentage[1]), percent=True)
    return None


def read(reader: Reader, name: str, *, default: Amount) -> Amount:
    """Return the field's amount, or `default` when absent or wrong (noted)."""
    return optional(reader, name) or default


def optional(reader: Reader, name: str) -> Amount | None:
    """Return the field's amount, or None when absent or wrong (noted)."""
    value = reader.raw(name)
    if value is None:
        return None
    amount = parse(value)
    if amount is None:
        reader.problems.note(
            reader.at(name), f'{quote(value)} is neither a count from 1 nor a percentage such as "25%"'
        )
    return amount
