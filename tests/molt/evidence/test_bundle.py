"""A bundle is read as it was made, and nothing else is taken for one."""

from __future__ import annotations

import gzip
import json
import lzma
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from molt.evidence import bundle as bundles
from molt.evidence.bundle import READABLE, BadBundle, Item, Missing, bundle_id, digest, document, pack, unpack
from tests.molt.evidence.made import LIMITS, bundle, custody, packed

Files = dict[str, bytes]


def test_it_is_read_as_it_was_made() -> None:
    """Files, what is cut, what is missing, and whose it is."""
    found = unpack(bundle())
    assert {"custody.json", "pod.json", "logs/main.log"} == set(found.files)
    assert (Missing("node.json", "it is gone", essential=True),) == found.missing
    assert custody() == found.custody
    log = next(one for one in found.manifest["files"] if one["path"] == "logs/main.log")
    assert {"path": "logs/main.log", "size": 4, "sha256": digest(b"said"), "truncated": "the last 1 lines"} == log
    assert LIMITS == found.manifest["limits"]


def test_its_bytes_follow_from_its_content() -> None:
    """Whatever the order in which it was collected, and whenever it is packed."""
    items = [Item("b", b"2"), Item("a", b"1")]
    assert pack("b1", items, [], custody(), {}) == pack("b1", items[::-1], [], custody(), {})
    assert gzip.decompress(bundle())[:11] == b"b1/manifest"


def test_an_id_is_of_alert_and_pod() -> None:
    """The same for each delivery, another for another pod."""
    assert bundle_id("a", "p") == bundle_id("a", "p") != bundle_id("a", "q")


def _files(change: Callable[[Files], Any] = lambda _: None, listed: Callable[[Any], Any] = lambda _: None) -> bytes:
    found = unpack(bundle())
    manifest = json.loads(document(found.manifest))
    listed(manifest)
    files = {"manifest.json": document(manifest), **found.files}
    change(files)
    return packed(files)


def _plain(change: Callable[[bytes], bytes]) -> bytes:
    return change(gzip.decompress(bundle()))


def _sparse(kind: bytes = tarfile.GNUTYPE_SPARSE) -> bytes:
    """Return a tar whose only file is said to have 1 GiB, and has no byte."""
    member = tarfile.TarInfo("b1/hole")
    member.type, member.size = kind, 0 if kind == tarfile.GNUTYPE_SPARSE else 1 << 30
    head = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    if kind == tarfile.GNUTYPE_SPARSE:
        head[483:495] = b"%011o\0" % (1 << 30)
        head[148:156] = b" " * 8
        head[148:156] = b"%06o\0 " % sum(head[:512])
    return bytes(head) + bytes(1024)


BAD = [
    pytest.param(b"no gzip", "no tar.gz: Not a gzipped file", id="no gzip"),
    pytest.param(bundle()[:200], "no tar.gz: ", id="cut off"),
    pytest.param(bundle()[:100] + b"x" * 40 + bundle()[140:], "no tar.gz: ", id="broken"),
    pytest.param(gzip.compress(b"no tar" * 1000), "no tar.gz: ", id="no tar"),
    pytest.param(_files(lambda files: files.pop("manifest.json")), "no readable manifest.json", id="no manifest"),
    pytest.param(_files(lambda files: files.pop("custody.json")), "no readable manifest.json", id="no custody"),
    pytest.param(_files(lambda files: files.update({"manifest.json": b"[]"})), "no readable", id="no object"),
    pytest.param(_files(lambda files: files.update({"custody.json": b"{}"})), "no readable", id="an empty custody"),
    pytest.param(_files(listed=lambda one: one.update(format="v9")), "format v9, not ", id="another format"),
    pytest.param(_files(lambda files: files.update({"x/": b""})), "b1/x is no file", id="a folder"),
    pytest.param(
        _files(lambda files: files.update({"manifest.json": b"[" * 200_000})),
        "no readable manifest.json and custody.json: RecursionError",
        id="lists in lists",
    ),
    pytest.param(
        _files(lambda files: files.update({"custody.json": b" " * (READABLE + 1)})),
        f"no readable manifest.json and custody.json: ValueError('{READABLE + 1} bytes')",
        id="more JSON than anybody reads",
    ),
    pytest.param(_files(listed=lambda one: one.update(bundle=1)), "no readable", id="an id that is no text"),
    pytest.param(
        _files(listed=lambda one: one["files"][0].update(path=1)), "1 is in the manifest", id="a path that is no text"
    ),
    pytest.param(gzip.compress(_plain(lzma.compress)), "no tar.gz: ", id="compressed once more"),
    pytest.param(gzip.compress(_sparse()), "b1/hole is no file", id="a file that is a hole"),
    pytest.param(gzip.compress(_sparse(tarfile.REGTYPE)), "b1/hole is no file", id="a file that is not there"),
    pytest.param(
        _files(lambda files: files.pop("pod.json")),
        "pod.json is in the manifest and not in the bundle",
        id="a file gone",
    ),
    pytest.param(
        _files(lambda files: files.update(more=b"")), "more is in the bundle and not in the manifest", id="a file more"
    ),
    pytest.param(
        _files(lambda files: files.update({"pod.json": b"[]\n"})),
        "pod.json is not what the manifest says",
        id="a file altered",
    ),
    pytest.param(
        _files(listed=lambda one: one["files"][0].update(size=1)),
        "custody.json is not what the manifest says",
        id="a size altered",
    ),
]


@pytest.mark.parametrize(("data", "reason"), BAD)
def test_what_is_no_bundle_is_refused(data: bytes, reason: str) -> None:
    """With the place where it differs."""
    with pytest.raises(BadBundle) as raised:
        unpack(data)
    assert raised.value.reason.startswith(reason)


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads a bundle says how large it may be."""
    monkeypatch.setattr(bundles, "LARGEST", 1000)
    with pytest.raises(BadBundle, match="unpacks to more than 1000 bytes"):
        unpack(bundle())
