"""Bundles of no real pod, and stores full of them."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from molt.evidence.archive import Archive
from molt.evidence.bundle import Item, Missing, pack
from molt.evidence.folder import Folder
from molt.evidence.index import Entry

LIMITS = {"itemBytes": 1}


def custody(alert: str = "alert-1") -> dict[str, Any]:
    """Return the members of a custody record that the index is made from, and those that are shown."""
    return {
        "collector": "system:serviceaccount:molt:evidence",
        "tool": "molt evidence 0",
        "cluster": "cluster-uid",
        "collectedAt": "2026-11-24T12:00:00Z",
        "alert": {"id": alert, "rule": "Shell"},
        "policy": {"name": "shells"},
        "pod": {"namespace": "shop", "name": "web-1", "uid": "uid-1"},
    }


def bundle(name: str = "b1", text: str = "said", alert: str = "alert-1") -> bytes:
    """Return a bundle's file."""
    items = [Item("pod.json", b"{}\n"), Item("logs/main.log", text.encode(), "the last 1 lines")]
    return pack(name, items, [Missing("node.json", "it is gone")], custody(alert), LIMITS)


def kept(folder: Path, *names: str) -> Archive:
    """Return an archive with these bundles, in this order."""
    archive = Archive(Folder(folder))
    for name in names:
        archive.keep(name, lambda name=name: bundle(name))  # type: ignore[misc]
    return archive


def packed(files: Mapping[str, bytes], folder: str = "b1") -> bytes:
    """Return a tar.gz of any files; a name that ends in a slash is a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, data in files.items():
            member = tarfile.TarInfo(f"{folder}/{path}")
            member.size = len(data)
            if path.endswith("/"):
                member.type = tarfile.DIRTYPE
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(buffer.getvalue())


def rewrite(path: Path, data: bytes) -> None:
    """Write over a file that is kept read-only, as an intruder with the folder's rights would."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def rechain(lines: Mapping[int, Path], entries: Mapping[int, Entry]) -> None:
    """Write lines of the index as somebody would who knows how they are made."""
    for number, entry in entries.items():
        rewrite(lines[number], entry.line())
