"""The runtime as a whole: what it starts, keeps, refuses and leaves behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3

from molt.cluster import NAMESPACES, RESPONSE_POLICIES
from molt.embedded.runtime import kubeconfig
from molt.embedded.runtime.child import StartError
from molt.embedded.runtime.kubeconfig import NoSuchContext
from molt.embedded.runtime.ledger import Ledger
from molt.embedded.runtime.runtime import BadManifests, Runtime, Settings, running
from molt.embedded.runtime.state import AlreadyRunning, NotRunning, StateFolder
from tests.embedded_cluster import TOKEN, running_cluster

NEVER = "0 0 1 1 *"
ALERT = {
    "rule": "Terminal shell in container",
    "priority": "Notice",
    "output": "a shell",
    "time": "2026-01-02T03:04:05Z",
    "output_fields": {"container.id": "host"},
}


def _settings(folder: Path, **changes: object) -> Settings:
    return Settings(state=StateFolder(folder), environ=os.environ, schedule=NEVER, **changes)  # type: ignore[arg-type]


def _until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def _fate_of(runtime: Runtime, folder: Path, **changes: object) -> str:
    ledger = Ledger.from_now(StateFolder(folder).logs)
    body = json.dumps(ALERT | changes).encode()
    assert 202 == urllib3.request("POST", runtime.addresses.falco, body=body, retries=False, timeout=30).status
    _until(ledger.fates)
    (end,) = ledger.fates().values()
    return f"{end.fate} by {end.function}: {end.reason}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def runtime(folder: Path) -> Iterator[Runtime]:
    with running(_settings(folder)) as started:
        yield started


def test_an_alert_goes_all_the_way_and_nothing_is_left_behind(folder: Path) -> None:
    """Broker and cluster run from the start, a function from its first event on; after the end, none does."""
    steps: list[str] = []
    with running(_settings(folder, progress=steps.append)) as runtime:
        assert runtime.addresses == StateFolder(folder).addresses()
        assert {"broker", "cluster"} == set(runtime.processes())
        assert "ignored by detect-router" in _fate_of(runtime, folder)
        runtime.keep()
        pids = runtime.processes()
        assert {"broker", "cluster", "molt/detect-router"} == set(pids)
        assert runtime.admin.list(RESPONSE_POLICIES)
    assert all(map(_is_gone, pids.values()))
    assert ["starting", "installing", "starting"] == [step.split()[0] for step in steps]
    with pytest.raises(NotRunning):
        StateFolder(folder).addresses()


def test_a_broker_that_was_killed_is_there_again_at_its_address(runtime: Runtime, folder: Path) -> None:
    """Falco need not be told anything, and an alert that comes meanwhile is not lost."""
    os.kill(runtime.processes()["broker"], signal.SIGKILL)
    _until(lambda: not runtime.broker.alive)
    stop = threading.Event()
    keeper = threading.Thread(target=runtime.watch, args=(stop, 0.1))
    keeper.start()
    assert "ignored by detect-router" in _fate_of(runtime, folder)
    stop.set()
    keeper.join()


def test_an_embedded_cluster_that_was_killed_ends_the_runtime(runtime: Runtime) -> None:
    """What it held was in its memory: going on would be a lie."""
    os.kill(runtime.processes()["cluster"], signal.SIGKILL)
    with pytest.raises(StartError, match=r"the embedded cluster has died; its log is .*cluster\.jsonl"):
        runtime.watch(threading.Event(), 0.01)


def test_a_second_runtime_in_the_same_folder_is_refused(runtime: Runtime, folder: Path) -> None:
    """It says why, and does no harm to the first."""
    with pytest.raises(AlreadyRunning, match="already"), running(_settings(folder)):
        pass
    assert "ignored" in _fate_of(runtime, folder)


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_a_port_that_is_taken_is_said(folder: Path, taken: int) -> None:
    """Whichever of the three it is; nothing is left running, and the folder is free again."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(StartError, match=r"[Aa]ddress already in use"),
            running(_settings(folder, port=port - taken)),
        ):
            pass
    with StateFolder(folder).claim():
        pass


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "m.yaml: No such file"),
        ("a: [", "m.yaml: is not YAML"),
        ("apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: f}\n", "containers: is required"),
    ],
)
def test_manifests_that_cannot_be_used_are_said(tmp_path: Path, folder: Path, text: str | None, complaint: str) -> None:
    """Before anything is started or the folder is made."""
    path = tmp_path / "m.yaml"
    if text:
        path.write_text(text)
    with pytest.raises(BadManifests, match=complaint), running(_settings(folder, manifests=path)):
        pass
    assert not folder.exists()


def test_a_context_is_used_and_left_as_it_is(tmp_path: Path, folder: Path) -> None:
    """With a context no cluster is started; molt is installed there, and the functions run as its accounts."""
    with running_cluster() as cluster:
        config = tmp_path / "config"
        config.write_text(kubeconfig.render({"server": cluster.url}, TOKEN))
        settings = Settings(
            StateFolder(folder), dict(os.environ, KUBECONFIG=str(config)), context="molt", schedule=NEVER
        )
        with running(settings) as runtime:
            assert {"broker"} == set(runtime.processes())
            assert ("molt", str(config)) == (runtime.addresses.context, runtime.addresses.kubeconfig)
            assert "ignored by detect-router" in _fate_of(runtime, folder)
            runtime.keep()
        assert "molt" in {obj["metadata"]["name"] for obj in cluster.admin.list(NAMESPACES)}


def test_a_context_that_is_not_there(folder: Path) -> None:
    """The contexts that are there are named."""
    with pytest.raises(NoSuchContext, match="no context 'other'"), running(_settings(folder, context="other")):
        pass
