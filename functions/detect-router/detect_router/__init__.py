"""The detect-router function: which policy answers an alert, in which pod."""

from __future__ import annotations

from typing import Final

FUNCTION: Final = "detect-router"
