"""Numbers that may be percentages (the API's IntOrString)."""

from __future__ import annotations


def resolve(amount: int | str, total: int, *, up: bool) -> int:
    """Return `amount` itself, or "25%" of `total` rounded `up` or down. Raises ValueError on any other text."""
    if isinstance(amount, int):
        return amount
    number, percent, rest = amount.partition("%")
    if not percent or rest:
        message = f"{amount!r} is neither a number nor a percentage"
        raise ValueError(message)
    share = int(number) * total
    return -(-share // 100) if up else share // 100
