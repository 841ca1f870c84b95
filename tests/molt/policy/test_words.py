"""The small languages of a policy: durations, amounts, globs, and what a message shows of them.

duration   one unit, several, fractions | overflow, signs, Go's other units | rendering
amount     count, percentage, of a workload of 1, 3, 10
glob       literal, ?, *, several stars, brackets, case | a pattern that makes a regex stall
"""

from __future__ import annotations

import fnmatch
import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from molt.outcome import PermanentError
from molt.policy import PolicyError, Problem, amount, duration, glob
from molt.policy.amount import Amount
from molt.policy.fields import describe, quote


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h30m", 5400), ("90s", 90), ("500ms", 0.5), ("1.5h", 5400), ("0s", 0), ("1s1s", 2), ("1m1ms", 60.001)],
)
def test_durations_are_those_of_go(text: str, seconds: float) -> None:
    """Units add up, in any order, and may have a fraction."""
    assert timedelta(seconds=seconds) == duration.parse(text)


@pytest.mark.parametrize(
    "text", ["", "0", "1", "-1s", "+1s", "1us", "1ns", "1 s", "1S", "s", "1s\n", "1" * 7 + "h", "1s" * 17]
)
def test_what_is_no_duration_is_none(text: str) -> None:
    """Signs, bare numbers, blanks, unknown units and texts without bounds are not taken."""
    assert duration.parse(text) is None


@given(some.integers(min_value=0, max_value=8760 * 3_600_000).map(lambda count: timedelta(milliseconds=count)))
def test_a_duration_survives_its_text(length: timedelta) -> None:
    """What is rendered reads as what it was."""
    assert length == duration.parse(duration.render(length))


@pytest.mark.parametrize(
    ("value", "pods"),
    [(1, [1, 1, 1]), (4, [4, 4, 4]), ("30%", [1, 1, 3]), ("100%", [1, 3, 10]), ("1%", [1, 1, 1]), (2.0, [2, 2, 2])],
)
def test_an_amount_is_never_less_than_one_pod(value: Any, pods: list[int]) -> None:
    """A percentage of a workload of 1, 3 and 10 pods is rounded down, to no less than one."""
    found = amount.parse(value)
    assert found is not None
    assert pods == [found.of(total) for total in (1, 3, 10)]


@pytest.mark.parametrize("found", [Amount(3), Amount(25, percent=True)])
def test_an_amount_survives_its_text(found: Amount) -> None:
    """What is rendered reads as what it was."""
    assert found == amount.parse(found.render())


@pytest.mark.parametrize("value", [0, 10_001, True, 1.5, "25", "0%", "101%", "25%\n", None, []])
def test_what_is_no_amount_is_none(value: Any) -> None:
    """Neither a count nor a percentage: None."""
    assert amount.parse(value) is None


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("Terminal shell in container", "Terminal shell in container", True),
        ("Terminal shell", "Terminal shell in container", False),
        ("terminal*", "Terminal shell in container", False),
        ("*", "", True),
        ("", "", True),
        ("", "x", False),
        ("?", "", False),
        ("?", "é", True),
        ("Web Server *", "Web Server Spawned Shell", True),
        ("*shell*", "Terminal shell in container", True),
        ("*shell", "Terminal shell in container", False),
        ("a*b*c", "axxbxxbc", True),
        ("a*b*c", "axxcxxb", False),
        ("prod-?", "prod-12", False),
        ("Drift (chmod)", "Drift (chmod)", True),
        ("[ab]", "a", False),
        ("[ab]", "[ab]", True),
        ("a*", "a*b", True),
        ("a?c", "a\nc", True),
    ],
)
def test_globs_know_two_signs(pattern: str, text: str, *, expected: bool) -> None:
    """`*` is any text, `?` any one character, all else itself; case counts, and the whole text must fit."""
    assert expected is glob.matches(pattern, text)


@given(some.text("ab*?", max_size=8), some.text("ab*?", max_size=10))
def test_globs_agree_with_fnmatch_where_it_has_no_more_signs(pattern: str, text: str) -> None:
    """Without brackets, fnmatch means the same."""
    assert bool(re.match(fnmatch.translate(pattern), text)) is glob.matches(pattern, text)


def test_a_glob_cannot_stall() -> None:
    """A pattern and a name on which a backtracking matcher would not end are done at once."""
    assert not glob.matches("*a" * 100 + "b", "a" * 10_000)
    assert glob.any_matches(["x", "*a" * 100], "a" * 1000)
    assert not glob.any_matches([], "x")


def test_an_error_keeps_what_it_is_made_of() -> None:
    """Problems stay apart for whoever shows a table, and are one line for a log; trying again cannot help."""
    error = PolicyError([Problem("spec.mode", "missing"), Problem("spec", "odd\n  line")])
    assert "spec.mode: missing; spec: odd line" == str(error)
    assert ("spec.mode", "spec") == tuple(problem.path for problem in error.problems)
    assert isinstance(error, PermanentError)


def test_messages_show_values_as_json_and_short() -> None:
    """A value in a message is on one line, and its length is bounded."""
    assert '"a\\nb"' == quote("a\nb")
    assert 80 == len(quote("x" * 1000))
    values: list[Any] = [None, {}, 1.5, timedelta()]
    assert ["null", "an object", "a number", "an unknown type"] == list(map(describe, values))
