"""JSON that Python would read and RFC 8259 would not, and JSON that nobody should."""

from __future__ import annotations

from typing import Any

import pytest

from molt.strict_json import decode


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", {}),
        (b'{"a":[1,2.5,null,true,"\xc3\xbc"]}', {"a": [1, 2.5, None, True, "ü"]}),
        (b'{"a":18446744073709551615}', {"a": 2**64 - 1}),
        (b'{"a":"\\ud83e\\udd80"}', {"a": "🦀"}),
        (b'{"\\udfff":"x\\ud800"}', {"\ufffd": "x\ufffd"}),
        (b'{"a":1,"a":2}', {"a": 2}),
    ],
)
def test_reads(body: bytes, expected: Any) -> None:
    """What is JSON must be read; half a surrogate pair must become U+FFFD, as no UTF-8 can carry it on."""
    assert expected == decode(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "not JSON: Expecting value"),
        (b"{", "not JSON: Expecting property name"),
        (b"{'a':1}", "not JSON: Expecting property name"),
        (b"\xef\xbb\xbf{}", "not JSON: Unexpected UTF-8 BOM"),
        (b"{}{}", "not JSON: Extra data"),
        (b'{"a":NaN}', "not JSON: NaN is no JSON value"),
        (b'{"a":-Infinity}', "not JSON: -Infinity is no JSON value"),
        (b'{"a":1e999}', "not JSON: 1e999 is too large a number"),
        (b'{"a":' + b"9" * 5000 + b"}", "not JSON: Exceeds the limit"),
        (b'{"a":"\xff"}', "not UTF-8"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b"[" * 65 + b"]" * 65, "nested too deep"),
        (b"[" * 100_000, "nested too deep"),
    ],
)
def test_refuses(body: bytes, expected: str) -> None:
    """What is not JSON, or is nested beyond reason, must be refused with the reason."""
    with pytest.raises(ValueError, match="^" + expected.replace("{", r"\{")):
        decode(body)


def test_nesting_up_to_the_limit() -> None:
    """64 levels must be read."""
    assert decode(b"[" * 64 + b"]" * 64)
