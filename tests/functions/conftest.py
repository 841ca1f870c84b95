"""Fixtures of the functions' tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.functions.installation import Installation, embedded, real

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.real)])
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """Return a namespace of its own for the test, on the embedded cluster and on the real control plane."""
    if request.param == "embedded":
        with embedded() as installation:
            yield installation
    else:
        with real(request.getfixturevalue("control_plane"), tmp_path) as installation:
            yield installation
