"""Custom resources against their schema: OpenAPI v3.0 as JSON Schema draft 4, answered in the API server's words.

OpenAPI differs in `nullable`, `x-kubernetes-int-or-string` and formats; the words are those of kube-openapi.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft4Validator, FormatChecker, ValidationError, validators

from molt.embedded.cluster.objects import altered
from molt.embedded.cluster.problems import INVALID, NOT_SUPPORTED, REQUIRED, TOO_LONG, TOO_MANY, TYPE_INVALID, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INT_OR_STRING: Final = "x-kubernetes-int-or-string"
UNCHECKED: Final = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)
UNCHANGED: Final = object()
WHOLE: Final = (
    "allOf",
    "anyOf",
    "enum",
    "minProperties",
    "not",
    "oneOf",
)  # of these a fault shows the value, or asks it
BLOCKING: Final = (NOT_SUPPORTED, REQUIRED, TOO_LONG, TOO_MANY, TYPE_INVALID)


def _type(validator: Any, wanted: str, value: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
    """Check `type`, with `nullable`; a whole float is an integer, as in Go's JSON numbers."""
    if value is None and schema.get("nullable"):
        return
    whole = wanted == "integer" and isinstance(value, float) and value.is_integer()
    if not whole and not validator.is_type(value, wanted):
        yield ValidationError(wanted)


def _int_or_string(_: Any, wanted: bool, value: Any, __: dict[str, Any]) -> Iterator[ValidationError]:  # noqa: FBT001 - jsonschema's signature
    if wanted and (isinstance(value, bool) or not isinstance(value, int | str)):
        yield ValidationError("integer,string", validator="type")


def _enum(_: Any, allowed: list[Any], value: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
    if value not in allowed and not (value is None and schema.get("nullable")):
        yield ValidationError("enum")


def _properties(validator: Any, parts: dict[str, Any], value: Any, _: dict[str, Any]) -> Iterator[ValidationError]:
    if isinstance(value, dict):
        for name, part in parts.items():
            if value.get(name, UNCHANGED) is not UNCHANGED:
                yield from validator.descend(value[name], part, path=name, schema_path=name)


def _additional(validator: Any, part: Any, value: Any, schema: dict[str, Any]) -> Iterator[ValidationError]:
    """Check what no property is; where nothing is allowed, pruning has left nothing."""
    if isinstance(value, dict) and isinstance(part, dict):
        known = schema.get("properties") or {}
        for name in [name for name, item in value.items() if item is not UNCHANGED and name not in known]:
            yield from validator.descend(value[name], part, path=name)


FORMATS: Final = FormatChecker(())


@FORMATS.checks("date-time", raises=ValueError)
def _date_time(value: Any) -> bool:
    if isinstance(value, str):
        datetime.fromisoformat(value)
        return re.fullmatch(r"\d{4}-\d\d-\d\d[Tt ].*([Zz]|[+-]\d\d:\d\d)", value) is not None
    return True


_Validator: Final = validators.extend(  # type: ignore[no-untyped-call]  # jsonschema's stubs leave it untyped
    Draft4Validator,
    {
        "type": _type,
        INT_OR_STRING: _int_or_string,
        "enum": _enum,
        "properties": _properties,
        "additionalProperties": _additional,
        "$ref": None,
    },
)


def faults(schema: dict[str, Any], body: dict[str, Any], old: Any) -> list[Fault]:
    """Return what is wrong with `body` (an object without apiVersion, kind and metadata).

    What is the very same in `old`, which was found good by this schema, is not checked again.
    """
    validator = _Validator(schema, format_checker=FORMATS)
    found = [_fault(error) for error in validator.iter_errors(_marked(schema, body, old))]
    return sorted(found, key=lambda fault: fault.field)


def _marked(schema: dict[str, Any], value: Any, old: Any) -> Any:
    """Return `value` with UNCHANGED for what need not be checked, unless the schema looks at more than each of it."""
    if not isinstance(value, dict) or not isinstance(old, dict) or not schema.keys().isdisjoint(WHOLE):
        return value
    properties, additional = schema.get("properties") or {}, schema.get("additionalProperties")
    found: dict[str, Any] = dict.fromkeys(value, UNCHANGED)
    for key in altered(value, old):
        part = properties.get(key, additional)
        found[key] = _marked(part, value[key], old.get(key)) if isinstance(part, dict) else value[key]
    return found


def blocked(found: list[Fault]) -> list[Fault]:
    """Return the fault that says why CEL rules are not evaluated, when what was found forbids it."""
    return [Fault("<nil>", INVALID, None, UNCHECKED)] if any(one.type in BLOCKING for one in found) else []


def dotted(parts: Any) -> str:
    """Return a path as the API server writes it: `spec.remedies[0].quarantine`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".")


def type_name(value: Any) -> str:
    """Return the JSON type of a value, as kube-openapi names it."""
    if value is None:
        return "null"
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


def _fault(error: ValidationError) -> Fault:
    limit: Any = error.validator_value
    instance: Any = error.instance
    path = dotted(error.absolute_path)
    where = f"{path} in body" if path else "in body"
    if error.validator == "required":
        missing = re.match(r"'(.*)' is a required property", error.message)
        name = missing[1] if missing else ""
        return Fault(f"{path}.{name}" if path else name, REQUIRED)
    if error.validator == "type":
        actual = type_name(instance)
        return Fault(path, TYPE_INVALID, actual, f'{where} must be of type {error.message}: "{actual}"')
    if error.validator == "enum":
        values = ", ".join(f'"{one}"' for one in limit)
        return Fault(path, NOT_SUPPORTED, instance, f"supported values: {values}")
    if error.validator == "maxLength":
        unit = "byte" if limit == 1 else "bytes"
        return Fault(path, TOO_LONG, detail=f"may not be more than {limit} {unit}")
    if error.validator in ("maxItems", "maxProperties"):
        unit = "item" if limit == 1 else "items"
        return Fault(path, TOO_MANY, len(instance), f"must have at most {limit} {unit}")
    return Fault(path, INVALID, instance, f"{where} {_sentence(error)}")


_SENTENCES: Final[dict[str, Callable[[Any, dict[str, Any]], str]]] = {
    "minimum": lambda limit, schema: (
        f"should be greater than {'' if schema.get('exclusiveMinimum') else 'or equal to '}{limit}"
    ),
    "maximum": lambda limit, schema: (
        f"should be less than {'' if schema.get('exclusiveMaximum') else 'or equal to '}{limit}"
    ),
    "minLength": lambda limit, _: f"should be at least {limit} chars long",
    "pattern": lambda pattern, _: f"should match '{pattern}'",
    "multipleOf": lambda factor, _: f"should be a multiple of {factor}",
    "minItems": lambda limit, _: f"should have at least {limit} items",
    "minProperties": lambda limit, _: f"should have at least {limit} properties",
    "uniqueItems": lambda _, __: "shouldn't contain duplicates",
    "format": lambda name, _: f"must be of type {name}",
    "anyOf": lambda _, __: "must validate at least one schema (anyOf)",
    "oneOf": lambda _, __: "must validate one and only one schema (oneOf)",
    "allOf": lambda _, __: "must validate all the schemas (allOf)",
    "not": lambda _, __: "must not validate the schema (not)",
}


def _sentence(error: ValidationError) -> str:
    sentence = _SENTENCES[str(error.validator)](error.validator_value, dict(error.schema))  # type: ignore[arg-type]
    return f'{sentence}: "{error.instance}"' if error.validator == "format" else sentence
