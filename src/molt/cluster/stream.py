"""The events of a watch: one JSON object a line, as they come."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from urllib3.exceptions import HTTPError

from molt.cluster.errors import Unavailable, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from urllib3 import BaseHTTPResponse

    from molt.cluster.errors import Request

CHUNK: Final = 64 * 1024


def events(asked: Request, response: BaseHTTPResponse) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (type, object) of each event and close the answer at the end, whoever ends it.

    An ERROR event is raised as the error its Status means (410: Expired). A break is raised as Unavailable.
    """
    try:
        for line in _lines(asked, response):
            kind, body = _event(asked, line)
            if kind == "ERROR":
                raise refusal(asked, int(body.get("code") or 500), json.dumps(body).encode())
            yield kind, body
    finally:
        response.close()


def _lines(asked: Request, response: BaseHTTPResponse) -> Iterator[bytes]:
    """Yield whole lines as soon as they are there."""
    rest = b""
    try:
        while chunk := response.read1(CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from filter(None, lines)
    except HTTPError as error:
        reason = f"{asked}: the watch broke: {error}"
        raise Unavailable(reason) from error
    if rest:
        reason = f"{asked}: the watch ended in the middle of an event"
        raise Unavailable(reason)


def _event(asked: Request, line: bytes) -> tuple[str, dict[str, Any]]:
    """Return the type and the object of one line, or raise Unavailable."""
    try:
        event = json.loads(line)
        return str(event["type"]), dict(event["object"])
    except (ValueError, TypeError, KeyError) as error:
        reason = f"{asked}: unreadable event in the watch"
        raise Unavailable(reason) from error
