"""The function as a process."""

from __future__ import annotations

import importlib

from tests.functions.processes import refusal, running

KEY = {"MOLT_ROTATION_KEY": "0123456789abcdef"}


def test_it_serves_until_it_is_told_to_end() -> None:
    """It is ready, refuses what is not signed, and what is no slip, and SIGTERM ends it well."""
    importlib.import_module("rotate.__main__")  # to import it starts nothing
    headers = {"ce-id": "1", "ce-source": "x", "ce-type": "x", "ce-specversion": "1.0"}
    with running("rotate", **KEY) as function:
        assert (200, "ok\n") == function.call("GET", "/readyz")
        assert (403, "it has no signature\n") == function.call("POST", "/", headers=headers)
        assert (400, "alert: not an object\n") == function.post(headers)
        assert 0 == function.end()


def test_without_a_key_it_does_not_start() -> None:
    """A default key would be everybody's: one line, and exit code 2."""
    assert (2, ["rotate: MOLT_ROTATION_KEY has 0 bytes, and must have 16 at least"]) == refusal("rotate")


def test_half_a_change_of_keys_does_not_start() -> None:
    """Without the time since when the new key counts, every pod would be drawn anew."""
    expected = (
        "rotate: MOLT_ROTATION_KEY_PREVIOUS and MOLT_ROTATION_KEY_SINCE belong together, "
        "and only MOLT_ROTATION_KEY_PREVIOUS is set"
    )
    assert (2, [expected]) == refusal("rotate", MOLT_ROTATION_KEY_PREVIOUS="fedcba9876543210", **KEY)


def test_a_cap_that_is_none_is_refused() -> None:
    """One line, and exit code 2."""
    said = ["rotate: MOLT_MOVES_PER_TICK is not a number in 1..10000"]
    assert (2, said) == refusal("rotate", MOLT_MOVES_PER_TICK="none", **KEY)


def test_a_wrong_setting_is_one_line_and_exit_code_2() -> None:
    """No traceback: whoever installs it reads what to set."""
    code, said = refusal("rotate", MOLT_API_URL="nowhere", **KEY)
    assert (2, 1) == (code, len(said))
    assert said[0].startswith("rotate: 'nowhere' is not the address")
