"""What a RotationPolicy's `secrets` say: whose values are renewed how often, and who is restarted then."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from molt.policy import duration
from molt.policy.fields import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from molt.policy.fields import Reader
    from molt.policy.rotation import Lifetime

MOST = 8
"""Secrets that one policy regenerates."""
PREVIOUS = "-previous"
"""What the name of a key ends in under which its former value is kept for a time."""
DEFAULT_LENGTH = 32
KINDS = ("Deployment", "StatefulSet", "DaemonSet")
ALPHABETS = ("alphanumeric", "base64", "hex")

_MOST_KEYS, _MOST_DEPENDANTS = 16, 16
_LONGEST_NAME = 253
_LONGEST_KEY = _LONGEST_NAME - len(PREVIOUS)
_SHORTEST, _LONGEST, _SHORTEST_HEX = 16, 128, 32
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME = (re.compile(rf"{_LABEL}(\.{_LABEL})*"), "a name of lower-case letters, digits, - and .")
_KEY = (
    re.compile(rf"(?!.*{PREVIOUS}\Z)[-._a-zA-Z0-9]+"),
    f"a key of letters, digits, -, _ and . that does not end in {PREVIOUS}",
)


@dataclass(frozen=True, slots=True)
class Dependant:
    """A workload that reads the Secret when its pods start."""

    kind: str
    name: str

    def __str__(self) -> str:
        """Return `Kind/name`."""
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Regeneration:
    """A Secret of the policy's namespace, and what is to become of it."""

    name: str
    keys: tuple[str, ...]
    lifetime: Lifetime
    length: int = DEFAULT_LENGTH
    """Characters of a new value."""
    alphabet: str = "alphanumeric"
    dependants: tuple[Dependant, ...] = ()
    """In the order in which they are restarted."""
    overlap: timedelta = timedelta()
    """How long the former values are kept at least; and until every dependant is Ready."""


def parse(readers: Sequence[Reader], lifetime: Callable[[Reader], Lifetime]) -> tuple[Regeneration, ...]:
    """Return the Secrets that list items name; what is wrong is noted. `lifetime` reads a lifetime."""
    found: list[Regeneration] = []
    for reader in readers:
        one = _regeneration(reader, lifetime)
        if one.name in [other.name for other in found if other.name]:
            reader.problems.note(reader.at("name"), f"{quote(one.name)} is listed twice")
        found.append(one)
    return tuple(found)


def _regeneration(reader: Reader, lifetime: Callable[[Reader], Lifetime]) -> Regeneration:
    name = reader.text("name", required=True, longest=_LONGEST_NAME, pattern=_NAME)
    reader.raw("keys", required=True)
    one = Regeneration(
        name=name,
        keys=reader.strings("keys", most=_MOST_KEYS, longest=_LONGEST_KEY, pattern=_KEY),
        lifetime=lifetime(reader.object("lifetime", required=True)),
        length=reader.integer("length", least=_SHORTEST, most=_LONGEST, default=DEFAULT_LENGTH),
        alphabet=reader.choice("alphabet", ALPHABETS, default="alphanumeric"),
        dependants=_dependants(reader),
        overlap=duration.read(reader, "overlap", least=timedelta()),
    )
    if one.alphabet == "hex" and one.length < _SHORTEST_HEX:
        reader.problems.note(reader.at("length"), f"{one.length} is too short for hex: at least {_SHORTEST_HEX}")
    if one.alphabet == "base64" and one.length % 4:
        reader.problems.note(reader.at("length"), f"{one.length} is no multiple of 4, as base64 needs it")
    reader.close()
    return one


def _dependants(reader: Reader) -> tuple[Dependant, ...]:
    found: list[Dependant] = []
    for item in reader.objects("dependants", most=_MOST_DEPENDANTS):
        kind = item.choice("kind", KINDS, required=True)
        one = Dependant(kind, item.text("name", required=True, longest=_LONGEST_NAME, pattern=_NAME))
        if kind and one.name and one in found:
            reader.problems.note(item.path, f"{one} is listed twice")
        item.close()
        found.append(one)
    return tuple(found)
