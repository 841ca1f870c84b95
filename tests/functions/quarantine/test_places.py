"""The places under the limits, within one process: given away once, and remembered until a list shows the pod."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarantine.places import Place, Places


def _pod(uid: str) -> dict[str, Any]:
    return {"metadata": {"uid": uid}}


def _one(pods: list[dict[str, Any]]) -> str | None:
    return "used up" if pods else None


def _take(places: Places, uid: str, *listed: str, dry_run: bool = False) -> Place | str:
    return places.take(_pod(uid), [_pod(name) for name in listed], _one, dry_run=dry_run)


def test_a_place_is_given_once() -> None:
    """Who has counted and not yet patched has it already."""
    places = Places()
    with places.count():
        assert isinstance(_take(places, "a"), Place)
        assert "used up" == _take(places, "b")
        assert isinstance(_take(places, "a", "a"), Place), "its own place is never in its way"


def test_a_rehearsal_takes_no_place() -> None:
    """It is told what there is, and leaves it to others."""
    places = Places()
    assert isinstance(_take(places, "a", dry_run=True), Place)
    assert isinstance(_take(places, "b"), Place)
    assert "used up" == _take(places, "c", dry_run=True)


def test_a_place_is_remembered_as_long_as_a_list_may_not_show_it() -> None:
    """Who began to count before the patch was done may have listed before it; who begins later has not."""
    places = Places()
    with places.count():
        place = _take(places, "a")
        assert isinstance(place, Place)
        with places.use(place):
            pass
        assert "used up" == _take(places, "b"), "listed before, counted now"
    with places.count():
        assert "used up" == _take(places, "b", "a")
        assert isinstance(_take(places, "b"), Place), "the list is believed: it was released since"


def test_a_patch_that_fails_gives_the_place_back() -> None:
    """What is there, and what is not, is for the next list to say."""
    places = Places()
    place = _take(places, "a")
    assert isinstance(place, Place)
    with pytest.raises(ZeroDivisionError), places.use(place):
        _ = 1 / 0
    assert isinstance(_take(places, "b"), Place)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2), max_size=60))
def test_never_more_than_the_limit_in_any_order(order: list[int]) -> None:
    """Three events at once, in any order of their steps, isolate two pods when two is the limit."""
    places, isolated = Places(), set[str]()
    runs = [_event(places, isolated, name) for name in "abc"]
    for turn in order:
        next(runs[turn], None)
        assert len(isolated) <= 2
    for run in runs:
        list(run)
    assert 2 == len(isolated)


def _event(places: Places, isolated: set[str], uid: str) -> Any:
    """Do what the handler does, step by step; the list is a copy that grows old."""
    with places.count():
        yield "counting"
        listed = [_pod(name) for name in isolated]
        yield "listed"
        place = places.take(_pod(uid), listed, lambda pods: "used up" if len(pods) >= 2 else None, dry_run=False)
    if isinstance(place, Place):
        with places.use(place):
            yield "placed"
            isolated.add(uid)
            yield "patched"
