"""The function as a process."""

from __future__ import annotations

import importlib

from tests.functions.processes import refusal, running


def test_it_serves_until_it_is_told_to_end() -> None:
    """It is ready, refuses what is not signed, and what is no tick, and SIGTERM ends it well."""
    importlib.import_module("release.__main__")  # to import it starts nothing
    headers = {"ce-id": "1", "ce-source": "x", "ce-type": "x", "ce-specversion": "1.0"}
    with running("release") as function:
        assert (200, "ok\n") == function.call("GET", "/readyz")
        assert (403, "it has no signature\n") == function.call("POST", "/", headers=headers)
        assert (400, "x is no tick\n") == function.post(headers)
        assert 0 == function.end()


def test_a_wrong_setting_is_one_line_and_exit_code_2() -> None:
    """No traceback: whoever installs it reads what to set."""
    code, said = refusal("release", MOLT_API_URL="nowhere")
    assert (2, 1) == (code, len(said))
    assert said[0].startswith("release: 'nowhere' is not the address")
