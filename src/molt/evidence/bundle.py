"""One bundle: a tar.gz whose manifest says what is in it, what was cut, and what could not be had. Pure.

    manifest.json   format, bundle, limits, files: [{path, size, sha256, truncated?}], missing: [{what, why, essential}]
    custody.json    who collected it, when, for which alert and policy, with what
    everything else in the order of the paths

The bytes follow from the content: no time, owner or order of the machine that packed it is in them.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from molt import marks
from molt.events import deterministic_id
from molt.outcome import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORMAT: Final = "molt-project.io/evidence/v1"
MANIFEST: Final = "manifest.json"
CUSTODY: Final = "custody.json"
LARGEST: Final = 256 * 1024 * 1024
"""Bytes that a bundle may unpack to; whoever reads one does not trust it."""
READABLE: Final = 8 * 1024 * 1024
"""Bytes of manifest and custody each: read as JSON, some bytes become many."""


class BadBundle(PermanentError):
    """The bytes are no bundle, or not the one that its manifest describes; the reason says where they differ."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file of a bundle; `truncated` says what of it was left out, "" for nothing."""

    path: str
    data: bytes
    truncated: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """What could not be had, and why; `essential`: a policy with `ifMissing: Stop` stops for it."""

    what: str
    why: str
    essential: bool = True


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files are those of its manifest."""

    manifest: Mapping[str, Any]
    custody: Mapping[str, Any]
    files: Mapping[str, bytes]

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What could not be had."""
        return tuple(Missing(one["what"], one["why"], one["essential"]) for one in self.manifest["missing"])


def bundle_id(alert: str, pod: str) -> str:
    """Return the id of the bundle of an alert (its id) and a pod (its UID): the same for every delivery."""
    return deterministic_id("evidence", alert, pod)


def document(value: Any) -> bytes:
    """Return JSON as it stands in a bundle: sorted, indented, ASCII."""
    return json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"


def pack(
    name: str,
    items: Iterable[Item],
    missing: Iterable[Missing],
    custody: Mapping[str, Any],
    limits: Mapping[str, int],
) -> bytes:
    """Return the bundle `name` as a file."""
    contents = [Item(CUSTODY, document(custody)), *sorted(items, key=lambda item: item.path)]
    manifest = {
        "format": FORMAT,
        "bundle": name,
        "files": [_described(item) for item in contents],
        "missing": [{"what": one.what, "why": one.why, "essential": one.essential} for one in missing],
        "limits": dict(limits),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for item in (Item(MANIFEST, document(manifest)), *contents):
            member = tarfile.TarInfo(f"{name}/{item.path}")
            member.size, member.mode = len(item.data), 0o400
            tar.addfile(member, io.BytesIO(item.data))
    return gzip.compress(buffer.getvalue(), compresslevel=6, mtime=0)


def unpack(data: bytes) -> Bundle:
    """Return the bundle in a file. Raises BadBundle when it is none, or its files are not those of its manifest."""
    files = _members(data)
    try:
        manifest, custody = _record(files.pop(MANIFEST)), _record(files[CUSTODY])
        if manifest["format"] != FORMAT:
            raise BadBundle(f"format {manifest['format']}, not {FORMAT}")
        listed = {str(one["path"]): (one["size"], one["sha256"]) for one in manifest["files"]}
        bundle = Bundle(manifest, custody, files)
        texts = [manifest["bundle"], custody["collectedAt"], custody["alert"]["id"], custody["policy"]["name"]]
        texts += [custody["pod"][name] for name in ("namespace", "name", "uid")]
        texts += [text for one in bundle.missing for text in (one.what, one.why)]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise BadBundle(f"no readable {MANIFEST} and {CUSTODY}: {error!r}") from None
    if not all(isinstance(text, str) for text in texts):
        raise BadBundle(f"no readable {MANIFEST} and {CUSTODY}: a text is none")
    if wrong := _differences(files, listed):
        raise BadBundle(wrong)
    return bundle


def opened(name: str, data: bytes) -> Bundle:
    """Return the bundle `name` in a file. Raises BadBundle for another one, too."""
    bundle = unpack(data)
    if bundle.manifest["bundle"] != name:
        raise BadBundle(f"is another bundle: {marks.printable(bundle.manifest['bundle'], 64)}")
    return bundle


def _described(item: Item) -> dict[str, Any]:
    described: dict[str, Any] = {"path": item.path, "size": len(item.data), "sha256": digest(item.data)}
    return described | ({"truncated": item.truncated} if item.truncated else {})


def digest(data: bytes) -> str:
    """Return the SHA-256 sum in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _record(data: bytes) -> Any:
    """Return the JSON of a file. Raises ValueError and RecursionError when it is none, or too much."""
    if len(data) > READABLE:
        raise ValueError(f"{len(data)} bytes")
    return json.loads(data)


def _members(data: bytes) -> dict[str, bytes]:
    """Return the files by their paths below the bundle's folder."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            plain = file.read(LARGEST + 1)
        if len(plain) > LARGEST:
            raise BadBundle(f"unpacks to more than {LARGEST} bytes")
        # "r:" is a tar as it is: what is in it is not unpacked once more.
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as tar:
            return {member.name.partition("/")[2]: _content(tar, member, len(plain)) for member in tar}
    except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError) as error:
        raise BadBundle(f"no tar.gz: {error}") from None


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo, most: int) -> bytes:
    """Return a plain file; one with holes is as large as it says it is, whatever is there of it."""
    file = tar.extractfile(member) if member.isreg() and not member.issparse() and member.size <= most else None
    if file is None:
        raise BadBundle(f"{member.name} is no file")
    return file.read()


def _differences(files: Mapping[str, bytes], listed: Mapping[str, tuple[int, str]]) -> str:
    """Return the first difference between the files and the manifest, "" when there is none."""
    for path in sorted(files.keys() | listed.keys()):
        if path not in files:
            return f"{path} is in the manifest and not in the bundle"
        if path not in listed:
            return f"{path} is in the bundle and not in the manifest"
        if (len(files[path]), digest(files[path])) != listed[path]:
            return f"{path} is not what the manifest says"
    return ""
