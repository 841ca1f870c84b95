"""New values for a Secret's keys, without reading the old ones: JSON patches that the API server carries out. Pure.

    begin     key -> key-previous (moved by the API server), a new value -> key
    put back  key <-> key-previous (they change places: who has the new value may still be in need of it)
    end       key-previous is removed

Each is one patch, done as a whole or not at all, and holds only for the Secret as it was read (UID, resourceVersion);
so no former value is overwritten before its regeneration has ended, whoever is killed or comes twice.
"""

from __future__ import annotations

import base64
import secrets
import string
from typing import TYPE_CHECKING, Any

from molt import due, marks
from molt.policy.regeneration import PREVIOUS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from molt.policy.regeneration import Regeneration
    from molt.regenerable import UnderWay

Operation = dict[str, Any]

OPAQUE = "Opaque"
CHARACTERS = {
    "alphanumeric": string.ascii_letters + string.digits,
    "base64": string.ascii_letters + string.digits + "+/",
    "hex": string.digits + "abcdef",
}
_SWAP = "-molt-swap"  # exists within a patch only


def draw(one: Regeneration) -> dict[str, str]:
    """Return a new value for each key, from the operating system's random numbers."""
    characters = CHARACTERS[one.alphabet]
    return {key: "".join(secrets.choice(characters) for _ in range(one.length)) for key in one.keys}


def begin(secret: Mapping[str, Any], values: Mapping[str, str], policy: str, at: datetime) -> list[Operation]:
    """Return the patch that gives the keys these values; refused when one is not there, or has a former one."""
    operations = [*exactly(secret), _test("/type", OPAQUE)]
    for key, value in values.items():
        operations += [
            _test(_data(key + PREVIOUS), None),
            _move(key, key + PREVIOUS),
            {"op": "add", "path": _data(key), "value": base64.b64encode(value.encode()).decode()},
        ]
    notes = {
        marks.REGENERATING: ",".join(values),
        marks.REGENERATING_SINCE: marks.stamp(at),
        marks.POLICY: policy,
    }
    return [*operations, *_noted(notes)]


def put_back(secret: Mapping[str, Any], way: UnderWay, at: datetime, now: datetime) -> list[Operation]:
    """Return the patch that gives the keys their former values back, and keeps the new ones in their stead.

    `at` is later than any restart that has read the new ones; from `now` on the Secret rests.
    """
    operations = exactly(secret)
    for key in way.keys:
        operations += [_move(key, key + _SWAP), _move(key + PREVIOUS, key), _move(key + _SWAP, key + PREVIOUS)]
    notes = {
        marks.PUT_BACK_AT: marks.stamp(at),
        marks.STAYED_SINCE: marks.stamp(now),
        marks.STAYS: str(due.stays(secret) + 1),
    }
    return [*operations, *_noted(notes)]


def end(secret: Mapping[str, Any], way: UnderWay) -> list[Operation]:
    """Return the patch that ends the regeneration: the values that nobody needs any more go."""
    operations = exactly(secret)
    for kept in (_data(key + PREVIOUS) for key in way.keys):  # somebody may have removed it, which `remove` refuses
        operations += [{"op": "add", "path": kept, "value": ""}, {"op": "remove", "path": kept}]
    well = way.put_back_at is None
    gone = [marks.REGENERATING, marks.REGENERATING_SINCE]
    gone += [marks.STAYED_SINCE, marks.STAYS] if well else [marks.PUT_BACK_AT]
    there = marks.annotations_of(secret)
    operations += [{"op": "remove", "path": _note(name)} for name in gone if name in there]
    return [*operations, *_noted({marks.REGENERATED_AT: marks.stamp(way.since)} if well else {})]


def questions(secret: Mapping[str, Any], keys: Iterable[str]) -> list[tuple[list[Operation], str]]:
    """Return patches that change nothing, each with what is wrong with the Secret when it is refused."""
    asked = [([_test("/type", OPAQUE)], f"its type is not {OPAQUE}")]
    for key in keys:
        kept = key + PREVIOUS
        asked.append(([_move(key, key + _SWAP), _move(key + _SWAP, key)], f"it has no key {key}"))
        asked.append(([_test(_data(kept), None)], f"it has a key {kept}, where the former value would be kept"))
    return [([*exactly(secret), *operations], fault) for operations, fault in asked]


def exactly(secret: Mapping[str, Any]) -> list[Operation]:
    """Return the preconditions: the API server refuses, as Conflict, to make them what they are not."""
    metadata = secret["metadata"]
    names = ("uid", "resourceVersion")
    return [{"op": "replace", "path": f"/metadata/{name}", "value": metadata[name]} for name in names]


def _noted(notes: Mapping[str, str]) -> list[Operation]:
    return [{"op": "add", "path": _note(name), "value": text} for name, text in notes.items()]


def _move(key: str, to: str) -> Operation:
    """Return what gives a value another key: refused when it is not there, where `copy` would take it for empty."""
    return {"op": "move", "from": _data(key), "path": _data(to)}


def _test(path: str, value: str | None) -> Operation:
    return {"op": "test", "path": path, "value": value}


def _data(key: str) -> str:
    return f"/data/{key}"  # a key has no character that a JSON pointer would have escaped


def _note(name: str) -> str:
    return "/metadata/annotations/" + name.replace("/", "~1")


def without(reason: str, values: Iterable[str]) -> str:
    """Return the reason with every value, plain or as base64, taken out."""
    for value in values:
        for form in (value, base64.b64encode(value.encode()).decode()):
            reason = reason.replace(form, "[a value]")
    return reason
