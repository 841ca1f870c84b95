"""A Kubernetes control plane of our own: etcd, API server, controller manager, scheduler, and kwok for the kubelets.

Everything listens on 127.0.0.1, on free ports, with RBAC on; state lives in one folder and dies with it.
"""

from __future__ import annotations

import http.client
import json
import secrets
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from testbed.api import Api
from testbed.process import Program
from testbed.recipe import TestbedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_NODES = ("node-a", "node-b", "node-c")
_READY_WITHIN = 90.0  # seconds, for each part; a busy machine of two cores needs 10 in all
# The user and group that each token speaks for. kwok plays every kubelet, so it may do what they all may.
_USERS = {
    "admin": ("admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kwok": ("kwok", "system:masters"),
}


class ControlPlane:
    """A running control plane; made by `ControlPlane.running`, which also stops it."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        """Prepare to run the programs of one folder with the state in another, which must exist and be empty."""
        self._binaries = binaries
        self._folder = folder
        self._programs: list[Program] = []
        self._tokens = {user: secrets.token_hex(16) for user in _USERS}
        self._etcd_url = f"http://127.0.0.1:{_free_port()}"
        self._port = _free_port()
        self.url = f"https://127.0.0.1:{self._port}"
        self.ca_file = folder / "ca.crt"
        self.admin_token = self._tokens["admin"]
        self.nodes = _NODES
        self.version = ""

    @classmethod
    @contextmanager
    def running(cls, binaries: Path, folder: Path) -> Iterator[ControlPlane]:
        """Start everything, wait until pods can run, yield, and stop everything. Logs stay in the folder."""
        plane = cls(binaries, folder)
        try:
            plane._start()
            yield plane
        finally:
            plane._stop()

    @property
    def api(self) -> Api:
        """The API server as cluster administrator."""
        return self.api_as(self.admin_token)

    @property
    def logs(self) -> tuple[Path, ...]:
        """The log file of each program."""
        return tuple(program.log for program in self._programs)

    @property
    def kubectl(self) -> Path:
        """The kubectl of the server's own version."""
        return self._binaries / "kubectl"

    def api_as(self, token: str) -> Api:
        """Return the API server as seen with some token."""
        return Api(self.url, token, self.ca_file)

    def token(self, service_account: str, namespace: str) -> str:
        """Return a fresh token of a ServiceAccount, good for an hour."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        }
        return str(self.api.post(path, request).object()["status"]["token"])

    def kubeconfig(self, path: Path, token: str = "") -> Path:
        """Write a kubeconfig (JSON, which is YAML) of the administrator, or of a token, and return its path."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "testbed",
            "clusters": [{"name": "testbed", "cluster": cluster}],
            "users": [{"name": "testbed", "user": {"token": token or self.admin_token}}],
            "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "testbed"}}],
        }
        path.write_text(json.dumps(config), encoding="utf-8")
        path.chmod(0o600)
        return path

    def compact(self) -> None:
        """Make etcd forget all history, as it does every five minutes in a cluster: old versions are then "expired"."""
        etcd = Api(self._etcd_url, "")
        header = etcd.post("/v3/kv/range", {"key": "AA=="}).object()["header"]
        etcd.post("/v3/kv/compaction", {"revision": header["revision"], "physical": True}).object()

    def restart_api_server(self) -> None:
        """Kill -9 the API server, and wait until another one is ready, at the same address and with the same state.

        It lives as long as the thread that calls this: see `Program.start`.
        """
        old = next(program for program in self._programs if program.name == "kube-apiserver")
        self._programs.remove(old)
        old.kill()
        self._start_api_server()

    def _start(self) -> None:
        keys = subprocess.run(  # noqa: S603 - a program that the testbed built
            [self._binaries / "keys", self._folder], capture_output=True, text=True, check=False
        )
        if keys.returncode != 0:
            raise TestbedError(f"no keys were made: {keys.stderr}")
        self._start_etcd()
        self._start_api_server()
        self._start_controllers()
        for name in self.nodes:
            node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": _node_labels(name)}}
            self.api.post("/api/v1/nodes", node).object()
        self._wait("nodes and accounts", self._takes_pods)
        self.version = str(self.api.get("/version").object()["gitVersion"])

    def _start_etcd(self) -> None:
        peers = f"http://127.0.0.1:{_free_port()}"
        self._run(
            "etcd",
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={self._etcd_url}",
            f"--advertise-client-urls={self._etcd_url}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        )
        self._wait("etcd", lambda: Api(self._etcd_url, "").get("/health").status == http.client.OK)

    def _start_api_server(self) -> None:
        rows = [f'{self._tokens[key]},{user},{key},"{group}"' for key, (user, group) in _USERS.items()]
        tokens = self._folder / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text("\n".join(rows), encoding="utf-8")
        self._run(
            "kube-apiserver",
            f"--etcd-servers={self._etcd_url}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--secure-port={self._port}",
            f"--tls-cert-file={self._folder / 'server.crt'}",
            f"--tls-private-key-file={self._folder / 'server.key'}",
            "--authorization-mode=Node,RBAC",
            f"--token-auth-file={tokens}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={self._folder / 'service-account.key'}",
            f"--service-account-key-file={self._folder / 'service-account.pub'}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--allow-privileged=true",
            "--profiling=false",
        )
        self._wait("kube-apiserver", lambda: self.api.get("/readyz").status == http.client.OK)

    def _start_controllers(self) -> None:
        config = {name: f"--kubeconfig={self._config_of(name)}" for name in list(_USERS)[1:]}
        self._run(
            "kube-controller-manager",
            config["kube-controller-manager"],
            f"--service-account-private-key-file={self._folder / 'service-account.key'}",
            f"--root-ca-file={self.ca_file}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--horizontal-pod-autoscaler-sync-period=1s",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            "--secure-port=0",
        )
        self._run("kube-scheduler", config["kube-scheduler"], "--leader-elect=false", "--secure-port=0")
        self._run(
            "kwok",
            config["kwok"],
            f"--config={self._binaries / 'stages.yaml'}",
            "--manage-all-nodes=true",
            "--cidr=10.128.0.1/16",
            "--node-ip=127.0.0.1",
            "--node-port=0",
            "--node-lease-duration-seconds=40",
        )

    def _config_of(self, user: str) -> Path:
        return self.kubeconfig(self._folder / f"{user}.kubeconfig", self._tokens[user])

    def _takes_pods(self) -> bool:
        nodes: list[dict[str, Any]] = self.api.get("/api/v1/nodes").object()["items"]
        untainted = len(nodes) == len(self.nodes) and not any(node["spec"].get("taints") for node in nodes)
        account = self.api.get("/api/v1/namespaces/default/serviceaccounts/default")
        return untainted and account.status == http.client.OK

    def _run(self, name: str, *arguments: str) -> None:
        self._programs.append(Program.start(self._binaries / name, self._folder, arguments))

    def _wait(self, what: str, ready: Callable[[], bool]) -> None:
        """Poll until something is ready; a program that ended meanwhile, or the deadline, is a TestbedError."""
        deadline = time.monotonic() + _READY_WITHIN
        while not _asked(ready):
            for program in self._programs:
                program.check()
            if time.monotonic() > deadline:
                tails = "\n".join(f"--- {program.name}\n{program.tail()}" for program in self._programs)
                raise TestbedError(f"{what}: not ready after {_READY_WITHIN:.0f} s\n{tails}")
            time.sleep(0.05)

    def _stop(self) -> None:
        for program in reversed(self._programs):
            program.kill()
        shutil.rmtree(self._folder / "etcd", ignore_errors=True)  # 64 MB of preallocated log; what was said stays


def _asked(ready: Callable[[], bool]) -> bool:
    try:
        return ready()
    except (OSError, http.client.HTTPException):  # it does not listen yet
        return False


def _node_labels(name: str) -> dict[str, str]:
    return {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "kwok"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
