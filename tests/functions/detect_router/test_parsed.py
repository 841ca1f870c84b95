"""Each version of each policy is read once."""

from __future__ import annotations

from typing import Any

import pytest

from detect_router import parsed
from detect_router.parsed import Parsed
from molt.policy import PolicyError
from tests.functions.detect_router.world import policy

BROKEN = {"rules": ["*"], "expression": "alert.priority =="}


def version(number: str, **spec: Any) -> dict[str, Any]:
    made = policy(**spec)
    made["metadata"]["resourceVersion"] = number
    return made


def test_a_version_is_read_once_and_the_next_one_anew() -> None:
    """What was switched to DryRun rehearses from the next alert on."""
    known = Parsed()
    first = known.parse(version("1"))
    assert first is known.parse(version("1"))
    assert "DryRun" == known.parse(version("2", mode="DryRun")).mode


def test_what_cannot_be_read_stays_so_until_it_is_changed() -> None:
    """The error is the same each time, and goes with the version."""
    known = Parsed()
    for _ in range(2):
        with pytest.raises(PolicyError, match=r"spec\.match\.expression"):
            known.parse(version("1", match=BROKEN))
    assert "shells" == known.parse(version("2")).name


def test_what_cannot_be_read_costs_the_same_the_hundredth_time() -> None:
    """An error that is raised again and again grows by its traceback, which holds every list of policies since."""
    known, depths = Parsed(), set()
    for _ in range(100):
        with pytest.raises(PolicyError) as caught:
            known.parse(version("1", match=BROKEN))
        depths.add(len(caught.traceback))
    assert 1 == len(depths)


def test_a_policy_without_a_version_is_read_each_time() -> None:
    """It may be another."""
    known, nameless = Parsed(), policy()
    del nameless["metadata"]["resourceVersion"]
    assert known.parse(nameless) is not known.parse(nameless)


def test_policies_that_come_and_go_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound all are forgotten, and read anew."""
    monkeypatch.setattr(parsed, "MOST", 2)
    known = Parsed()
    for number in range(5):
        made = version("1")
        made["metadata"]["uid"] = f"uid-{number}"
        known.parse(made)
    assert len(known._known) <= 2
