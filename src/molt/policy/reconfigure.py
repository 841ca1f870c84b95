"""The dimensions of a RotationPolicy that reconfigures: what of a workload's pods changes, and between which variants.

A variant is a text, a port's number too. One that is pinned is the only choice of its dimension.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from molt.policy import selector
from molt.policy.fields import describe, integer, quote, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from molt.policy.fields import Reader

STRATEGY = "Reconfigure"
MOST_DIMENSIONS, MOST_VARIANTS, LEAST_VARIANTS = 8, 16, 2
OWN_PREFIX = "molt-project.io/"
CONTROLLERS_KEYS = (
    *("pod-template-hash", "controller-revision-hash"),
    *("statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"),
)
"""Labels by which controllers tell their pods."""

_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
NAME = (re.compile(_LABEL), "a name such as build")
CONTAINER = (re.compile(_LABEL), "the name of a container")
PORT_NAME = (re.compile(_LABEL), "the name of a port")
VARIABLE = (re.compile(r"[A-Za-z_.-][A-Za-z0-9_.-]*"), "the name of a variable")
IMAGE = (re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*"), "a reference to an image")
OBJECT = (re.compile(rf"{_LABEL}(\.{_LABEL})*"), "the name of an object")
VALUE = (re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?"), "a label value")


@dataclass(frozen=True, slots=True)
class Field:
    """What of a pod template changes; `kind` is the word of the policy for it."""

    kind: str
    container: str = ""
    key: str = ""
    """The port's name, the variable's, or the label's key."""
    env: str = ""
    """Of a port: the variable that tells the program its number."""

    def touches(self) -> tuple[tuple[str, str, str], ...]:
        """Return what else no other dimension may change."""
        own = (self.kind, self.container, self.key)
        return (own, ("environment", self.container, self.env)) if self.env else (own,)


@dataclass(frozen=True, slots=True)
class Dimension:
    """A field, and what it may be; `pin` is "" where any variant may be drawn."""

    name: str
    field: Field
    variants: tuple[str, ...]
    pin: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        """Return what may be drawn."""
        return (self.pin,) if self.pin else self.variants


def read(reader: Reader, strategy: str) -> tuple[Dimension, ...]:
    """Return spec.reconfigure, which the strategy Reconfigure needs and no other has; notes what is wrong with it."""
    note = reader.problems.note
    path = reader.at("reconfigure")
    there = reader.has("reconfigure")
    if reader.readable and there != (strategy == STRATEGY):
        note(path, f"belongs to strategy {STRATEGY}" if there else f"missing: strategy {STRATEGY} needs it")
    readers = reader.objects("reconfigure", most=MOST_DIMENSIONS)
    if isinstance(reader.raw("reconfigure"), list) and not readers:
        note(path, "must not be empty; leave it out instead")
    found = tuple(map(_dimension, readers))
    _note_doubles(reader, found)
    if found and all(one.pin for one in found):
        note(path, "every dimension is pinned: there is nothing to choose")
    return found


def _note_doubles(reader: Reader, found: Iterable[Dimension]) -> None:
    """Note names, fields and numbers of ports that two dimensions have; what is wrong by itself was noted already."""
    taken: dict[object, str] = {}
    for index, one in enumerate(found):
        where = f"{reader.at('reconfigure')}[{index}]"
        claims: list[tuple[object, str]] = [(one.name, "has the name of")] if one.name else []
        if one.variants:
            claims += [(item, "changes the same as") for item in one.field.touches()]
        if one.field.kind == "port":
            claims += [(("number", number), f"has port {number}, as has") for number in one.variants]
        for claim, said in claims:
            if other := taken.get(claim):
                reader.problems.note(where, f"{said} {other}")
            taken.setdefault(claim, where)


def _dimension(reader: Reader) -> Dimension:
    """Read one of spec.reconfigure: a name, and the one field that says what changes."""
    name = reader.text("name", required=True, longest=63, pattern=NAME)
    found = [(kind, reader.object(kind)) for kind in _KINDS if reader.has(kind)]
    reader.close(known=_KINDS)
    if len(found) != 1:
        if reader.readable:
            reader.problems.note(reader.path, f"must have exactly one of {', '.join(_KINDS)}")
        return Dimension(name, Field(""), ())
    kind, inner = found[0]
    return Dimension(name, *_KINDS[kind](kind, inner))


_Read = tuple[Field, tuple[str, ...], str]


def _image(kind: str, reader: Reader) -> _Read:
    """Read image: of which container."""
    field = Field(kind, _container(reader))
    return field, *_choice(reader, partial(_text, longest=512, pattern=IMAGE))


def _port(kind: str, reader: Reader) -> _Read:
    """Read port: the named port of a container, and the variable that tells the program its number."""
    key = reader.text("name", required=True, longest=15, pattern=PORT_NAME)
    env = reader.text("env", required=True, pattern=VARIABLE)
    return Field(kind, _container(reader), key, env), *_choice(reader, _number)


def _environment(kind: str, reader: Reader) -> _Read:
    """Read environment: a variable of a container."""
    key = reader.text("name", required=True, pattern=VARIABLE)
    return Field(kind, _container(reader), key), *_choice(reader, partial(_text, longest=1024))


def _object(kind: str, reader: Reader) -> _Read:
    """Read serviceAccountName or runtimeClassName."""
    return Field(kind), *_choice(reader, partial(_text, longest=253, pattern=OBJECT))


def _labelled(kind: str, reader: Reader) -> _Read:
    """Read nodeSelector or label: the key, and its values."""
    key = reader.text("key", required=True, longest=selector.LONGEST_KEY, pattern=selector.KEY)
    if kind == "label" and (key in CONTROLLERS_KEYS or key.startswith(OWN_PREFIX)):
        reader.problems.note(reader.at("key"), f"{quote(key)} is a label that controllers tell pods by")
    return Field(kind, "", key), *_choice(reader, partial(_text, longest=63, pattern=VALUE))


_KINDS: Mapping[str, Callable[[str, Reader], _Read]] = {
    "image": _image,
    "port": _port,
    "environment": _environment,
    "serviceAccountName": _object,
    "nodeSelector": _labelled,
    "runtimeClassName": _object,
    "label": _labelled,
}


KINDS = tuple(_KINDS)
"""What a dimension may change."""


def _container(reader: Reader) -> str:
    return reader.text("container", required=True, longest=63, pattern=CONTAINER)


def _choice(reader: Reader, one: Callable[[Reader, Any, str], str]) -> tuple[tuple[str, ...], str]:
    """Read the variants, and which of them is pinned; `one` reads a single one, "" for what is none."""
    note = reader.problems.note
    found: list[str] = []
    for path, item in reader.items("variants", most=MOST_VARIANTS, required=True):
        value = one(reader, item, path)
        if value in found:
            note(path, f"{quote(item)} is listed twice")
        elif value:
            found.append(value)
    listed = reader.raw("variants")
    if isinstance(listed, list) and len(listed) < LEAST_VARIANTS:
        note(reader.at("variants"), f"has {len(listed)} items, and must have {LEAST_VARIANTS} at least")
    pin = one(reader, reader.raw("pin"), reader.at("pin")) if reader.has("pin") else ""
    if pin and pin not in found:
        note(reader.at("pin"), f"{quote(pin)} is none of the variants")
    reader.raw("pin")
    reader.close()
    return tuple(found), pin


def _text(
    reader: Reader, value: Any, path: str, *, longest: int, pattern: tuple[re.Pattern[str], str] | None = None
) -> str:
    return text(value, path, reader.problems, longest=longest, pattern=pattern)


def _number(reader: Reader, value: Any, path: str) -> str:
    # Where the API server's rules look at an integer, they take no whole float for one.
    if isinstance(value, float):
        reader.problems.note(path, f"must be an integer, not {describe(value)}")
        return ""
    number = integer(value, path, reader.problems, least=1, most=65_535)
    return "" if number is None else str(number)
