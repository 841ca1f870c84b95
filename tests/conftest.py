"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["tests.control_plane"]

# How long an example takes says something of the machine, and nothing of the code.
settings.register_profile("molt", deadline=None)
settings.load_profile("molt")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of recorded alerts and broker answers beside the checkout; absent in a fresh clone."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        if os.environ.get("MOLT_REQUIRE_SHARED") == "1":
            pytest.fail("../shared is required here and is not there")
        pytest.skip("../shared is not there")
    return folder
