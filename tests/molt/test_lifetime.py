"""Lifetimes: bounded, the same at every tick, uniform, and nobody's guess without the key."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molt.lifetime import KEY as KEY_NAME
from molt.lifetime import LONG_AGO, PREVIOUS, SINCE, Keys, bounds, fraction, keys, lifetime
from molt.policy import Lifetime, RotationPolicy, rotation

KEY = b"sixteen bytes or more"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
UIDS = [str(uuid.uuid5(uuid.NAMESPACE_DNS, str(index))) for index in range(10_000)]
_keys = st.binary(min_size=16, max_size=64)
_uids = st.one_of(st.uuids().map(str), st.text())
_spans = st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(hours=8760))


def _policy(span: dict[str, str]) -> RotationPolicy:
    envelope = {"apiVersion": "molt-project.io/v1alpha1", "kind": "RotationPolicy", "metadata": {"name": "web"}}
    return rotation.parse({**envelope, "spec": {"selector": {}, "lifetime": span}})


@given(_keys, _uids)
def test_a_fraction_is_one(key: bytes, uid: str) -> None:
    """U is in [0, 1), for any key and UID, and always the same."""
    assert 0 <= fraction(key, uid) < 1
    assert fraction(key, uid) == fraction(key, uid)


@given(_keys, _uids, _spans)
def test_no_pod_outlives_a_fixed_lifetime(key: bytes, uid: str, every: timedelta) -> None:
    """A fixed lifetime is shortened by 20 % at most, and never lengthened."""
    assert every * 0.8 <= lifetime(Lifetime(every, every, fixed=True), key, uid) <= every


@given(_keys, _uids, st.tuples(_spans, _spans).map(sorted))
def test_a_random_lifetime_is_in_its_range(key: bytes, uid: str, span: list[timedelta]) -> None:
    """A range is kept to at both ends."""
    low, high = span
    assert low <= lifetime(Lifetime(low, high), key, uid) <= high


@given(_keys, _uids)
def test_a_range_without_a_spread_is_kept_to_exactly(key: bytes, uid: str) -> None:
    """`min` equal to `max` means just that; only `every` has a spread of its own."""
    assert timedelta(hours=1) == lifetime(_policy({"min": "1h", "max": "60m"}).lifetime, key, uid)


def test_a_fixed_lifetime_is_spread() -> None:
    """`every` of a policy parts replicas that were made together."""
    assert len({lifetime(_policy({"every": "1h"}).lifetime, KEY, f"uid-{index}") for index in range(100)}) > 90


def test_replicas_made_together_do_not_move_together() -> None:
    """A thousand pods with the same lifetime have as many ends, over all of the last fifth of it."""
    span = Lifetime(timedelta(hours=1), timedelta(hours=1), fixed=True)
    ends = {lifetime(span, KEY, f"uid-{index}") for index in range(1000)}
    assert 1000 == len(ends)
    assert max(ends) - min(ends) > 0.19 * timedelta(hours=1)


@pytest.mark.parametrize("span", [{"every": "1h"}, {"min": "30m", "max": "90m"}], ids=["every", "min and max"])
def test_lifetimes_are_uniform(span: dict[str, str]) -> None:
    """The Kolmogorov-Smirnov distance of 10,000 UIDs from the uniform distribution is below the 1 % critical value.

    1.6276 / sqrt(n): Smirnov, "Table for estimating the goodness of fit of empirical distributions", 1948.
    """
    drawn = _policy(span).lifetime
    low, high = bounds(drawn)
    places = sorted((lifetime(drawn, KEY, uid) - low) / (high - low) for uid in UIDS)
    count = len(places)
    distance = max(max((index + 1) / count - u, u - index / count) for index, u in enumerate(places))
    assert distance < 1.6276 / count**0.5


def _correlation(one: Sequence[float], two: Sequence[float]) -> float:
    """Return Pearson's r of numbers that are uniform in [0, 1), whose variance is 1/12."""
    return 12 * sum((a - 0.5) * (b - 0.5) for a, b in zip(one, two, strict=True)) / len(one)


def test_the_next_move_does_not_follow_from_those_before() -> None:
    """Nor do the next bits: of consecutive UIDs, which differ least, and of random ones.

    At each lag the serial correlation, and the share of equal bits, are within 4 standard deviations of chance.
    """
    for uids in ([f"00000000-0000-4000-8000-{index:012x}" for index in range(10_000)], UIDS):
        drawn = [fraction(KEY, uid) for uid in uids]
        for lag in (1, 2, 3, 7, 64):
            assert abs(_correlation(drawn[lag:], drawn[:-lag])) < 4 / len(drawn) ** 0.5
        for bit in range(1, 17):
            bits = [int(u * 2**bit) % 2 for u in drawn]
            equal = sum(a == b for a, b in pairwise(bits)) / (len(bits) - 1)
            assert abs(equal - 0.5) < 4 * 0.5 / len(bits) ** 0.5


def test_who_saw_many_moves_foretells_the_next_no_better_than_chance() -> None:
    """An attacker who bets that what followed the last such move follows again is right as often as not.

    The best of the predictors that count, by the 8 half-bits before: trained on 8,000 lifetimes, tried on 2,000.
    """
    bits = [int(2 * fraction(KEY, uid)) for uid in UIDS]
    seen: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for place in range(8, 8_000):
        seen[tuple(bits[place - 8 : place])][bits[place]] += 1
    tried = range(8_000, 10_000)
    right = sum(max((0, 1), key=seen[tuple(bits[place - 8 : place])].__getitem__) == bits[place] for place in tried)
    assert abs(right / len(tried) - 0.5) < 4 * 0.5 / len(tried) ** 0.5


def test_another_key_draws_anew() -> None:
    """What one key draws says nothing of what another does, be they as alike as keys can be."""
    drawn = [fraction(KEY, uid) for uid in UIDS]
    for other in (b"another" + KEY, KEY[:-1] + b"f", KEY + b"\1"):
        assert abs(_correlation(drawn, [fraction(other, uid) for uid in UIDS])) < 4 / len(UIDS) ** 0.5


def _born(index: int) -> datetime:
    """Return when the pod of UIDS[index] was made: one every 500 ms up to NOW."""
    return NOW - timedelta(seconds=index / 2)


def _due(keys: Keys, until: datetime) -> set[str]:
    """Return whose lives of 30 to 90 minutes are over at a time, of the pods that a policy keeps as UIDS."""
    span = Lifetime(timedelta(minutes=30), timedelta(minutes=90))
    dates = ((uid, _born(index), keys.of(_born(index))) for index, uid in enumerate(UIDS))
    return {uid for uid, born, key in dates if born + lifetime(span, key, uid) <= until}


def test_a_new_key_draws_no_stampede() -> None:
    """In the minute after it the same pods are due as without it, of 10,000; drawn anew, hundreds would be.

    The pods are those that are left: whoever was due by the old key has moved.
    """
    old, minute = Keys(KEY), timedelta(minutes=1)
    living = set(UIDS) - _due(old, NOW)
    expected = _due(old, NOW + minute) & living
    changed = Keys(b"sixteen other bytes", KEY, NOW)
    assert expected == _due(changed, NOW + minute) & living
    assert 50 < len(expected) < 150
    assert len(_due(Keys(b"sixteen other bytes"), NOW + minute) & living) > 1000, "without the mechanism"


def test_pods_that_are_made_later_live_by_the_new_key() -> None:
    """From the second on that the key counts; none was made by it before."""
    keys = Keys(b"new", b"old", NOW)
    assert [b"old", b"new", b"new"] == [keys.of(NOW + timedelta(seconds=second)) for second in (-1, 0, 1)]
    assert b"only" == Keys(b"only").of(LONG_AGO)


SECRET, OTHER = "0123456789abcdef", "another of 16 bytes"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({KEY_NAME: f"{SECRET}\n"}, Keys(SECRET.encode())),
        ({KEY_NAME: SECRET, PREVIOUS: "", SINCE: ""}, Keys(SECRET.encode())),
        (
            {KEY_NAME: SECRET, PREVIOUS: f"{OTHER}\n", SINCE: "2026-11-24T13:00:00+01:00\n"},
            Keys(SECRET.encode(), OTHER.encode(), NOW),
        ),
    ],
)
def test_keys_are_taken_as_they_stand(settings: dict[str, str], expected: Keys) -> None:
    """Base64, hexadecimal or a pass phrase: its bytes are the key, without the line break that files end with."""
    assert expected == keys(settings)
    assert SECRET not in repr(keys(settings))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "MOLT_ROTATION_KEY has 0 bytes, and must have 16 at least"),
        ({KEY_NAME: " " * 20}, "MOLT_ROTATION_KEY has 0 bytes, and must have 16 at least"),
        ({KEY_NAME: "x" * 15}, "MOLT_ROTATION_KEY has 15 bytes, and must have 16 at least"),
        (
            {KEY_NAME: SECRET, PREVIOUS: "short", SINCE: "2026-11-24T12:00:00Z"},
            "MOLT_ROTATION_KEY_PREVIOUS has 5 bytes, and must have 16 at least",
        ),
        (
            {KEY_NAME: SECRET, PREVIOUS: OTHER},
            f"{PREVIOUS} and {SINCE} belong together, and only {PREVIOUS} is set",
        ),
        (
            {KEY_NAME: SECRET, SINCE: "2026-11-24T12:00:00Z"},
            f"{PREVIOUS} and {SINCE} belong together, and only {SINCE} is set",
        ),
        (
            {KEY_NAME: SECRET, PREVIOUS: OTHER, SINCE: "yesterday"},
            "MOLT_ROTATION_KEY_SINCE is no time such as 2026-11-24T12:00:00Z",
        ),
    ],
)
def test_keys_that_are_none_are_refused(settings: dict[str, str], problem: str) -> None:
    """Whoever guesses the key knows when each pod moves; half of a change of keys would be a stampede."""
    with pytest.raises(ValueError, match=f"^{problem}$"):
        keys(settings)
