"""The CEL rules of a schema (x-kubernetes-validations), evaluated by the same language that the API server speaks."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_math, ext_strings

from molt.embedded.cluster.objects import ABSENT
from molt.embedded.cluster.problems import DUPLICATE, FORBIDDEN, INVALID, OMIT, REQUIRED, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES: Final = "x-kubernetes-validations"
MISSING_KEY: Final = re.compile(r'^NOT_FOUND: Key not found in map : "(.*)"$')
REASONS: Final = {
    "FieldValueDuplicate": DUPLICATE,
    "FieldValueForbidden": FORBIDDEN,
    "FieldValueInvalid": INVALID,
    "FieldValueRequired": REQUIRED,
}


class RuleError(Exception):
    """The rule cannot be compiled or evaluated; the text says why."""


@lru_cache(maxsize=1)
def _environment() -> Any:
    variables = {"self": cel.Type.DYN, "oldSelf": cel.Type.DYN}
    return cel.NewEnv(variables=variables, extensions=[ext_strings.ExtStrings(), ext_math.ExtMath()])


@lru_cache(maxsize=1024)
def compiled(expression: str) -> Any:
    """Return the compiled expression. Raises RuleError."""
    try:
        return _environment().compile(expression)
    except (RuntimeError, ValueError) as error:
        raise RuleError(str(error)) from error


def evaluate(expression: str, variables: dict[str, Any]) -> Any:
    """Return the value of an expression over `self` and `oldSelf`. Raises RuleError."""
    result = compiled(expression).eval(data=variables)
    if result.type() == cel.Type.ERROR:
        raise RuleError(MISSING_KEY.sub(r"no such key: \1", str(result.value())))
    return result.value()


def faults(schema: dict[str, Any], value: Any, old: Any = ABSENT, path: str = "") -> Iterator[Fault]:
    """Yield what the schema's rules say against `value`, at every depth; `old` is what it replaces, if known.

    Rules that name oldSelf hold only where there is an old value, as in the API server (optionalOldSelf: unsupported).
    """
    for rule in schema.get(RULES) or ():
        if "oldSelf" not in rule["rule"] or old is not ABSENT:
            yield from _judge(schema, rule, value, old, path)
    if isinstance(value, dict):
        properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
        ruled = value.keys() if _has_rules(additional) else [key for key in properties if key in value]
        for key in ruled:
            item, part = value[key], properties.get(key, additional)
            if isinstance(part, dict) and _has_rules(part):
                before = old.get(key, ABSENT) if isinstance(old, dict) else ABSENT
                name = f"{path}.{key}" if key in properties else f"{path}[{key}]"
                yield from faults(part, item, before, name.removeprefix("."))
    elif isinstance(value, list) and schema.get("items"):
        for index, item in enumerate(value):
            yield from faults(schema["items"], item, _correlated(schema, item, old), f"{path}[{index}]")


def _has_rules(schema: Any) -> bool:
    """Tell whether there are rules in a part of a schema, at any depth: in most there are none."""
    if not isinstance(schema, dict):
        return False
    below = (schema.get("properties") or {}).values()
    return RULES in schema or any(map(_has_rules, (*below, schema.get("items"), schema.get("additionalProperties"))))


def _correlated(schema: dict[str, Any], item: Any, old: Any) -> Any:
    """Return the item that this one replaces: only lists of type map can tell."""
    keys = schema.get("x-kubernetes-list-map-keys")
    if not keys or not isinstance(old, list):
        return ABSENT
    return next((one for one in old if all(one.get(key) == item.get(key) for key in keys)), ABSENT)


def _judge(schema: dict[str, Any], rule: dict[str, Any], value: Any, old: Any, path: str) -> Iterator[Fault]:
    variables = {"self": value, "oldSelf": None if old is ABSENT else old}
    kind = schema.get("type", "")
    try:
        if evaluate(rule["rule"], variables) is True:
            return
    except RuleError as error:
        yield Fault(path or "<nil>", INVALID, kind, f"{error} evaluating rule: {rule.get('message') or rule['rule']}")
        return
    where = f"{path}{rule.get('fieldPath', '')}".removeprefix(".")
    shown = OMIT if kind in ("object", "array") else value
    yield Fault(where or "<nil>", REASONS[rule.get("reason", "FieldValueInvalid")], shown, _message(rule, variables))


def _message(rule: dict[str, Any], variables: dict[str, Any]) -> str:
    if "messageExpression" in rule:
        try:
            text = evaluate(rule["messageExpression"], variables)
        except RuleError:
            text = None
        if isinstance(text, str) and text.strip() and "\n" not in text:
            return text.strip()
    return str(rule.get("message") or f"failed rule: {rule['rule']}").strip()
