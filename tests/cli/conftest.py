"""The command as a user runs it, and what it speaks to: a fake door, a log folder, a cluster with molt's kinds."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from molt.cli import main
from molt.cluster import NAMESPACES
from molt.embedded.runtime import install, kubeconfig
from molt.embedded.runtime.runtime import MANIFESTS, read
from molt.embedded.runtime.state import Addresses, StateFolder
from molt.outcome import SystemClock
from tests.cli.door import FakeDoor
from tests.embedded_cluster import TOKEN, RunningCluster, running_cluster

NEEDED = {"Namespace", "CustomResourceDefinition"}


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, read as JSON."""
        return json.loads(self.out)


Molt = Callable[..., Result]


@pytest.fixture
def molt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Molt:
    """Return what runs `molt` in this process, in a world of its own."""
    monkeypatch.setenv("MOLT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))

    def run(*arguments: object, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "argv", ["molt", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Result(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="package")
def cluster() -> Iterator[RunningCluster]:
    """Run a cluster with molt's kinds, an empty namespace `shop` and no policy."""
    with running_cluster(controllers=False) as running:
        documents = [document.body for document in read(MANIFESTS)]
        install.apply_all(running.admin, [doc for doc in documents if doc["kind"] in NEEDED], SystemClock())
        running.admin.create(NAMESPACES, {"metadata": {"name": "shop"}})
        yield running


@pytest.fixture
def context(cluster: RunningCluster, tmp_path: Path) -> str:
    """Return the name of the context of the user's kubeconfig that is this cluster."""
    (tmp_path / "kubeconfig").write_text(kubeconfig.render({"server": cluster.url}, TOKEN))
    return "molt"


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    """Return the user's folder."""
    return StateFolder(tmp_path / "state")


@pytest.fixture
def door(state: StateFolder, tmp_path: Path) -> Iterator[FakeDoor]:
    """Return what stands for a running local runtime: it takes alerts, and its log says what became of them."""
    with state.claim(), FakeDoor(state.log("fake")) as opened:
        state.publish(Addresses(1, opened.url("broker"), opened.url("falco"), str(tmp_path / "kubeconfig"), "molt"))
        yield opened
