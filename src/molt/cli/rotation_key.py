"""The key that lifetimes are drawn with, for who may know it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, TypeVar

from molt import lifetime
from molt.cluster import Forbidden, NotFound
from molt.cluster.resources import SECRETS
from molt.outcome import PermanentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from molt.cluster import Cluster
    from molt.lifetime import Keys

SECRET, NAMESPACE = "rotation-key", "molt"
Made = TypeVar("Made")
_SETTINGS = {"key": lifetime.KEY, "previous-key": lifetime.PREVIOUS, "since": lifetime.SINCE}


def find(cluster: Cluster, environ: Mapping[str, str]) -> tuple[Keys | None, str]:
    """Return the keys, and where they are from: the Secret that the function has, else the environment's settings.

    None, and why, when the user may not read the one, or it is not there, and has not set the other. Raises
    PermanentError when what is there is no key, and the other errors of the cluster.
    """
    return secret_of(cluster, environ, SECRET, _SETTINGS, lifetime.keys)


def secret_of(
    cluster: Cluster,
    environ: Mapping[str, str],
    secret: str,
    names: Mapping[str, str],
    make: Callable[[Mapping[str, str]], Made],
) -> tuple[Made | None, str]:
    """Return what `make` makes of a Secret's values by the `names` of settings, `key` first, else of the environment.

    As `find`, of which this is the general form; `make` raises ValueError for what is none.
    """
    try:
        data = cluster.get(SECRETS, secret, NAMESPACE).get("data") or {}
    except (Forbidden, NotFound) as error:
        if not environ.get(names["key"]):
            return None, f"{error.reason}, and {names['key']} is not set"
        said, where = environ, "the environment"
    else:
        said = {names[name]: _decoded(value) for name, value in data.items() if name in names}
        where = f"secret {NAMESPACE}/{secret}"
    try:
        return make(said), where
    except ValueError as error:
        raise PermanentError(f"{where}: {error}") from None


def _decoded(value: str) -> str:
    return base64.b64decode(value).decode(errors="replace")
