"""What a connection to an API server takes: address, credentials, trust and way there; and the pool made of it."""

from __future__ import annotations

import base64
import ipaddress
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.connection import HTTPConnection

from molt.cluster.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

POOL: Final = 32  # connections kept for the threads of the server; more are opened when needed and closed after use
# A connection that a load balancer has forgotten is found out in two minutes instead of two hours.
_KEPT_ALIVE: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 3))


@dataclass(frozen=True, slots=True)
class Access:
    """An API server, as one caller reaches it. `bearer` returns the Authorization header, asked for each request."""

    host: str
    bearer: Callable[[], str | None]
    authority: str | None = None  # file of the certificates to trust; None: the system's
    certificate: str | None = None  # files of the client certificate and its key
    key: str | None = None
    verified: bool = True
    server_name: str | None = None  # in the server's certificate, where it is not the host
    proxy: str | None = None

    def pool(self) -> urllib3.PoolManager:
        """Return a new pool of connections; nothing is sent."""
        settings: dict[str, Any] = {
            "maxsize": POOL,
            "socket_options": _socket_options(),
            "cert_reqs": "CERT_REQUIRED" if self.verified else "CERT_NONE",
            "ca_certs": self.authority,
            "cert_file": self.certificate,
            "key_file": self.key,
        }
        if self.server_name:
            settings |= {"server_hostname": self.server_name}
        if not self.proxy:
            return urllib3.PoolManager(**settings)
        address, headers = _signed_in(self.proxy)
        return urllib3.ProxyManager(address, proxy_headers=headers, **settings)


def settled(access: Access) -> Access:
    """Return the access with the proxy that stands between: its own, else the environment's, unless none is to.

    Raises Misconfigured for a proxy that does not speak HTTP.
    """
    parts = urlsplit(access.host)
    if _is_loopback(parts.hostname or ""):
        return replace(access, proxy=None)
    from urllib.request import getproxies  # noqa: PLC0415 - no proxy is asked for on the loopback, where starts are timed

    proxies = getproxies()
    proxy = access.proxy or proxies.get(parts.scheme) or proxies.get("all")
    direct = not proxy or _is_direct(parts.hostname or "", parts.netloc.lower(), proxies)
    return replace(access, proxy=None if direct else _http(proxy or ""))


def _http(proxy: str) -> str:
    """Return the proxy's address, which may come without its scheme, or raise Misconfigured."""
    address = proxy if "://" in proxy else f"http://{proxy}"
    scheme, _, place = address.partition("://")
    if scheme.lower() not in {"http", "https"}:
        reason = f"the proxy {scheme}://{place.rpartition('@')[2]} does not speak HTTP: set another, or NO_PROXY"
        raise Misconfigured(reason)
    return address


def _signed_in(proxy: str) -> tuple[str, dict[str, str]]:
    """Return a proxy's address without the user and password in it, and the header that says them instead."""
    parts = urlsplit(proxy)
    told, at, place = parts.netloc.rpartition("@")
    if not at:
        return proxy, {}
    user, _, password = told.partition(":")
    said = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    return parts._replace(netloc=place).geturl(), {"Proxy-Authorization": f"Basic {said}"}


def _is_direct(host: str, netloc: str, proxies: Mapping[str, str]) -> bool:
    """Tell whether NO_PROXY names the host, with its port or without, a domain of it, or a network that it is in."""
    for entry in filter(None, (entry.strip().lower() for entry in proxies.get("no", "").split(","))):
        name = entry.lstrip(".")
        if entry == "*" or name in {host, netloc} or host.endswith(f".{name}") or _is_in(host, entry):
            return True
    return False


def _is_in(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    """Tell whether `host` is this machine: no proxy of the environment stands between."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _socket_options() -> list[tuple[int, int, int]]:
    """Return urllib3's own (no delay), and that idle connections are kept alive."""
    known = [(socket.IPPROTO_TCP, getattr(socket, name, None), value) for name, value in _KEPT_ALIVE]
    kept = [(level, option, value) for level, option, value in known if option is not None]
    return [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *kept]
