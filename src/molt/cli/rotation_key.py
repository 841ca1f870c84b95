"""The key that lifetimes are drawn with, for who may know it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from molt import lifetime
from molt.cluster import Forbidden, NotFound
from molt.cluster.resources import SECRETS
from molt.outcome import PermanentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molt.cluster import Cluster
    from molt.lifetime import Keys

SECRET, NAMESPACE = "rotation-key", "molt"
_SETTINGS = {"key": lifetime.KEY, "previous-key": lifetime.PREVIOUS, "since": lifetime.SINCE}


def find(cluster: Cluster, environ: Mapping[str, str]) -> tuple[Keys | None, str]:
    """Return the keys, and where they are from: the Secret that the function has, else the environment's settings.

    None, and why, when the user may not read the one, or it is not there, and has not set the other. Raises
    PermanentError when what is there is no key, and the other errors of the cluster.
    """
    try:
        data = cluster.get(SECRETS, SECRET, NAMESPACE).get("data") or {}
    except (Forbidden, NotFound) as error:
        if not environ.get(lifetime.KEY):
            return None, f"{error.reason}, and {lifetime.KEY} is not set"
        return _keys(environ, "the environment"), "the environment"
    said = {_SETTINGS[name]: _decoded(value) for name, value in data.items() if name in _SETTINGS}
    where = f"secret {NAMESPACE}/{SECRET}"
    return _keys(said, where), where


def _decoded(value: str) -> str:
    return base64.b64decode(value).decode(errors="replace")


def _keys(settings: Mapping[str, str], where: str) -> Keys:
    try:
        return lifetime.keys(settings)
    except ValueError as error:
        raise PermanentError(f"{where}: {error}") from None
