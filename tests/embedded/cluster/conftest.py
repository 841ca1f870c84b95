"""A fresh API for each test, and nobody who alters what a store holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.embedded.cluster.caller import Caller
from tests.embedded.unaltered import unaltered

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _unaltered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let nobody alter what a store holds."""
    with unaltered(monkeypatch):
        yield


@pytest.fixture
def admin() -> Caller:
    """Return an administrator of an empty cluster."""
    return Caller()
