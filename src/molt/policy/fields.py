"""Typed readers for the fields of a manifest.

A reader raises nothing: it notes every problem with its path and goes on with a stand-in value, so that one look at a
manifest tells all that is wrong with it. `Problems.settle` raises when anything was noted.

As on the API server, a field whose value is null counts as absent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from molt.outcome import PermanentError

if TYPE_CHECKING:
    import re
    from collections.abc import Collection, Iterable

_TYPE_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    int: "an integer",
    bool: "a boolean",
    float: "a number",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at `path` (`spec.match.rules[2]`), in words that follow a colon."""

    path: str
    text: str

    def __str__(self) -> str:
        """Return `path: text`."""
        return f"{self.path}: {self.text}"


class PolicyError(PermanentError):
    """A policy that nobody can act on; `problems` has everything that is wrong with it, in the manifest's order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems; the reason is all of them, joined by "; "."""
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Problems:
    """What was found wrong so far with one manifest."""

    noted: list[Problem] = field(default_factory=list)

    def note(self, path: str, text: str) -> None:
        """Remember that `path` is wrong."""
        self.noted.append(Problem(path, text))

    def settle(self) -> None:
        """Raise PolicyError if anything was noted."""
        if self.noted:
            raise PolicyError(self.noted)


class Reader:
    """One object of a manifest, read field by field; what no read has asked for is unknown (`close`)."""

    def __init__(self, value: Any, path: str, problems: Problems) -> None:
        """Read `value`, which stands at `path` ("" is the whole manifest); null reads as empty; no object is noted."""
        self.path = path
        self.problems = problems
        self._asked: list[str] = []
        self._values: dict[Any, Any] = value if isinstance(value, dict) else {}
        # Of what is no object, one note is enough: its required fields are not missed one by one.
        self.readable = isinstance(value, dict)
        if value is not None and not self.readable:
            problems.note(path or "manifest", f"must be an object, not {describe(value)}")

    def at(self, name: str) -> str:
        """Return the path of a field of this object."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        """Tell whether the field is there and not null."""
        return self._values.get(name) is not None

    def raw(self, name: str, *, required: bool = False) -> Any:
        """Return the field as it stands, None when absent; absent and required is noted."""
        self._asked.append(name)
        value = self._values.get(name)
        if value is None and required and self.readable:
            self.problems.note(self.at(name), "missing")
        return value

    def text(
        self,
        name: str,
        *,
        required: bool = False,
        longest: int = 253,
        pattern: tuple[re.Pattern[str], str] | None = None,
    ) -> str:
        """Return a non-empty string that fits, as the function `text` has it; "" when absent or wrong."""
        value = self.raw(name, required=required)
        return "" if value is None else text(value, self.at(name), self.problems, longest=longest, pattern=pattern)

    def choice(self, name: str, choices: Collection[str], *, default: str = "", required: bool = False) -> str:
        """Return one of `choices`, or `default` when absent or wrong."""
        value = self.raw(name, required=required)
        if value is None:
            return default
        if isinstance(value, str) and value in choices:
            return value
        shown = f"{quote(value)} is not one of {', '.join(choices)}"
        self.problems.note(self.at(name), shown + _guess(value, choices))
        return default

    def integer(self, name: str, *, least: int, most: int, default: int) -> int:
        """Return an integer of `least`..`most`, or `default` when absent or wrong."""
        value = self.raw(name)
        if value is None:
            return default
        found = integer(value, self.at(name), self.problems, least=least, most=most)
        return default if found is None else found

    def boolean(self, name: str, *, default: bool = False) -> bool:
        """Return true or false, or `default` when absent or wrong."""
        value = self.raw(name)
        if value is not None and not isinstance(value, bool):
            self.problems.note(self.at(name), f"must be a boolean, not {describe(value)}")
        return value if isinstance(value, bool) else default

    def items(self, name: str, *, most: int, least: int = 0, required: bool = False) -> list[tuple[str, Any]]:
        """Return the list's items with their paths; empty when absent or wrong."""
        value = self.raw(name, required=required)
        if value is None:
            return []
        if not isinstance(value, list):
            self.problems.note(self.at(name), f"must be a list, not {describe(value)}")
            return []
        if len(value) < least:
            self.problems.note(self.at(name), "must not be empty; leave it out instead")
        if len(value) > most:
            self.problems.note(self.at(name), f"has {len(value)} items, more than {most}")
        return [(f"{self.at(name)}[{index}]", item) for index, item in enumerate(value)]

    def strings(
        self, name: str, *, most: int, longest: int, pattern: tuple[re.Pattern[str], str] | None = None
    ) -> tuple[str, ...]:
        """Return a list of different non-empty strings; empty when absent, or without the items that are wrong."""
        found: list[str] = []
        for path, item in self.items(name, most=most, least=1):
            value = text(item, path, self.problems, longest=longest, pattern=pattern)
            if value and value in found:
                self.problems.note(path, f"{quote(value)} is listed twice")
            elif value:
                found.append(value)
        return tuple(found)

    def objects(self, name: str, *, most: int, required: bool = False) -> list[Reader]:
        """Return a reader of each of the list's objects; one that is null or no object is noted, and reads as empty."""
        found = []
        for path, item in self.items(name, most=most, required=required):
            if item is None:
                self.problems.note(path, "must be an object, not null")
            found.append(Reader(item, path, self.problems))
        return found

    def object(self, name: str, *, required: bool = False) -> Reader:
        """Return a reader of an object field; absent reads as empty."""
        return Reader(self.raw(name, required=required), self.at(name), self.problems)

    def pairs(self, *, most: int) -> list[tuple[Any, Any]]:
        """Return the keys and values of this object, whose keys are data and no fields."""
        found = [(key, value) for key, value in self._values.items() if value is not None]
        if len(found) > most:
            self.problems.note(self.path, f"has {len(found)} entries, more than {most}")
        return found

    def close(self, known: Iterable[str] = ()) -> None:
        """Note every field that no read has asked for, and that is not otherwise `known`."""
        names = [*self._asked, *known]
        for name in self._values:
            if name not in names:
                self.problems.note(self.at(str(name)), "unknown field" + _guess(name, names, joint=", "))


def text(
    value: Any, path: str, problems: Problems, *, longest: int, pattern: tuple[re.Pattern[str], str] | None = None
) -> str:
    """Return `value` if it is a string of 1..`longest` characters that fits `pattern`, else note why not and return "".

    A pattern comes with its meaning in words.
    """
    if not isinstance(value, str):
        problems.note(path, f"must be a string, not {describe(value)}")
    elif not value:
        problems.note(path, "must not be empty")
    elif len(value) > longest:
        problems.note(path, f"has {len(value)} characters, more than {longest}")
    elif pattern and not pattern[0].fullmatch(value):
        problems.note(path, f"{quote(value)} is not {pattern[1]}")
    else:
        return value
    return ""


def integer(value: Any, path: str, problems: Problems, *, least: int, most: int) -> int | None:
    """Return `value` if it is an integer of `least`..`most`, a whole float too, else note why not and return None."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        problems.note(path, f"must be an integer, not {describe(value)}")
    elif not least <= value <= most:
        problems.note(path, f"{value} is not in {least}..{most}")
    else:
        return value
    return None


def describe(value: Any) -> str:
    """Return the JSON type of `value` in words: "a string", "null"."""
    return "null" if value is None else _TYPE_NAMES.get(type(value), "an unknown type")


def quote(value: Any) -> str:
    """Return `value` as JSON on one line, cut to what a message can bear."""
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + "..."


_SHOWN = 80


def _guess(value: Any, known: Collection[str], *, joint: str = "; ") -> str:
    """Return `did you mean "X"?` for the nearest of the known words, if any is near."""
    near = get_close_matches(value, known, n=1) if isinstance(value, str) else []
    folded = [word for word in known if isinstance(value, str) and word.casefold() == value.casefold()]
    return "".join(f'{joint}did you mean "{word}"?' for word in (folded or near)[:1])
