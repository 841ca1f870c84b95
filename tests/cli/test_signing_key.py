"""What `molt dead-letters retry` signs anew, and what it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from molt.cli.signing_key import renewing
from molt.events import Event
from molt.outcome import RefusedEvent
from molt.seal import Seal

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SEAL = Seal((b"k" * 32,), "here")
EVENT = Event("1", "/molt/detect-router", "io.molt-project.alert.routed.v1", {"a": 1}, extensions={"remedy": "tag"})


def _later() -> datetime:
    return NOW + timedelta(days=7)


def test_an_old_signature_is_made_anew() -> None:
    """A week later the functions take the event again."""
    old = SEAL.sign(EVENT, NOW)
    with pytest.raises(RefusedEvent):
        SEAL.check(old, _later())
    SEAL.check(renewing(SEAL, _later)(old), _later())


def test_what_was_altered_is_not_signed() -> None:
    """To sign a forger's event would make it a true one."""
    altered = replace(SEAL.sign(EVENT, NOW), data={"a": 2})
    with pytest.raises(RefusedEvent):
        renewing(SEAL, _later)(altered)


@pytest.mark.parametrize(("seal", "event"), [(SEAL, EVENT), (None, SEAL.sign(EVENT, NOW))])
def test_without_a_signature_or_a_key_an_event_stays_as_it_is(seal: Seal | None, event: Event) -> None:
    """An alert has no signature, and who may not know the key sends what is there."""
    assert event == renewing(seal, _later)(event)
