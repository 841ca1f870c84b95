"""Kubeconfigs of the plainest kind, as the local runtime writes them: JSON, one context, an address and a token.

Whatever has anything more (YAML, certificates, plugins, several files or contexts) is left to the package `kubernetes`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_CLUSTER: Final = {"server", "certificate-authority"}
_USER: Final = {"token"}
_CONTEXT: Final = {"cluster", "user"}


@dataclass(frozen=True, slots=True)
class Plain:
    """What such a kubeconfig says; `authority`: an absolute path of a file of certificates."""

    server: str
    token: str
    authority: str | None


def read(path: str, context: str | None) -> Plain | None:
    """Return what the file says about its only context; None when it is not of this kind, or not there."""
    try:
        config = json.loads(Path(path).read_text(encoding="utf-8"))
        (cluster,), (user,), (only,) = config["clusters"], config["users"], config["contexts"]
        return _plain(config, context or config["current-context"], only, cluster, user)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _plain(config: Any, context: str, only: Any, cluster: Any, user: Any) -> Plain | None:
    where, who, names = cluster["cluster"], user["user"], only["context"]
    if (only["name"], names["cluster"], names["user"]) != (context, cluster["name"], user["name"]):
        return None
    if not (where.keys() <= _CLUSTER and who.keys() <= _USER and names.keys() <= _CONTEXT and _is_whole(config)):
        return None
    authority = where.get("certificate-authority")
    if authority is not None and not Path(authority).is_absolute():
        return None
    if not (isinstance(where["server"], str) and isinstance(who["token"], str)):
        return None
    return Plain(where["server"], who["token"], authority)


def _is_whole(config: Any) -> bool:
    return bool(config.get("kind") == "Config" and config.get("apiVersion") == "v1")
