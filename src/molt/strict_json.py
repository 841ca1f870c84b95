"""JSON as RFC 8259 has it, from senders that are not trusted; Python's own reader takes more."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

_DEPTH = 64  # of nesting; Falco's fields need 4, a routing slip 6


def decode(body: bytes) -> Any:
    """Return the JSON value in `body`. Raises ValueError, which says why there is none.

    Refused are NaN, Infinity, numbers too large for a float, nesting deeper than 64, and text that is not UTF-8. Half
    of a surrogate pair, which no UTF-8 can carry on, becomes U+FFFD.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    if _is_deep(value):
        raise ValueError("nested too deep")
    return _without_half_pairs(value) if "\\ud" in text.lower() else value


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:64]} is too large a number")
    return number


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(_DEPTH):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _without_half_pairs(value: object) -> Any:
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
