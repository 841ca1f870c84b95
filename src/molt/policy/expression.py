"""CEL over `alert`: the one module that knows the evaluator.

The library is imported when the first expression is met, so that functions and commands without one need not carry it.
It is Google's cel-cpp, and bounds the steps of an evaluation by itself: an expression cannot run away.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# CEL's int and uint together; they compare with each other and with doubles.
_INTEGERS = range(-(2**63), 2**64)
_MESSAGE = re.compile(r"(?:[A-Z_]+: )?(?:ERROR: <input>:)?(.*?)(?: \(in container ''\))?(?: \[[A-Z_]+\])?")


class ExpressionError(ValueError):
    """An expression that does not compile, or cannot be evaluated for this alert; one line."""


def check(source: str) -> str | None:
    """Return why `source` is no expression over `alert`, or None when it is one."""
    try:
        kind = _compile(source).return_type().name()
    except ExpressionError as error:
        return str(error)
    return None if kind in ("BOOL", "DYN") else f"gives {kind}, not BOOL"


def evaluate(source: str, alert: Mapping[str, Any]) -> bool:
    """Return what the expression says of an alert's dict.

    Raises ExpressionError when it reads a key that this alert lacks, and for every other failure.
    """
    try:
        result = _compile(source).eval(data={"alert": _plain(alert)})
    except RuntimeError as error:
        raise ExpressionError(_one_line(error)) from error
    kind = result.type().name()
    if kind == "ERROR":
        raise ExpressionError(_one_line(result.value()))
    if kind != "BOOL":
        reason = f"gives {kind}, not BOOL"
        raise ExpressionError(reason)
    return bool(result.value())


@lru_cache(maxsize=256)
def _compile(source: str) -> Any:
    """Return the compiled expression; compilation takes a hundred evaluations' time."""
    try:
        return _environment().compile(source)
    except RuntimeError as error:
        raise ExpressionError(_one_line(error)) from error


@lru_cache(maxsize=1)
def _environment() -> Any:
    """Return the environment with the one variable."""
    try:
        from cel_expr_python import cel  # noqa: PLC0415 - the only import of a 50 MB extra, made when it is needed
    except ImportError as error:
        reason = "needs the package cel-expr-python (extra `cel`)"
        raise ExpressionError(reason) from error
    return cel.NewEnv(variables={"alert": cel.Type.DYN})


def _plain(value: Any) -> Any:
    """Return `value` in CEL's types; Falco's uint64 stay exact, and what no CEL integer holds becomes a double."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, int) and value not in _INTEGERS:
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return value


def _one_line(error: object) -> str:
    """Return the library's message without its codes and its excerpt of the source; `1:19: ` is line and column."""
    first = str(error).partition("\n")[0]
    found = _MESSAGE.fullmatch(first)
    return found[1] if found else first
