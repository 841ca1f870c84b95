"""An object of a routing slip, read member by member; what is wrong is refused with its path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from molt.outcome import BadEvent
from molt.whereabouts import NAME, NAMESPACE

_REMEDY = NAMESPACE  # an RFC 1123 label, as the name of every Service
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """One object, and its path in the slip (`itinerary[0]`), which is empty for the slip itself."""

    value: Mapping[str, Any]
    path: str = ""

    @classmethod
    def of(cls, value: object, path: str = "") -> Self:
        """Return the part that `value` is. Raises BadEvent when it is no object; so do all methods."""
        if not isinstance(value, Mapping):
            raise BadEvent(f"{path or 'data'}: not an object")
        return cls(value, path)

    def part(self, name: str) -> Part:
        """Return a member that is an object."""
        return Part.of(self.value.get(name), self._at(name))

    def mapping(self, name: str) -> Mapping[str, Any]:
        """Return a member that is an object of free content."""
        return self.part(name).value

    def parts(self, name: str, longest: int) -> Iterator[Part]:
        """Yield the items, all objects, of a member that is a list of at most `longest`."""
        items = self.value.get(name)
        if not isinstance(items, list):
            raise BadEvent(f"{self._at(name)}: not a list")
        if len(items) > longest:
            raise BadEvent(f"{self._at(name)}: has {len(items)} items, more than {longest}")
        for index, item in enumerate(items):
            yield Part.of(item, f"{self._at(name)}[{index}]")

    def has(self, name: str) -> bool:
        """Tell whether the member is there and not null."""
        return self.value.get(name) is not None

    def text(self, name: str, longest: int = 253, *, shortest: int = 1) -> str:
        """Return a member that is a text of `shortest` to `longest` characters."""
        value = self.value.get(name)
        if not isinstance(value, str):
            raise BadEvent(f"{self._at(name)}: not a string")
        if not shortest <= len(value) <= longest:
            raise BadEvent(f"{self._at(name)}: has {len(value)} characters, not {shortest} to {longest}")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Return a member that is one of the choices."""
        value = self.value.get(name)
        if value not in choices:
            raise BadEvent(f"{self._at(name)}: not one of {', '.join(choices)}")
        return str(value)

    def count(self, name: str) -> int:
        """Return a member that is a whole number from 0 on."""
        value: Any = self.value.get(name)
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole or value < 0:
            raise BadEvent(f"{self._at(name)}: not a whole number from 0 on")
        return int(value)

    def namespace(self, name: str) -> str:
        """Return a member that names a namespace."""
        return self._matching(name, NAMESPACE, "the name of a namespace")

    def name(self, name: str) -> str:
        """Return a member that names a pod, node or workload."""
        return self._matching(name, NAME, "a Kubernetes name")

    def remedy(self) -> str:
        """Return the member `remedy`, which becomes the extension that triggers filter by."""
        return self._matching("remedy", _REMEDY, "the name of a remedy")

    def time(self, name: str) -> str:
        """Return a member that is an RFC 3339 time, as written."""
        return self._matching(name, _TIME, "an RFC 3339 time")

    def _matching(self, name: str, pattern: re.Pattern[str], meaning: str) -> str:
        value = self.value.get(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise BadEvent(f"{self._at(name)}: not {meaning}")
        return value

    def _at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name
