"""The function as a process: a broken event goes in, a line of the log has all of it."""

from __future__ import annotations

import importlib

from tests.functions.processes import refusal, running

HEADERS = {
    "ce-id": "9",
    "ce-source": "https://falco.org",
    "ce-type": "falco.rule.output.v1",
    "ce-specversion": "1.0",
    "ce-knativeerrorcode": "400",
    "ce-knativeerrordata": "cnVsZTogbWlzc2luZw==",
    "ce-knativeerrordest": "http://detect-router.molt.svc/",
}


def test_whatever_comes_is_taken_and_told() -> None:
    """204, and one line with the fate, the reason, and what came, even if no other function could read it."""
    importlib.import_module("dead_letter.__main__")  # to import it starts nothing
    with running("dead_letter") as function:
        assert (204, "") == function.call("POST", "/", b"not JSON", HEADERS | {"content-type": "text/plain"})
        line = function.line()
        assert ("dead-lettered", "400 rule: missing", "9") == (line["fate"], line["reason"], line["event"])
        assert "http://detect-router.molt.svc/" == line["letter"]["dest"]
        assert "not JSON" == line["letter"]["data"]["body"]
        assert (
            "create deadletters.molt-project.io in namespace molt" in line["letter"]["notKept"]
        )  # there is no cluster
        assert 0 == function.end()


def test_a_wrong_setting_is_one_line_and_exit_code_2() -> None:
    """No traceback: whoever installs it reads what to set."""
    code, said = refusal("dead_letter", MOLT_API_URL="nowhere")
    assert (2, 1) == (code, len(said))
    assert said[0].startswith("dead-letter: 'nowhere' is not the address")
