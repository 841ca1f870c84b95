"""What answers mean, and how long to wait: by table, from what was observed and read of Knative."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from molt.embedded.broker.eventing import Delivery
from molt.embedded.broker.verdict import Dead, Done, Failure, Reply, Retry, Verdict, delay, verdict

EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}


@pytest.mark.parametrize("status", [200, 202, 204])
def test_an_empty_success_is_done(status: int) -> None:
    """Every 2xx without a body is."""
    assert Done() == verdict(status, {}, b"")


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_retried(status: int) -> None:
    """404, 408, 409, 429 and 5xx are."""
    assert Retry(Failure(f"answered {status}: no", status, b"no\n")) == verdict(status, {}, b"no\n")


@pytest.mark.parametrize("status", [301, 304, 400, 401, 403, 405, 410, 413, 422, 499])
def test_what_will_not_pass_is_dead(status: int) -> None:
    """Every other status is, a redirect to nowhere too."""
    assert Dead(Failure(f"answered {status}", status)) == verdict(status, {}, b"")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (EVENT, b""),
        ({"content-type": "application/cloudevents+json"}, b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}'),
    ],
)
def test_an_event_is_a_reply(headers: dict[str, str], body: bytes) -> None:
    """Binary and structured answers are, with and without data."""
    judged = verdict(200, headers, body)
    assert isinstance(judged, Reply)
    assert "1" == judged.event.attributes["id"]


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ({"content-type": "text/plain"}, b"OK", "answered 200 with a body that is no CloudEvent: OK"),
        (EVENT | {"ce-id": ""}, b"", "answered 200 with a malformed CloudEvent: the CloudEvent has no id"),
    ],
)
def test_a_body_that_is_no_event_is_retried_without_a_word_to_the_sink(
    headers: dict[str, str], body: bytes, reason: str
) -> None:
    """It is a failure whose dead letter carries no knativeerror*."""
    judged = verdict(200, headers, body)
    assert Retry(Failure(reason)) == judged
    assert isinstance(judged, Retry)
    assert {} == judged.failure.extensions("http://s/")


def test_a_dead_letter_says_why() -> None:
    """Code, body in base64 (at most 1,024 characters) and destination."""
    extensions = Failure("x", 422, b"x" * 2000).extensions("http://s/")
    assert ("422", 1024, "http://s/") == (
        extensions["knativeerrorcode"],
        len(extensions["knativeerrordata"]),
        extensions["knativeerrordest"],
    )


def _retry_after(text: str, status: int = 503) -> float:
    judged: Verdict = verdict(status, {"retry-after": text}, b"")
    assert isinstance(judged, Retry)
    return judged.retry_after


@pytest.mark.parametrize(("text", "seconds"), [("2", 2.0), (" 7 ", 7.0), ("soon", 0.0), ("", 0.0), ("-1", 0.0)])
def test_retry_after_is_read(text: str, seconds: float) -> None:
    """Seconds are; what is neither seconds nor a date is 0."""
    assert seconds == _retry_after(text)


@pytest.mark.parametrize("naive", [True, False])
def test_retry_after_may_be_a_date(*, naive: bool) -> None:
    """A date to come is the seconds until then, in UTC if it names no zone; one that has passed is 0."""
    then = datetime.now(UTC) + timedelta(hours=1)
    assert pytest.approx(3600, abs=30) == _retry_after(format_datetime(then.replace(tzinfo=None) if naive else then))
    assert 0.0 == _retry_after(format_datetime(then - timedelta(hours=2)))


def test_retry_after_counts_with_429_and_503_only() -> None:
    """With other statuses it is ignored."""
    assert (2.0, 0.0) == (_retry_after("2", 429), _retry_after("2", 500))


EXPONENTIAL = Delivery(policy="exponential", backoff=0.2)


@pytest.mark.parametrize(
    ("delivery", "retries", "retry_after", "seconds"),
    [
        (EXPONENTIAL, 0, 0, 0.2),
        (EXPONENTIAL, 1, 0, 0.4),
        (EXPONENTIAL, 3, 0, 1.6),
        (EXPONENTIAL, 5000, 0, 0.2 * 2**32),
        (Delivery(policy="linear", backoff=0.5), 0, 0, 0.0),
        (Delivery(policy="linear", backoff=0.5), 3, 0, 1.5),
        (Delivery(), 3, 0, 0.0),
        (Delivery(policy="exponential"), 3, 0, 0.0),
        (EXPONENTIAL, 0, 2, 0.2),
        (Delivery(policy="exponential", backoff=0.2, retry_after_max=10.0), 0, 2, 2.0),
        (Delivery(policy="exponential", backoff=0.2, retry_after_max=1.0), 0, 2, 1.0),
        (Delivery(policy="exponential", backoff=4.0, retry_after_max=10.0), 0, 2, 4.0),
        (Delivery(policy="exponential", backoff=0.2, retry_after_max=0.0), 0, 2, 0.2),
    ],
)
def test_the_delay_follows_the_policy(delivery: Delivery, retries: int, retry_after: float, seconds: float) -> None:
    """Retry-After counts with retryAfterMax only, up to it, and only when it is longer than the backoff."""
    assert pytest.approx(seconds) == delay(delivery, retries, retry_after)
