"""Certificates and tokens, which are renewed under way."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from molt.forwarder import tls
from tests.molt.forwarder.kit import CERTS


def _copies(folder: Path) -> tls.ServerFiles:
    shutil.copy(CERTS / "server.pem", folder / "cert")
    shutil.copy(CERTS / "server.key", folder / "key")
    return tls.ServerFiles(folder / "cert", folder / "key", CERTS / "ca.pem")


def test_a_renewed_certificate_is_taken_up(tmp_path: Path) -> None:
    """The context is the same until a file changes."""
    renewed = tls.server(_copies(tmp_path))
    first = renewed.get()
    assert first is renewed.get()
    os.utime(tmp_path / "cert", ns=(1, 1))
    second = renewed.get()
    assert first is not second
    assert second is renewed.get()


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("half a cert")])
def test_what_cannot_be_read_leaves_the_former_one(
    tmp_path: Path, spoil: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said once; the next good file is taken up."""
    files = _copies(tmp_path)
    renewed = tls.server(files)
    first = renewed.get()
    assert callable(spoil)
    spoil(files.cert)
    assert first is renewed.get()
    assert first is renewed.get()
    assert 1 == capsys.readouterr().out.count("the former certificate stays in use")
    _copies(tmp_path)
    assert first is not renewed.get()


def test_files_that_are_wrong_at_the_start_are_named(tmp_path: Path) -> None:
    """Missing ones, and ones that are no certificate."""
    with pytest.raises(tls.BadFile, match=r"nowhere.*No such file"):
        tls.client(tls.ClientFiles(ca=tmp_path / "nowhere"))
    (tmp_path / "junk").write_text("junk")
    with pytest.raises(tls.BadFile, match="junk"):
        tls.client(tls.ClientFiles(cert=tmp_path / "junk", key=tmp_path / "junk"))
    with pytest.raises(tls.BadFile, match=r"client\.pem"):
        tls.server(tls.ServerFiles(CERTS / "client.pem", CERTS / "server.key"))


def test_a_token_is_one_word_and_read_anew(tmp_path: Path) -> None:
    """With the line's end that editors add."""
    file = tmp_path / "token"
    for content, expected in ((b"abc\n", "abc"), (b"next", "next")):
        file.write_bytes(content)
        assert expected == tls.token(file)


@pytest.mark.parametrize("content", [None, b"", b"\n", b"two words", b"a\nb", b"\xc3\xa4", b"a\x00b"])
def test_what_is_no_token(tmp_path: Path, content: bytes | None) -> None:
    """A header could not carry it, or it is not there."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(tls.BadFile, match="token"):
        tls.token(file)
