"""What follows from a try, by table."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from molt.embedded.broker import routing
from molt.embedded.broker.eventing import Delivery, Destination, Trigger
from molt.embedded.broker.filters import EVERYTHING
from molt.embedded.broker.message import Message
from molt.embedded.broker.routing import HOPS, Arrival, arrive
from molt.embedded.broker.steps import Again, Finish, GiveUp, Route, Step, after_sink_try, after_try
from molt.embedded.broker.store import Try
from molt.embedded.broker.transport import Answer, Silence
from molt.outcome import BadEvent

DELIVERY = Delivery(retry=2, policy="exponential", backoff=1.0, timeout=2.0)
TRIGGER = Trigger("ns/t", "ns/b", EVERYTHING, Destination(None, "http://s/"), DELIVERY)
ROUTE = Route(TRIGGER, "http://s/", "http://d/", "http://b/ns/b")
ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
REPLY = Answer(200, {f"ce-{name}": value for name, value in ATTRIBUTES.items()}, b"")
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def _after(tries: int, answer: Answer | Silence, hops: int = HOPS) -> Step:
    return after_try(ROUTE, tries, answer, lambda message: arrive(message, "ns/b", [TRIGGER], NOW, hops))


@pytest.mark.parametrize(
    ("tries", "answer", "step"),
    [
        (1, Answer(204, {}, b""), Finish(Try(1, 204))),
        (1, Answer(503, {}, b""), Again(Try(1, 503, "answered 503"), 1.0)),
        (2, Answer(503, {}, b""), Again(Try(2, 503, "answered 503"), 2.0)),
        (1, Silence("x", timed_out=True), Again(Try(1, None, "no answer within 2 s"), 1.0)),
        (3, Silence("x", timed_out=True), GiveUp(Try(3, None, "no answer within 2 s"), {})),
        (3, Answer(200, {}, b"OK"), GiveUp(Try(3, 200, "answered 200 with a body that is no CloudEvent: OK"), {})),
        (
            3,
            Silence('Post "http://s/": EOF'),
            GiveUp(
                Try(3, None, 'dispatch error: Post "http://s/": EOF'),
                {
                    "knativeerrorcode": "500",
                    "knativeerrordata": "ZGlzcGF0Y2ggZXJyb3I6IFBvc3QgImh0dHA6Ly9zLyI6IEVPRg==",
                    "knativeerrordest": "http://s/",
                },
            ),
        ),
        (
            1,
            Answer(422, {}, b"no"),
            GiveUp(
                Try(1, 422, "answered 422: no"),
                {"knativeerrorcode": "422", "knativeerrordata": "bm8=", "knativeerrordest": "http://s/"},
            ),
        ),
    ],
)
def test_a_try_leads_on(tries: int, answer: Answer | Silence, step: Step) -> None:
    """Done, again after the backoff, or given up with what the sink is told."""
    assert step == _after(tries, answer)


def test_a_reply_goes_on_with_one_hop_less() -> None:
    """The reply is stamped and routed by the triggers' filters."""
    step = _after(1, REPLY)
    assert isinstance(step, Finish)
    assert step.reply == Arrival(
        "ns/b", Message(ATTRIBUTES | {"knativearrivaltime": "2026-01-02T00:00:00Z"}, b""), 254, ("ns/t",)
    )


def test_a_reply_without_hops_left_buries_what_it_answers() -> None:
    """As if the broker's own ingress had answered 400."""
    step = _after(1, REPLY, hops=1)
    assert isinstance(step, GiveUp)
    assert ("400", "http://b/ns/b") == (step.extensions["knativeerrorcode"], step.extensions["knativeerrordest"])
    assert "no hop is left" in step.tried.reason


@pytest.mark.parametrize(
    ("tries", "answer", "step"),
    [
        (1, Answer(204, {}, b""), Finish(Try(1, 204))),
        (1, Answer(200, {}, b"OK"), Finish(Try(1, 200))),
        (1, REPLY, Finish(Try(1, 200))),
        (1, Answer(500, {}, b""), Again(Try(1, 500, "answered 500"), 1.0)),
    ],
)
def test_a_sink_takes_a_letter_by_any_success(tries: int, answer: Answer, step: Step) -> None:
    """Whatever it says; failures are retried as a subscriber's are."""
    assert step == after_sink_try(DELIVERY, tries, answer)


@pytest.mark.parametrize("answer", [Answer(500, {}, b""), Silence("EOF")])
def test_a_sink_that_fails_is_given_up(answer: Answer | Silence) -> None:
    """After the same number of tries."""
    assert isinstance(after_sink_try(DELIVERY, 3, answer), GiveUp)


@pytest.mark.parametrize(("claimed", "hops"), [(None, 255), ("7", 6), ("2", 1), ("x", 255), ("1000", 255)])
def test_an_event_from_outside_may_bring_its_hops(claimed: str | None, hops: int) -> None:
    """One is taken off, and the counter is hidden from subscribers."""
    message = Message(ATTRIBUTES | ({"knativebrokerttl": claimed} if claimed else {}), b"")
    arrival = arrive(message, "ns/b", [], NOW, None)
    assert (hops, None) == (arrival.hops, arrival.message.attributes.get("knativebrokerttl"))


def test_an_event_without_hops_is_refused() -> None:
    """It has passed often enough."""
    with pytest.raises(BadEvent, match="no hop is left"):
        arrive(Message(ATTRIBUTES | {"knativebrokerttl": "1"}, b""), "ns/b", [], NOW, None)


def test_triggers_of_other_brokers_get_nothing() -> None:
    """An event is routed in its own broker."""
    assert () == arrive(Message(ATTRIBUTES, b""), "ns/other", [TRIGGER], NOW, None).triggers


def test_a_dead_letter_shows_its_hops() -> None:
    """With what else there is to say."""
    letter = routing.dead_letter(Message(ATTRIBUTES, b""), 255, {"knativeerrorcode": "400"})
    assert ATTRIBUTES | {"knativebrokerttl": "255", "knativeerrorcode": "400"} == letter.attributes
