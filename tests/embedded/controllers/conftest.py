"""A running store for the tests that watch controllers at work; no controller may have met what it cannot read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.embedded.controllers.running import Shop, running
from tests.embedded.unaltered import unaltered

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def shop(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Yield a namespace whose controllers run, quickly, and alter nothing that the store has."""
    caplog.set_level(logging.ERROR)
    with unaltered(monkeypatch), running() as found:
        yield found
    assert [] == [record.getMessage() for record in caplog.records]
