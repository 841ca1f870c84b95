"""Where the API is and who we are there: a URL and a token, a kubeconfig, or the pod's own service account.

The package `kubernetes` is imported for kubeconfigs with more than a token in them (files, plugins, several contexts):
to import it costs a cold start more than all the rest, and a third of a function's memory.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from molt.cluster import plain
from molt.cluster.access import Access, settled
from molt.cluster.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Mapping

MOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
KUBECONFIG: Final = "~/.kube/config"


def from_environ(environ: Mapping[str, str], mount: Path = MOUNT) -> Access:
    """Return what MOLT_API_URL (and MOLT_API_TOKEN) say, else KUBECONFIG, else the pod's service account."""
    if url := environ.get("MOLT_API_URL"):
        return by_url(url, environ.get("MOLT_API_TOKEN"))
    if path := environ.get("KUBECONFIG"):
        return by_kubeconfig(path)
    return in_cluster(environ, mount)


def by_url(url: str, token: str | None = None) -> Access:
    """Return the access to an API server at `url`; raises Misconfigured for what is not an http(s) address."""
    bearer = _bearer(token) if token else None
    return settled(Access(_address(url), lambda: bearer))


def by_kubeconfig(path: str, context: str | None = None) -> Access:
    """Return the access of a context (None: the current one) of the kubeconfig files `path` (joined by `:`)."""
    if found := plain.read(path, context):
        bearer = _bearer(found.token)
        return settled(Access(_address(found.server), lambda: bearer, authority=found.authority))
    from kubernetes.client.configuration import Configuration  # noqa: PLC0415 - see the module
    from kubernetes.config import ConfigException, kube_config  # noqa: PLC0415

    configuration = Configuration()
    not_yaml = kube_config.yaml.YAMLError  # type: ignore[attr-defined]  # theirs: a function carries no yaml of its own
    unreadable = (ConfigException, OSError, ValueError, TypeError, KeyError, AttributeError, not_yaml)
    try:
        kube_config.load_kube_config(path, context, configuration, persist_config=False)  # type: ignore[no-untyped-call]  # kubernetes types it in part
    except unreadable as error:
        reason = f"kubeconfig {path}: {error}"
        raise Misconfigured(reason) from error
    return settled(
        Access(
            configuration.host,
            partial(configuration.get_api_key_with_prefix, "BearerToken"),
            authority=configuration.ssl_ca_cert,
            certificate=configuration.cert_file,
            key=configuration.key_file,
            verified=configuration.verify_ssl,
            server_name=configuration.tls_server_name,
            proxy=configuration.proxy,
        )
    )


def in_cluster(environ: Mapping[str, str], mount: Path = MOUNT) -> Access:
    """Return the access of the pod's service account; without KUBERNETES_SERVICE_HOST to the cluster's DNS name.

    The token is read anew for every request, since the kubelet rotates the file; a read is cheap beside a request.
    """
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT") or "443"
    host = f"[{host}]" if host and ":" in host else host
    address = _address(f"https://{host}:{port}" if host else "https://kubernetes.default.svc")
    token, authority = mount / "token", mount / "ca.crt"
    try:
        known = [_bearer(token.read_text())]
        authority.read_bytes()
    except OSError as error:
        reason = f"no cluster: set MOLT_API_URL or KUBECONFIG, or run in a pod with a service account ({error})"
        raise Misconfigured(reason) from error

    def reread() -> str:
        try:
            known[0] = _bearer(token.read_text())
        except (OSError, Misconfigured):
            return known[0]  # between two files of a rotation: the old token is still good
        return known[0]

    return settled(Access(address, reread, authority=str(authority)))


def _address(url: str) -> str:
    """Return the address without a slash at its end, or raise Misconfigured."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        reason = f"{url!r} is not the address of an API server: http(s)://host[:port]"
        raise Misconfigured(reason)
    return url.rstrip("/")


def _bearer(token: str) -> str:
    """Return the Authorization header for `token`, or raise Misconfigured for one that no header can hold."""
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable():
        reason = "the token is empty or holds characters that no HTTP header can"
        raise Misconfigured(reason)
    return f"Bearer {token}"
