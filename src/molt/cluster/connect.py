"""Where the API is and who we are there: a URL and a token, a kubeconfig, or the pod's own service account."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from kubernetes.client.configuration import Configuration
from kubernetes.config import ConfigException, kube_config

from molt.cluster.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Mapping

MOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
KUBECONFIG: Final = "~/.kube/config"
POOL: Final = 32  # connections kept for the threads of the server; more are opened when needed and closed after use


def from_environ(environ: Mapping[str, str], mount: Path = MOUNT) -> Configuration:
    """Return what MOLT_API_URL (and MOLT_API_TOKEN) say, else KUBECONFIG, else the pod's service account."""
    if url := environ.get("MOLT_API_URL"):
        return by_url(url, environ.get("MOLT_API_TOKEN"))
    if path := environ.get("KUBECONFIG"):
        return by_kubeconfig(path)
    return in_cluster(environ, mount)


def by_url(url: str, token: str | None = None) -> Configuration:
    """Return the configuration for an API server at `url`; raises Misconfigured for what is not an http(s) address."""
    configuration = _configuration(url)
    if token:
        configuration.api_key["BearerToken"] = _bearer(token)
    return configuration


def by_kubeconfig(path: str, context: str | None = None) -> Configuration:
    """Return the configuration of a context (None: the current one) of the kubeconfig files `path` (joined by `:`)."""
    configuration = Configuration()
    not_yaml = kube_config.yaml.YAMLError  # type: ignore[attr-defined]  # theirs: a function carries no yaml of its own
    unreadable = (ConfigException, OSError, ValueError, TypeError, KeyError, AttributeError, not_yaml)
    try:
        kube_config.load_kube_config(path, context, configuration, persist_config=False)  # type: ignore[no-untyped-call]  # kubernetes types it in part
    except unreadable as error:
        reason = f"kubeconfig {path}: {error}"
        raise Misconfigured(reason) from error
    return _settled(configuration)


def in_cluster(environ: Mapping[str, str], mount: Path = MOUNT) -> Configuration:
    """Return the configuration of the pod's service account; without KUBERNETES_SERVICE_HOST the cluster's DNS name.

    The token is read anew for every request, since the kubelet rotates the file; a read is cheap beside a request.
    """
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT") or "443"
    host = f"[{host}]" if host and ":" in host else host
    configuration = _configuration(f"https://{host}:{port}" if host else "https://kubernetes.default.svc")
    token, authority = mount / "token", mount / "ca.crt"
    try:
        configuration.api_key["BearerToken"] = _bearer(token.read_text())
        authority.read_bytes()
    except OSError as error:
        reason = f"no cluster: set MOLT_API_URL or KUBECONFIG, or run in a pod with a service account ({error})"
        raise Misconfigured(reason) from error
    configuration.ssl_ca_cert = str(authority)

    def reread(configuration: Configuration) -> None:
        try:
            configuration.api_key["BearerToken"] = _bearer(token.read_text())
        except (OSError, Misconfigured):
            return  # between two files of a rotation: the old token is still good

    configuration.refresh_api_key_hook = reread  # type: ignore[assignment]  # kubernetes types it by its None
    return configuration


def _configuration(url: str) -> Configuration:
    """Return the configuration for `url`, or raise Misconfigured."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        reason = f"{url!r} is not the address of an API server: http(s)://host[:port]"
        raise Misconfigured(reason)
    return _settled(Configuration(host=url.rstrip("/")))


def _settled(configuration: Configuration) -> Configuration:
    """Return the same configuration with molt's own settings."""
    configuration.retries = False  # ours: they are counted, bounded in time, and know which requests may be repeated
    configuration.connection_pool_maxsize = POOL
    configuration.keep_alive = True
    if _is_loopback(urlsplit(configuration.host).hostname or ""):
        configuration.proxy = None
    return configuration


def _is_loopback(host: str) -> bool:
    """Tell whether `host` is this machine: no proxy of the environment stands between."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _bearer(token: str) -> str:
    """Return the Authorization header for `token`, or raise Misconfigured for one that no header can hold."""
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable():
        reason = "the token is empty or holds characters that no HTTP header can"
        raise Misconfigured(reason)
    return f"Bearer {token}"
