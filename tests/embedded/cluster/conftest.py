"""A fresh API for each test."""

from __future__ import annotations

import pytest

from tests.embedded.cluster.caller import Caller


@pytest.fixture
def admin() -> Caller:
    """Return an administrator of an empty cluster."""
    return Caller()
