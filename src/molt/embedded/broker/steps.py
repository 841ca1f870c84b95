"""What follows from a try: pure decisions of the state machine."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from molt.embedded.broker.store import Try
from molt.embedded.broker.transport import Answer, Silence
from molt.embedded.broker.verdict import Dead, Done, Failure, Reply, Retry, delay, verdict
from molt.outcome import BadEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from molt.embedded.broker.eventing import Delivery, Trigger
    from molt.embedded.broker.message import Message
    from molt.embedded.broker.routing import Arrival
    from molt.embedded.broker.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Route:
    """A trigger with the URLs that its destinations and its broker have here."""

    trigger: Trigger
    subscriber: str
    sink: str | None
    broker: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The delivery is done; `reply` goes on from here."""

    tried: Try
    reply: Arrival | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Try again in `wait` seconds."""

    tried: Try
    wait: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The delivery is dead; `extensions` tell the dead letter sink why."""

    tried: Try
    extensions: Mapping[str, str]


Step = Finish | Again | GiveUp


def after_try(route: Route, tries: int, answer: Answer | Silence, arrive: Callable[[Message], Arrival]) -> Step:
    """Return what follows from the subscriber's answer to try number `tries`.

    `arrive` makes the reply an event of the broker, or raises BadEvent when it may not pass again.
    """
    judged, status = judge(answer, route.trigger.delivery)
    if isinstance(judged, Reply):
        try:
            return Finish(Try(tries, status), arrive(judged.event))
        except BadEvent as error:
            # The broker's own ingress refuses the reply, and Knative buries the event that was answered.
            refused = Failure(f"the reply was refused: {error.reason}", HTTPStatus.BAD_REQUEST)
            return GiveUp(Try(tries, status, refused.reason), refused.extensions(route.broker))
    return _after(judged, Try(tries, status), route.trigger.delivery, route.subscriber)


def after_sink_try(delivery: Delivery, tries: int, answer: Answer | Silence) -> Step:
    """Return what follows from the dead letter sink's answer: whatever it says in a 2xx, it has taken the event."""
    judged, status = judge(answer, delivery)
    taken = isinstance(answer, Answer) and HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES
    return _after(Done() if taken else judged, Try(tries, status), delivery, "")


def judge(answer: Answer | Silence, delivery: Delivery) -> tuple[Verdict, int | None]:
    """Return the verdict and the status."""
    if isinstance(answer, Answer):
        return verdict(answer.status, answer.headers, answer.body), answer.status
    if answer.timed_out:
        return Retry(Failure(f"no answer within {delivery.timeout:g} s")), None
    said = f"dispatch error: {answer.error}"
    return Retry(Failure(said, HTTPStatus.INTERNAL_SERVER_ERROR, said.encode())), None


def _after(judged: Verdict, tried: Try, delivery: Delivery, destination: str) -> Step:
    match judged:
        case Retry(failure, retry_after):
            failed = Try(tried.tries, tried.status, failure.reason)
            if tried.tries <= delivery.retry:
                return Again(failed, delay(delivery, tried.tries - 1, retry_after))
            return GiveUp(failed, failure.extensions(destination))
        case Dead(failure):
            return GiveUp(Try(tried.tries, tried.status, failure.reason), failure.extensions(destination))
        case _:
            return Finish(tried)
