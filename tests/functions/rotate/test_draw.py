"""Which combination comes next: any but the last, each as likely as the others, and no other for the same state."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from molt.combination import Combination
from molt.policy.reconfigure import Dimension, Field
from rotate.draw import draw

KEY = b"sixteen bytes or more"
DIMENSIONS = (
    Dimension("build", Field("image", "main"), ("a", "b", "c")),
    Dimension("port", Field("port", "main", "http", "PORT"), ("80", "90")),
    Dimension("pool", Field("nodeSelector", "", "pool"), ("x", "y")),
)
CURRENT = {"build": "b", "port": "80", "pool": "y"}
CRITICAL = 29.59
"""Of chi-square with ten degrees of freedom: one in a thousand fair keys exceeds it, and this key is fixed."""


def _all(dimensions: tuple[Dimension, ...]) -> list[Combination]:
    names = [one.name for one in dimensions]
    return [dict(zip(names, values, strict=True)) for values in product(*(one.options for one in dimensions))]


def _dimensions(sizes: list[int], pins: list[bool]) -> tuple[Dimension, ...]:
    texts = [[str(number) for number in range(size)] for size in sizes]
    return tuple(
        Dimension(f"d{index}", Field("nodeSelector", "", f"k{index}"), tuple(variants), variants[-1] if pin else "")
        for index, (variants, pin) in enumerate(zip(texts, pins, strict=False))
    )


a_choice = some.builds(
    _dimensions,
    some.lists(some.integers(min_value=2, max_value=16), min_size=1, max_size=8),
    some.lists(some.booleans(), min_size=8, max_size=8),
).filter(lambda dimensions: any(not one.pin for one in dimensions))


@given(some.data(), a_choice, some.lists(some.text(), max_size=3))
def test_never_the_last_one(data: some.DataObject, dimensions: tuple[Dimension, ...], state: list[str]) -> None:
    """Nor one that failed, where there is a third; what is drawn is a variant of each dimension, and each pin holds."""
    one = some.fixed_dictionaries({item.name: some.sampled_from(item.options) for item in dimensions})
    current, failed = data.draw(one), data.draw(one)
    drawn = draw(KEY, state, dimensions, [current, failed])
    assert current != drawn
    assert [item.name for item in dimensions] == list(drawn)
    assert all(drawn[item.name] in item.options for item in dimensions)
    assert draw(KEY, state, dimensions, [current, failed]) == drawn, "the same state draws the same"
    assume(len(dimensions) > 1 or len(dimensions[0].options) > 2)
    if sum(not item.pin for item in dimensions) > 1 or max(len(item.options) for item in dimensions) > 2:
        assert failed != drawn


def test_each_is_as_likely_as_any_other() -> None:
    """By chi-square over 11,000 states."""
    drawn = Counter(tuple(draw(KEY, [number], DIMENSIONS, [CURRENT]).values()) for number in range(11_000))
    others = [tuple(one.values()) for one in _all(DIMENSIONS) if one != CURRENT]
    assert set(others) == set(drawn)
    assert CRITICAL > sum((drawn[one] - 1000) ** 2 / 1000 for one in others)


def test_so_is_each_after_each() -> None:
    """A walk of 11,000 draws, each from the one before: how far the next is from the last says nothing either."""
    numbers = {tuple(one.values()): index for index, one in enumerate(_all(DIMENSIONS))}
    current, steps = CURRENT, Counter[int]()
    for number in range(11_000):
        following = draw(KEY, [number, current], DIMENSIONS, [current])
        steps[(numbers[tuple(following.values())] - numbers[tuple(current.values())]) % 12] += 1
        current = following
    assert 0 == steps[0]
    assert CRITICAL > sum((steps[step] - 1000) ** 2 / 1000 for step in range(1, 12))


def test_another_key_tells_nothing() -> None:
    """Who has another key guesses right as often as who has none: one time in eleven."""
    states = [[number] for number in range(5500)]
    right = sum(
        draw(KEY, at, DIMENSIONS, [CURRENT]) == draw(b"another key", at, DIMENSIONS, [CURRENT]) for at in states
    )
    assert 400 < right < 600


@pytest.mark.parametrize(
    ("avoided", "expected"),
    [
        ([{"port": "80"}, {"port": "90"}], {"90"}),  # the last one is avoided, though the other one failed
        ([{"port": "90"}, {"port": "80"}, {"port": "80"}], {"80"}),
        ([{"port": None}, {"port": "90"}], {"80"}),
        ([{"port": "7"}], {"80", "90"}),
        ([{}], {"80", "90"}),
        ([], {"80", "90"}),
    ],
)
def test_what_cannot_be_avoided_is_not(avoided: list[dict[str, str | None]], expected: set[str]) -> None:
    """The first above all; what is no combination of the dimensions stands in the way of none."""
    assert expected == {draw(KEY, [number], DIMENSIONS[1:2], avoided)["port"] for number in range(40)}


def test_there_may_be_billions() -> None:
    """Eight dimensions of sixteen: nothing is enumerated."""
    dimensions = _dimensions([16] * 8, [False] * 8)
    drawn = [
        draw(KEY, [number], dimensions, [dict.fromkeys((one.name for one in dimensions), "0")]) for number in range(99)
    ]
    assert 99 == len({tuple(one.values()) for one in drawn})
