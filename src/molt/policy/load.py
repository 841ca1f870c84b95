"""Policies from files: what `kubectl apply -f` takes, read without a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from molt.policy import manifest, response, rotation
from molt.policy.fields import PolicyError, Problem, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from molt.policy.response import ResponsePolicy
    from molt.policy.rotation import RotationPolicy

_PARSERS: dict[str, Callable[[Any], ResponsePolicy | RotationPolicy]] = {
    response.KIND: response.parse,
    rotation.KIND: rotation.parse,
}
_SUFFIXES = (".json", ".yaml", ".yml")


class _Loader(yaml.SafeLoader):
    """YAML as kubectl takes it: a key that stands twice is an error, where PyYAML forgets the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"{quote(key.value)} twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


@dataclass(frozen=True, slots=True)
class Loaded:
    """One policy, or what is wrong with it, and where it stands: the file, and which of its documents (from 1)."""

    file: Path
    document: int
    policy: ResponsePolicy | RotationPolicy | PolicyError

    @property
    def source(self) -> str:
        """Return `file:document`."""
        return f"{self.file}:{self.document}"


def read(path: Path) -> list[Loaded]:
    """Return every policy of a file, or of all .yaml, .yml and .json files below a folder, in the order of their paths.

    Objects of other kinds are passed over; a file that is no YAML is one error, with line and column.
    Raises OSError when a file cannot be read.
    """
    files = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES) if path.is_dir() else [path]
    return [loaded for file in files for loaded in _file(file)]


def _file(file: Path) -> Iterator[Loaded]:
    """Give the policies of one file."""
    index = 0
    try:
        for index, document in enumerate(yaml.load_all(file.read_bytes(), _Loader), start=1):
            for obj in _objects(document):
                if policy := _policy(obj):
                    yield Loaded(file, index, policy)
    except yaml.YAMLError as error:
        yield Loaded(file, index + 1, PolicyError([_syntax(error)]))


def _objects(document: Any) -> list[Any]:
    """Return the objects of a document: itself, or the items of a List."""
    if isinstance(document, dict) and document.get("kind") == "List" and isinstance(document.get("items"), list):
        return list(document["items"])
    return [document]


def _policy(obj: Any) -> ResponsePolicy | RotationPolicy | PolicyError | None:
    """Return the policy that an object is, what is wrong with it, or None when it is something else."""
    version, kind = manifest.kind_of(obj)
    group = str(version).partition("/")[0]
    parse = _PARSERS.get(kind) if isinstance(kind, str) else None
    if parse is None and group == manifest.GROUP:
        return PolicyError([Problem("kind", f"{quote(kind)} is none of {', '.join(_PARSERS)}")])
    if parse is None or group != manifest.GROUP:
        return None
    try:
        return parse(obj)
    except PolicyError as error:
        return error


def _syntax(error: yaml.YAMLError) -> Problem:
    """Return a syntax error with its place, counted from 1."""
    mark = getattr(error, "problem_mark", None)
    text = getattr(error, "problem", None) or str(error)
    return Problem(f"line {mark.line + 1}, column {mark.column + 1}" if mark else "file", f"is no YAML: {text}")
