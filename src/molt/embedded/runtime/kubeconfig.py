"""Kubeconfigs: reading where a context's cluster is, and writing one for an account of ours in that cluster."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from molt.outcome import MoltError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT = "~/.kube/config"


class NoSuchContext(MoltError):
    """The kubeconfig has no such context, or is none."""


def files_of(environ: Mapping[str, str]) -> str:
    """Return the user's kubeconfig files, joined as in KUBECONFIG."""
    return environ.get("KUBECONFIG") or DEFAULT


def cluster_of(files: str, context: str) -> dict[str, Any]:
    """Return the `cluster` entry of a context in the kubeconfig files `files`, its paths absolute.

    Raises NoSuchContext. As for kubectl, the first file that has an entry of a name wins, and one that is not there is
    passed over.
    """
    clusters: dict[str, dict[str, Any]] = {}
    contexts: dict[str, str] = {}
    for path in (Path(name).expanduser() for name in files.split(os.pathsep) if name):
        config = _read(path)
        try:
            for entry in config.get("clusters") or []:
                clusters.setdefault(str(entry["name"]), _absolute(dict(entry["cluster"]), path.parent))
            for entry in config.get("contexts") or []:
                contexts.setdefault(str(entry["name"]), str(entry["context"]["cluster"]))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise NoSuchContext(f"{path} is no kubeconfig") from None
    if context not in contexts:
        raise NoSuchContext(f"no context {context!r} in {files}; there are: {', '.join(sorted(contexts)) or 'none'}")
    if contexts[context] not in clusters:
        raise NoSuchContext(f"context {context!r} names the cluster {contexts[context]!r}, which is not in {files}")
    return clusters[contexts[context]]


def render(cluster: Mapping[str, Any], token: str) -> str:
    """Return the text of a kubeconfig for one account of one cluster (JSON is YAML)."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "molt", "cluster": dict(cluster)}],
            "users": [{"name": "molt", "user": {"token": token}}],
            "contexts": [{"name": "molt", "context": {"cluster": "molt", "user": "molt"}}],
            "current-context": "molt",
        },
        indent=1,
    )


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise NoSuchContext(f"kubeconfig {path}: {error}") from None


def _absolute(cluster: dict[str, Any], folder: Path) -> dict[str, Any]:
    authority = cluster.get("certificate-authority")
    return cluster if authority is None else {**cluster, "certificate-authority": str(folder.absolute() / authority)}
