"""Where Cluster finds the API: URL and token | kubeconfig and context | service account | environment | nowhere."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import urllib3

from molt.cluster import PODS, Cluster, Misconfigured, Unavailable, connect, plain
from molt.cluster.access import Access
from molt.cluster.backoff import Backoff
from molt.cluster.transport import Transport
from molt.embedded.runtime.kubeconfig import render
from tests.molt.cluster.stub import Stub, answer

CA = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"


def kubeconfig(folder: Path, url: str, **change: Any) -> Path:
    path = folder / "config"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u1", "user": {"token": "first"}}, {"name": "u2", "user": {"token": "second"}}],
        "contexts": [
            {"name": "one", "context": {"cluster": "c", "user": "u1"}},
            {"name": "two", "context": {"cluster": "c", "user": "u2"}},
        ],
    } | change
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """Return a folder as the kubelet mounts it into a pod."""
    (tmp_path / "token").write_text("one\n")
    (tmp_path / "ca.crt").write_text(CA)
    return tmp_path


def token_at(cluster: Cluster, stub: Stub) -> str | None:
    cluster.get(PODS, "web-0", "shop")
    cluster.close()
    return stub.seen[-1].headers.get("authorization")


def test_by_url(stub: Stub) -> None:
    """The token is optional; a slash at the end of the address is not doubled."""
    assert "Bearer t" == token_at(Cluster.connect(url=f"{stub.url}/", token="t\n"), stub)
    assert token_at(Cluster.connect(url=stub.url), stub) is None
    assert {"/api/v1/namespaces/shop/pods/web-0"} == {seen.path for seen in stub.seen}


def test_by_kubeconfig_and_context(stub: Stub, tmp_path: Path) -> None:
    """Without a context it is the current one."""
    path = str(kubeconfig(tmp_path, stub.url))
    assert "Bearer first" == token_at(Cluster.connect(kubeconfig=path), stub)
    assert "Bearer second" == token_at(Cluster.connect(kubeconfig=path, context="two"), stub)


def test_a_context_alone_is_one_of_the_users_own_kubeconfig(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That file is where kubectl has it."""
    monkeypatch.setattr(connect, "KUBECONFIG", str(kubeconfig(tmp_path, stub.url)))
    assert "Bearer second" == token_at(Cluster.connect(context="two"), stub)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="no file"),
        pytest.param("", id="empty"),
        pytest.param("{", id="not YAML"),
        pytest.param("[1]", id="a list"),
        pytest.param("just text", id="a text"),
        pytest.param('{"clusters": 5}', id="wrong types"),
        pytest.param('{"current-context": "x", "contexts": [], "clusters": []}', id="no such context"),
        pytest.param("server: \x00", id="unprintable"),
    ],
)
def test_an_unusable_kubeconfig_is_named(tmp_path: Path, content: str | None) -> None:
    """One error, with the path, for whatever is wrong in the file."""
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Misconfigured, match=f"kubeconfig {path}: "):
        Cluster.connect(kubeconfig=str(path))


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://host", "https://", "http://[::1", "http://host:99999"])
def test_what_is_no_address_is_refused(url: str) -> None:
    """Before anything is sent."""
    with pytest.raises(Misconfigured, match="is not the address of an API server"):
        Cluster.connect(url=url)


@pytest.mark.parametrize("token", [" \n", "two\nlines", "é"])
def test_what_is_no_token_is_refused_and_not_shown(token: str) -> None:
    """A header could not hold it, and an error message must not."""
    with pytest.raises(Misconfigured) as caught:
        connect.by_url("http://localhost", token)
    assert "the token is empty or holds characters that no HTTP header can" == str(caught.value)


def test_the_service_account_is_found_and_its_token_read_anew(mount: Path) -> None:
    """The kubelet rotates the file; in the moment between two files the old token still counts."""
    access = connect.in_cluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}, mount)
    assert ("https://10.0.0.1:6443", str(mount / "ca.crt")) == (access.host, access.authority)
    seen = [access.bearer()]
    for text in ("two", "", None):
        (mount / "token").unlink() if text is None else (mount / "token").write_text(text)
        seen.append(access.bearer())
    assert ["Bearer one", "Bearer two", "Bearer two", "Bearer two"] == seen


@pytest.mark.parametrize(
    ("environ", "host"),
    [
        ({}, "https://kubernetes.default.svc"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "https://10.0.0.1:443"),
        ({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}, "https://[fd00::1]:443"),
    ],
)
def test_the_service_accounts_server_is_that_of_the_environment(
    mount: Path, environ: dict[str, str], host: str
) -> None:
    """Else it is the name that every cluster's DNS knows."""
    assert host == connect.in_cluster(environ, mount).host


@pytest.mark.parametrize("missing", ["token", "ca.crt"])
def test_outside_a_pod_the_way_out_is_told(mount: Path, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names what to set."""
    (mount / missing).unlink()
    monkeypatch.setattr(connect, "MOUNT", mount)
    with pytest.raises(Misconfigured, match="set MOLT_API_URL or KUBECONFIG"):
        connect.in_cluster({}, mount)


def test_without_arguments_it_is_the_pods_own_cluster(mount: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function in a cluster needs no setting."""
    expected = connect.in_cluster({}, mount)
    monkeypatch.setattr(connect, "in_cluster", lambda _: expected)
    used = []
    monkeypatch.setattr(Transport, "__init__", lambda _, access: used.append(access))
    Cluster.connect()
    assert [expected] == used


def test_the_environment_names_url_before_kubeconfig_before_service_account(
    stub: Stub, tmp_path: Path, mount: Path
) -> None:
    """The most explicit wins; an empty variable counts as unset."""
    path = str(kubeconfig(tmp_path, stub.url))
    environ = {"MOLT_API_URL": stub.url, "MOLT_API_TOKEN": "env", "KUBECONFIG": path}
    assert "Bearer env" == token_at(Cluster.from_environ(environ), stub)
    assert "Bearer first" == token_at(Cluster.from_environ(environ | {"MOLT_API_URL": ""}), stub)
    assert "https://kubernetes.default.svc" == connect.from_environ({"KUBECONFIG": ""}, mount).host


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://127.0.0.1:1", None),
        ("http://[::1]:1", None),
        ("http://localhost:1", None),
        ("http://api.localhost:1", None),
        ("http://10.1.2.3:1", "http://proxy:3128"),
        ("http://api.example:1", "http://proxy:3128"),
    ],
)
def test_no_proxy_stands_before_the_loopback(monkeypatch: pytest.MonkeyPatch, url: str, proxy: str | None) -> None:
    """A proxy of the environment would look for our address on its own machine."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://proxy:3128")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert proxy == connect.by_url(url).proxy


@pytest.mark.parametrize(
    ("no_proxy", "direct"),
    [
        ("", False),
        ("other.example, ,", False),
        ("10.0.0.0/8", True),
        ("10.1.2.3", True),
        ("10.1.2.3:6443", True),
        ("10.1.2.3:443", False),
        ("192.0.2.0/24", False),
        ("*", True),
    ],
)
def test_what_needs_no_proxy_is_reached_without(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, *, direct: bool
) -> None:
    """Hosts, domains and networks, as elsewhere."""
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert (None if direct else "http://proxy:3128") == connect.by_url("https://10.1.2.3:6443").proxy


def test_a_domain_needs_no_proxy_with_all_that_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a dot before it and without."""
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    for no_proxy in (".example", "example", "api.example"):
        monkeypatch.setenv("no_proxy", no_proxy)
        assert connect.by_url("https://api.example").proxy is None
    assert "http://proxy:3128" == connect.by_url("https://api.elsewhere").proxy


def test_one_proxy_may_be_for_all_that_has_none_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address without a scheme is one of HTTP."""
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("all_proxy", "proxy:3128")
    assert "http://proxy:3128" == connect.by_url("https://api.example").proxy
    monkeypatch.setenv("https_proxy", "https://other")
    assert "https://other" == connect.by_url("https://api.example").proxy


def test_a_proxy_that_does_not_speak_http_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a word, and without its password."""
    monkeypatch.setenv("https_proxy", "socks5://user:secret@proxy:1080")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(Misconfigured, match=r"^the proxy socks5://proxy:1080 does not speak HTTP"):
        connect.by_url("https://api.example")


def test_the_pool_is_what_the_access_says() -> None:
    """Trust, client certificate, name, proxy."""
    access = Access(
        "https://a", lambda: None, "/ca", "/crt", "/key", verified=False, server_name="b", proxy="http://p:1"
    )
    pool = access.pool()
    assert isinstance(pool, urllib3.ProxyManager)
    known = pool.connection_pool_kw
    wanted = {"ca_certs": "/ca", "cert_file": "/crt", "key_file": "/key", "cert_reqs": "CERT_NONE"}
    assert wanted | {"server_hostname": "b"} == {name: known[name] for name in (*wanted, "server_hostname")}
    assert "CERT_REQUIRED" == Access("https://a", lambda: None).pool().connection_pool_kw["cert_reqs"]


def test_a_proxy_is_told_the_user_and_the_password(stub: Stub) -> None:
    """Those in its address, decoded, with a request that it passes on and with one for a tunnel."""
    place = stub.url.removeprefix("http://")
    for told, expected in (("us%40er:p%3Aw%C3%BC@", "us@er:p:wü"), ("user@", "user:"), ("", None)):
        stub.will(answer({"kind": "Pod"}))
        transport = Transport(Access("http://api.example", lambda: None, proxy=f"http://{told}{place}"))
        Cluster(transport).get(PODS, "web-0", "shop")
        said = stub.seen[-1].headers.get("proxy-authorization", "")
        assert expected == (base64.b64decode(said.removeprefix("Basic ")).decode() if said else None)
        transport.close()
    headers: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def tunnel() -> None:
            connection, _ = server.accept()
            headers.append(connection.recv(65_536))
            connection.close()

        thread = threading.Thread(target=tunnel)
        thread.start()
        proxy = f"http://user:secret@127.0.0.1:{server.getsockname()[1]}"
        transport = Transport(Access("https://api.example", lambda: None, proxy=proxy), Backoff(tries=1))
        with pytest.raises(Unavailable) as raised:
            Cluster(transport).get(PODS, "web-0", "shop")
        thread.join()
    assert "secret" not in raised.value.reason
    assert headers[0].startswith(b"CONNECT api.example:443 ")
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"user:secret") in headers[0]


def plain_config(folder: Path, url: str, **cluster: Any) -> Path:
    path = folder / "plain"
    path.write_text(render({"server": url, **cluster}, "only"), encoding="utf-8")
    return path


def test_a_plain_kubeconfig_is_read_here(stub: Stub, tmp_path: Path) -> None:
    """As the local runtime writes it; by its context's name, too, and none of another name."""
    path = plain_config(tmp_path, stub.url, **{"certificate-authority": str(tmp_path / "ca.crt")})
    assert plain.Plain(stub.url, "only", str(tmp_path / "ca.crt")) == plain.read(str(path), None)
    assert "Bearer only" == token_at(Cluster.connect(kubeconfig=str(plain_config(tmp_path, stub.url))), stub)
    assert plain.read(str(path), "molt") == plain.read(str(path), None)
    assert plain.read(str(path), "other") is None


@pytest.mark.parametrize(
    "more",
    [{"insecure-skip-tls-verify": True}, {"certificate-authority": "ca.crt"}, {"proxy-url": "http://proxy"}],
    ids=str,
)
def test_a_kubeconfig_with_more_is_left_to_kubernetes(tmp_path: Path, more: dict[str, Any]) -> None:
    """So is one of another kind, and what cannot be read."""
    assert plain.read(str(plain_config(tmp_path, "http://x", **more)), None) is None
    other = plain_config(tmp_path, "http://x")
    other.write_text(other.read_text().replace('"Config"', '"Other"'))
    assert plain.read(str(other), None) is None
    other.write_text(other.read_text().replace('"Other"', '"Config"').replace('"only"', "null"))
    assert plain.read(str(other), None) is None


def test_a_function_in_a_cluster_does_not_import_kubernetes() -> None:
    """It would cost a cold start more than all the rest."""
    code = (
        "import sys; from molt.cluster import Cluster; Cluster.connect(url='http://localhost');"
        "print([name for name in sys.modules if name.startswith('kubernetes')])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "[]\n" == done.stdout
