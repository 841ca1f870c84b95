"""The function as a process."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.request import ProxyHandler, build_opener

import pytest

from tests.functions.processes import SIGNING

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = [sys.executable, "-m", "detect_router"]


def environ(**change: str) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MOLT_", "KUBE"))}
    return kept | SIGNING | change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MOLT_API_URL": "nowhere"}, "detect-router: 'nowhere' is not the address of an API server"),
        ({"KUBECONFIG": "/no/such/file"}, "detect-router: kubeconfig /no/such/file: "),
        (
            {"MOLT_API_URL": "http://127.0.0.1:1", "PORT": "http"},
            "detect-router: PORT is 'http', and must be a number from 0 to 65535",
        ),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(change: dict[str, str], message: str) -> None:
    """No traceback: whoever installs it reads what to set."""
    done = subprocess.run(PROGRAM, env=environ(**change), check=False, capture_output=True, text=True)
    assert (2, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert done.stderr.startswith(message)


def test_it_serves_until_it_is_told_to_end() -> None:
    """PORT=0 takes a free one, which is in the first line of the log; SIGTERM ends it well."""
    importlib.import_module("detect_router.__main__")  # to import it starts nothing
    env = environ(MOLT_API_URL="http://127.0.0.1:1", PORT="0")
    with subprocess.Popen(PROGRAM, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            assert 200 == answer.status
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(10)
