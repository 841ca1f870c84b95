"""Short stable names for pod templates."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from molt.embedded.cluster.objects import ALPHABET

if TYPE_CHECKING:
    from collections.abc import Mapping

LENGTH = 10


def template_hash(template: Mapping[str, Any]) -> str:
    """Return ten characters, fit for names and labels, that stand for a pod template."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:LENGTH])
