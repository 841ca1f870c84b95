"""A running store for the tests that watch controllers at work; no controller may have met what it cannot read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.embedded.controllers.running import Shop, running

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def shop(caplog: pytest.LogCaptureFixture) -> Iterator[Shop]:
    """Yield a namespace whose controllers run, quickly."""
    caplog.set_level(logging.ERROR)
    with running() as found:
        yield found
    assert [] == [record.getMessage() for record in caplog.records]
