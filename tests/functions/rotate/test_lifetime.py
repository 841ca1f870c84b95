"""Lifetimes: bounded, the same at every tick, uniform, and nobody's guess without the key."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from molt.policy import Lifetime, RotationPolicy, rotation
from rotate.lifetime import fraction, lifetime

KEY = b"sixteen bytes or more"
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


def test_lifetimes_are_uniform() -> None:
    """The Kolmogorov-Smirnov distance of 10,000 UIDs from the uniform distribution is below the 1 % critical value."""
    count = 10_000
    drawn = sorted(fraction(KEY, f"uid-{index}") for index in range(count))
    distance = max(max((index + 1) / count - u, u - index / count) for index, u in enumerate(drawn))
    assert distance < 1.63 / count**0.5


def test_another_key_draws_anew() -> None:
    """Two keys agree on no UID, on average no more than chance: their fractions are not correlated."""
    pairs = [(fraction(KEY, f"{index}"), fraction(b"another" + KEY, f"{index}")) for index in range(10_000)]
    covariance = sum((one - 0.5) * (two - 0.5) for one, two in pairs) / len(pairs)
    assert abs(covariance * 12) < 0.05
