"""What requirements.lock pins, and what of it a function needs. Standard library only: the image's build has no other.

The lock is uv's: a requirement with its hashes in continued lines, then `# via` and who asks for it.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
CORE = "molt-mtd"

_PINNED = re.compile(
    r"(?P<name>[\w.-]+)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)(?:\s*;\s*(?P<marker>[^\\]*?))?\s*\\?", re.ASCII
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[(?P<extras>[^]]*)\])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pin:
    """One line of the lock: a version, for where `marker` holds, its files' hashes, and who asks for it."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    asked_by: frozenset[str]

    def render(self) -> str:
        """Return the requirement as pip and uv read it, with its hashes."""
        marker = f" ; {self.marker}" if self.marker else ""
        return " \\\n".join(
            [f"{self.name}=={self.version}{marker}", *(f"    --hash=sha256:{one}" for one in self.hashes)]
        )


def read(text: str) -> list[Pin]:
    """Return the pins of a lock. Raises ValueError for one without a hash: it would be installed unchecked."""
    pins: list[Pin] = []
    for block in _blocks(text):
        found = _PINNED.fullmatch(block[0])
        hashes = tuple(one for line in block for one in _HASH.findall(line))
        if not found or not hashes:
            raise ValueError(f"not a pinned requirement with hashes: {block[0]}")
        notes = [line.strip().removeprefix("#").strip() for line in block if line.strip().startswith("#")]
        asked = frozenset(normal(re.split(r"[ :(\[]", note.removeprefix("via").strip())[0]) for note in notes)
        marker = (found["marker"] or "").strip()
        pins.append(Pin(normal(found["name"]), found["version"], marker, hashes, asked - {""}))
    return pins


def normal(name: str) -> str:
    """Return a distribution's name as the index has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(pins: Iterable[Pin], roots: Iterable[str]) -> list[Pin]:
    """Return the pins of `roots` and of all that they ask for. Raises ValueError for a root that is not pinned."""
    pins, wanted = list(pins), set(roots)
    if missing := wanted - {pin.name for pin in pins}:
        raise ValueError(f"not in the lock: {', '.join(sorted(missing))}; run make lock")
    while more := {pin.name for pin in pins if pin.asked_by & wanted} - wanted:
        wanted |= more
    return [pin for pin in pins if pin.name in wanted]


def roots(function: str, extras: Iterable[str] = ()) -> set[str]:
    """Return what a function's image needs besides the core and the function: their dependencies, extras resolved."""
    return set(_roots(project(f"functions/{function}"), set(extras))) - {CORE}


def project(folder: str) -> dict[str, Any]:
    """Return the [project] of a pyproject.toml."""
    loaded: dict[str, Any] = tomllib.loads((ROOT / folder / "pyproject.toml").read_text("utf-8"))["project"]
    return loaded


def _roots(described: Mapping[str, Any], extras: Iterable[str]) -> Iterator[str]:
    optional = described.get("optional-dependencies", {})
    if unknown := set(extras) - set(optional):
        raise ValueError(f"{described['name']} has no extra {', '.join(sorted(unknown))}")
    for requirement in [*described["dependencies"], *(one for extra in extras for one in optional[extra])]:
        found = _REQUIREMENT.match(requirement)
        if found and normal(found["name"]) == CORE:
            asked = {extra.strip() for extra in (found["extras"] or "").split(",")} - {""}
            yield from _roots(project("."), asked)
        elif found:
            yield normal(found["name"])


def _blocks(text: str) -> Iterator[list[str]]:
    """Yield the lines of each requirement; the head of the file is none."""
    block: list[str] = []
    for line in text.splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            if block:
                yield block
            block = [line]
        elif block:
            block.append(line)
    if block:
        yield block
