"""Manifests as kubectl would apply them: the documents of a file, a folder or a kustomization, and their fields.

A kustomization is followed through its `resources`, folders and files alike. What else kustomize can do (patches,
images, generators) is refused rather than passed over in silence: an overlay would not mean what it says.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_FOLLOWED = frozenset({"apiVersion", "kind", "metadata", "resources"})


class ManifestError(Exception):
    """A manifest cannot be used; `str()` is one line: the file, the object, the field and the problem."""

    def __init__(self, path: Path, problem: str, *, where: str = "") -> None:
        """Name the file, the place in it and the problem."""
        self.path = path
        self.where = where
        self.problem = " ".join(problem.split())
        super().__init__(": ".join(part for part in (str(path), where, self.problem) if part))


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a manifest file; `index` counts the file's documents from 0."""

    path: Path
    index: int
    body: dict[str, Any]

    @property
    def api(self) -> tuple[str, str]:
        """Return the API version and the kind, "" where the document has none."""
        return str(self.body.get("apiVersion", "")), str(self.body.get("kind", ""))

    @property
    def root(self) -> Field:
        """Return the whole object as a field."""
        return Field(self, "", self.body)


@dataclass(frozen=True, slots=True)
class Field:
    """A value of a manifest that knows where it stands, so that every complaint names file, object and path."""

    document: Document
    path: str
    value: Any

    def __bool__(self) -> bool:
        """Tell whether the field is there."""
        return self.value is not None

    def bad(self, problem: str) -> ManifestError:
        """Return the error that says `problem` of this field."""
        metadata = self.document.body.get("metadata")
        names = metadata if isinstance(metadata, dict) else {}
        name = "/".join(str(names[key]) for key in ("namespace", "name") if names.get(key))
        where = f"{self.document.api[1]} {name}".strip()
        return ManifestError(self.document.path, f"{self.path}: {problem}" if self.path else problem, where=where)

    def at(self, key: str) -> Field:
        """Return the field `key` of this object; one that is not there is false."""
        path = f"{self.path}.{key}" if self.path else key
        return Field(self.document, path, (self.value or {}).get(key))

    def object(self, *known: str) -> Field:
        """Return this field if it is absent or an object whose keys are all `known`."""
        if self and not isinstance(self.value, dict):
            raise self.bad("must be an object")
        for key in self.value or {}:
            if known and key not in known:
                raise self.at(str(key)).bad(f"is not supported here; known are {', '.join(known)}")
        return self

    def text(self, default: str | None = None) -> str:
        """Return the field's text; a missing or empty one is `default`, and an error where there is none."""
        if self.value is None or self.value == "":
            if default is None:
                raise self.bad("is required")
            return default
        if not isinstance(self.value, str):
            raise self.bad("must be a string")
        return self.value

    def choice(self, *values: str) -> str | None:
        """Return the field's text, one of `values`; None when it is not there."""
        if self and self.value not in values:
            raise self.bad(f"{self.value!r} is not one of {', '.join(values)}")
        return str(self.value) if self else None

    def whole(self, default: int) -> int:
        """Return the field's number, a whole one from 0 up."""
        if not self:
            return default
        if isinstance(self.value, bool) or not isinstance(self.value, int) or self.value < 0:
            raise self.bad("must be a whole number, 0 or more")
        return self.value

    def items(self) -> list[Field]:
        """Return the fields of this list; none when it is not there."""
        if self and not isinstance(self.value, list):
            raise self.bad("must be a list")
        return [Field(self.document, f"{self.path}[{index}]", item) for index, item in enumerate(self.value or [])]

    def texts(self) -> dict[str, str]:
        """Return this object of strings; an empty one when it is not there."""
        self.object()
        for key, value in (self.value or {}).items():
            if not isinstance(key, str) or not isinstance(value, str):
                raise self.at(str(key)).bad("must be a string")
        return dict(self.value or {})


def load(path: Path) -> Iterator[Document]:
    """Yield the documents of a file, of the kustomization in a folder, or of a plain folder's YAML files by name.

    Raises ManifestError.
    """
    return _load(path, ())


def _load(path: Path, above: tuple[Path, ...]) -> Iterator[Document]:
    if path.resolve() in above:
        raise ManifestError(path, "a kustomization that contains itself")
    if not path.is_dir():
        yield from _documents(path)
        return
    kustomization = next((path / name for name in _KUSTOMIZATIONS if (path / name).is_file()), None)
    members = _resources(kustomization) if kustomization else _files(path)
    for member in members:
        yield from _load(member, (*above, path.resolve()))


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix in {".yaml", ".yml"})


def _resources(kustomization: Path) -> list[Path]:
    for document in _documents(kustomization):
        document.root.object(*sorted(_FOLLOWED))
        entries = [entry.text() for entry in document.root.at("resources").items()]
        members = [Path(os.path.normpath(kustomization.parent / entry)) for entry in entries]
        for entry, member in zip(entries, members, strict=True):
            if not member.exists():
                raise ManifestError(kustomization, f"{entry}: no such file or folder", where="resources")
        return members
    return []


def _documents(path: Path) -> Iterator[Document]:
    try:
        bodies = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ManifestError(path, error.strerror or "cannot be read") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ManifestError(path, f"is not YAML: {error}") from error
    for index, body in enumerate(bodies):
        if body is None:
            continue
        if not isinstance(body, dict):
            raise ManifestError(path, "must be an object", where=f"document {index}")
        yield Document(path, index, body)
