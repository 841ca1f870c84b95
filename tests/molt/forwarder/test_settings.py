"""What a forwarder is told."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from molt.forwarder.room import Limits
from molt.forwarder.settings import PREFIX, read
from molt.forwarder.tls import ClientFiles, ServerFiles

LEAST = {"BROKER": "http://broker/molt/default", "SPOOL": "/spool/alerts"}


def _environ(**given: str) -> dict[str, str]:
    return {f"{PREFIX}{name}": text for name, text in {**LEAST, **given}.items()} | {"PATH": "/bin"}


def test_little_has_to_be_said() -> None:
    """Only where from and where to; the door is for the pod alone, and what is large is bounded."""
    found = read(_environ())
    assert ("http://broker/molt/default", Path("/spool/alerts"), ("127.0.0.1", 2802)) == (
        found.broker,
        found.spool,
        found.listen,
    )
    assert (Limits(100_000, 268_435_456, 30.0), socket.gethostname(), "") == (found.limits, found.node, found.file)
    assert (None, None, ClientFiles(), None) == (found.server, found.token, found.client, found.broker_token)
    assert (4, 30.0, 10.0) == (found.connections, found.timeout, found.grace)


def test_everything_can_be_said() -> None:
    """With blanks around it, as a Secret's file may have."""
    found = read(
        _environ(
            LISTEN="",
            FILE=" - ",
            MAX_ALERTS="5",
            MAX_BYTES="8388608",
            WINDOW="0.5",
            CONNECTIONS="2",
            TIMEOUT="3",
            GRACE="0",
            NODE="n",
            CERT="c",
            KEY="k",
            CLIENT_CA="a",
            TOKEN_FILE="t",
            BROKER_CA="ba",
            BROKER_CERT="bc",
            BROKER_KEY="bk",
            BROKER_TOKEN_FILE="bt",
        )
    )
    assert (None, "-", Limits(5, 8_388_608, 0.5), "n") == (found.listen, found.file, found.limits, found.node)
    assert (ServerFiles(Path("c"), Path("k"), Path("a")), Path("t")) == (found.server, found.token)
    assert (ClientFiles(Path("ba"), Path("bc"), Path("bk")), Path("bt")) == (found.client, found.broker_token)
    assert (2, 3.0, 0.0) == (found.connections, found.timeout, found.grace)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:80", ("::1", 80)), (":2802", ("", 2802)), ("h:65535", ("h", 65_535))],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    """Of IPv4, of IPv6, of the whole machine, by name."""
    assert expected == read(_environ(LISTEN=text)).listen


@pytest.mark.parametrize(
    "given",
    [
        {"BROKER": ""},
        {"SPOOL": " "},
        {"LISTEN": "", "FILE": ""},
        *({"LISTEN": text} for text in ("2802", "h:", "h:x", "h:65536", "::1:80", "h:٣")),
        *(
            {"BROKER": text}
            for text in ("broker", "ftp://b/", "http://", "http://b:0/", "http://b:x/", "http://u:p@b/")
        ),
        *({"BROKER": text} for text in ("http://b/\nx", "http://b/ä", "http://b/a b", "http://[b/")),
        *({"MAX_ALERTS": text} for text in ("0", "-1", "x", "nan", "inf", "1e9")),
        {"MAX_BYTES": "1000"},
        {"WINDOW": "-1"},
        {"CONNECTIONS": "65"},
        {"TIMEOUT": "0"},
        {"GRACE": "1e4"},
        {"CERT": "c"},
        {"KEY": "k"},
        {"CLIENT_CA": "a"},
        {"BROKER_CERT": "c"},
        {"BROKER_KEY": "k"},
    ],
    ids=str,
)
def test_what_is_wrong_is_named(given: dict[str, str]) -> None:
    """The message has the setting's name."""
    with pytest.raises(ValueError, match=f"{PREFIX}{next(iter(given))}"):
        read(_environ(**given))
