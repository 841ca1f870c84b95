"""Pytest plugin: one real control plane for a whole test session, and the words that say which one it was."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from testbed.build import cache_folder, missing
from testbed.control_plane import ControlPlane
from testbed.recipe import TestbedError, recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STARTED = pytest.StashKey[tuple[ControlPlane, float]]()
NOTES = pytest.StashKey[list[str]]()


def absent() -> str:
    """Return why no real control plane can be started here; empty when one can."""
    try:
        wanted = recipe(os.environ.get("TESTBED_KUBERNETES", ""))
    except TestbedError as error:
        return str(error)
    lacking = missing(wanted, cache_folder(os.environ, wanted))
    if not lacking:
        return ""
    return f"Kubernetes {wanted.kubernetes} is not built ({', '.join(lacking)}): `make testbed` builds it, with Go"


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Start the real control plane; skip where it is not built, or fail where MOLT_REQUIRE_TESTBED=1 asks for it."""
    reason = absent()
    if reason and os.environ.get("MOLT_REQUIRE_TESTBED") == "1":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    began = time.monotonic()
    with ControlPlane.running(binaries(), tmp_path_factory.mktemp("control-plane")) as plane:
        request.config.stash[STARTED] = plane, time.monotonic() - began
        yield plane


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return what keeps a line for the end of the report: what was measured, not only that it was good enough."""
    return request.config.stash.setdefault(NOTES, []).append


def kubectl() -> str | None:
    """Return the kubectl of this machine, else the testbed's if that is built."""
    if installed := shutil.which("kubectl"):
        return installed
    built = binaries() / "kubectl"
    return str(built) if built.exists() else None


def binaries() -> Path:
    """Return the folder of the testbed's programs, whether they are built or not."""
    return cache_folder(os.environ, recipe(os.environ.get("TESTBED_KUBERNETES", "")))


def pytest_report_header() -> str:
    """Say at the top which control plane the real suites will meet."""
    return f"real control plane: {absent() or f'Kubernetes {_wanted()}, built'}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say at the bottom which server answered; after a failure, where its logs are."""
    for line in config.stash.get(NOTES, []):
        terminalreporter.write_line(line)
    if STARTED not in config.stash:
        return
    plane, seconds = config.stash[STARTED]
    terminalreporter.write_line(f"real control plane: kube-apiserver {plane.version}, started in {seconds:.1f} s")
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        for log in plane.logs:
            terminalreporter.write_line(f"  log: {log}")


def _wanted() -> str:
    return recipe(os.environ.get("TESTBED_KUBERNETES", "")).kubernetes
