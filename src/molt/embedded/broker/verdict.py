"""What a subscriber's answer means, and when to try again: pure functions, after Knative's own rules.

What each answer leads to:

answer                                                   verdict
2xx, empty                                               Done
2xx with a CloudEvent, binary or structured              Reply
2xx with anything else in the body                       Retry, and no knativeerror* in the dead letter
404, 408, 409, 429, 5xx; no answer                       Retry
no answer within delivery.timeout                        Retry, and no knativeerror* in the dead letter
any other status                                         Dead
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from molt.embedded.broker import message
from molt.outcome import BadEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molt.embedded.broker.eventing import Delivery

_RETRIED = {HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}
_MAY_DELAY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_ERROR_DATA_LIMIT = 1024
_TEXT_LIMIT = 200
# Beyond this many doublings a delay is centuries: keep the arithmetic finite.
_DOUBLINGS = 32


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a try failed. `code` and `body` go into the dead letter; without a code nothing does, as in Knative."""

    reason: str
    code: int | None = None
    body: bytes = b""

    def extensions(self, destination: str) -> dict[str, str]:
        """Return the knativeerror* extensions of an event that could not be delivered to `destination`."""
        if self.code is None:
            return {}
        data = base64.b64encode(self.body).decode()[:_ERROR_DATA_LIMIT]
        return {"knativeerrorcode": str(self.code), "knativeerrordata": data, "knativeerrordest": destination}


@dataclass(frozen=True, slots=True)
class Done:
    """Delivered."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Delivered, and answered with an event."""

    event: message.Message


@dataclass(frozen=True, slots=True)
class Retry:
    """Not delivered; a later try may do it. `retry_after`: what the subscriber asked for, in seconds."""

    failure: Failure
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Dead:
    """Not delivered, and no later try can do it."""

    failure: Failure


Verdict = Done | Reply | Retry | Dead


def verdict(status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Return what an answer means; header names are lower-case."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _success(status, headers, body)
    failure = Failure(f"answered {status}{_quoted(body)}", status, body)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _RETRIED:
        return Retry(failure, _retry_after(headers) if status in _MAY_DELAY else 0.0)
    return Dead(failure)


def _success(status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
    if not message.claims_event(headers):
        return Retry(Failure(f"answered {status} with a body that is no CloudEvent{_quoted(body)}")) if body else Done()
    try:
        return Reply(message.parse(headers, body))
    except BadEvent as error:
        return Retry(Failure(f"answered {status} with a malformed CloudEvent: {error.reason}"))


def _quoted(body: bytes) -> str:
    text = " ".join(body.decode(errors="replace").split())
    return f": {text[:_TEXT_LIMIT]}" if text else ""


def _retry_after(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    aware = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def delay(delivery: Delivery, retries: int, retry_after: float = 0.0) -> float:
    """Return the seconds before the next try when `retries` were made already (0: only the first try was made).

    exponential: delay * 2^retries; linear: delay * retries, so that the first retry comes at once, as in Knative's
    code. `retry_after` counts up to delivery.retryAfterMax and not at all without it; the longer of the two holds.
    """
    backoff = delivery.backoff or 0.0
    if delivery.policy == "exponential":
        wait = backoff * 2.0 ** min(retries, _DOUBLINGS)
    elif delivery.policy == "linear":
        wait = backoff * retries
    else:
        wait = 0.0
    return max(wait, min(retry_after, delivery.retry_after_max or 0.0))
