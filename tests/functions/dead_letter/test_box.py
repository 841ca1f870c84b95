"""Dead letters in the cluster: what is kept, how often, for how long, and what happens when it cannot be."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dead_letter.allowance import ALWAYS, IN_ALL, OF_A_KIND, Allowance
from dead_letter.box import EVERY
from dead_letter.handler import TICK, handler
from dead_letter.kind import KINDS, kind_of
from dead_letter.letter import letter
from dead_letter.refusal import GATED
from dead_letter.surplus import MOST, RETENTION, Kept, surplus
from molt.cluster import AlreadyExists, Conflict, Forbidden, NotFound, Unavailable
from molt.cluster.resources import DEAD_LETTERS
from molt.dead_letters import NAMESPACE, DeadLetter
from molt.events import Event
from molt.outcome import DeadLettered
from tests.functions.fake_cluster import START, FakeClock, FakeCluster

DEST = "http://rotate.molt.svc.cluster.local/"
CREATE, PATCH = ("create", "deadletters"), ("patch", "deadletters")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    return FakeCluster(clock)


def dead(identity: str = "1", *, dest: str = DEST, code: str = "422", text: str = "no", **data: Any) -> Event:
    """Return an event as a broker brings it that has given up on it."""
    said = {"knativeerrorcode": code, "knativeerrordest": dest}
    said |= {"knativeerrordata": base64.b64encode(text.encode()).decode(), "remedy": "rotate"}
    return Event(
        id=identity, source="/molt/detect-router", type="io.molt-project.alert.routed.v1", data=data, extensions=said
    )


def kept(cluster: FakeCluster) -> list[DeadLetter]:
    return [DeadLetter.parse(obj) for (plural, _, _), obj in cluster.objects.items() if plural == DEAD_LETTERS.plural]


def told(outcome: object) -> dict[str, Any]:
    """Return what the log line says of the keeping alone."""
    assert isinstance(outcome, DeadLettered)
    return {key: value for key, value in outcome.letter.items() if key in {"kept", "notKept", "removed", "notEmptied"}}


def test_an_event_is_told_and_kept(cluster: FakeCluster, clock: FakeClock) -> None:
    """The line has all of it, as ever; the cluster has it under a name that starts with who refused it."""
    event = dead(alert={"id": "a1"})
    outcome = handler()(event, cluster, clock)
    (one,) = kept(cluster)
    assert DeadLettered("422 no", letter(event) | {"kept": one.name}) == outcome
    assert (NAMESPACE, "rotate", "422", "422 no", "a1") == (
        next(space for plural, space, _ in cluster.objects if plural == DEAD_LETTERS.plural),
        one.function,
        one.code,
        one.reason,
        one.alert,
    )
    assert one.name.startswith("rotate-")
    assert replace(event, extensions={"remedy": "rotate"}) == one.to_send()


def test_twice_is_once(cluster: FakeCluster, clock: FakeClock) -> None:
    """A redelivery changes when it came last, and with it the version; another event is another letter."""
    handle = handler()
    handle(dead(), cluster, clock)
    (before,) = kept(cluster)
    clock.sleep(60)
    handle(dead(), cluster, clock)
    (after,) = kept(cluster)
    assert (before.name, before.uid, before.first) == (after.name, after.uid, after.first)
    assert before.version != after.version
    assert before.last < after.last
    handle(dead("2"), cluster, clock)
    handle(dead(other="data under the same id"), cluster, clock)
    handle(dead(dest="http://quarantine.molt.svc.cluster.local/"), cluster, clock)
    assert 4 == len(kept(cluster))


def test_a_tick_is_told_and_not_kept(cluster: FakeCluster, clock: FakeClock) -> None:
    """The next one comes in a minute."""
    outcome = handler()(replace(dead(), type=TICK), cluster, clock)
    assert {"notKept": "a tick of the clock: the next one does as well"} == told(outcome)
    assert [] == cluster.requests


@pytest.mark.parametrize("error", [Forbidden("not allowed to create"), NotFound("no such kind")])
def test_what_cannot_be_kept_is_told(cluster: FakeCluster, clock: FakeClock, error: Exception) -> None:
    """At once, when another try is of no use; the line has the event."""
    cluster.failing[CREATE] = error
    event = dead()
    assert DeadLettered("422 no", letter(event) | {"notKept": str(error)}) == handler()(event, cluster, clock)
    assert [] == clock.slept


def test_an_api_server_that_is_away_is_waited_for(cluster: FakeCluster, clock: FakeClock) -> None:
    """Its absence is what events die of: it is asked again, for a few seconds; then the line has to do."""
    cluster.failing[CREATE] = Unavailable("away")
    assert {"notKept": "away"} == told(handler()(dead(), cluster, clock))
    assert [2.0] == clock.slept
    assert ["create deadletters"] * 2 == cluster.asked()


def test_it_comes_back_in_time(cluster: FakeCluster, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was away at the first try and is there at the second has the letter."""

    def back(seconds: float) -> None:
        clock.time += timedelta(seconds=seconds)
        cluster.failing.clear()

    monkeypatch.setattr(clock, "sleep", back)
    cluster.failing[CREATE] = Unavailable("away")
    outcome = handler()(dead(), cluster, clock)
    assert {"kept": kept(cluster)[0].name} == told(outcome)


def test_deleted_between_two_calls(cluster: FakeCluster, clock: FakeClock) -> None:
    """It was there at the create and is gone at the patch: it is made anew."""
    handle = handler()
    handle(dead(), cluster, clock)
    (name,) = [one.name for one in kept(cluster)]

    def delete(world: FakeCluster) -> None:
        del world.objects[DEAD_LETTERS.plural, NAMESPACE, name]

    cluster.meddle = [delete]
    assert {"kept": name} == told(handle(dead(), cluster, clock))
    assert [name] == [one.name for one in kept(cluster)]


def test_a_flood_is_written_only_so_often(cluster: FakeCluster, clock: FakeClock) -> None:
    """Of one kind 30 a minute; how many more there were is told in the line of each; the next minute begins anew."""
    handle = handler()
    outcomes = [told(handle(dead(str(number)), cluster, clock)) for number in range(OF_A_KIND + 2)]
    assert OF_A_KIND == len(kept(cluster))
    assert [
        "more than 30 of a kind, or too many in all, in a minute: 1 so far",
        "more than 30 of a kind, or too many in all, in a minute: 2 so far",
    ] == [outcome["notKept"] for outcome in outcomes[OF_A_KIND:]]
    assert "kept" in told(handle(dead("other", code="503"), cluster, clock))
    clock.time += timedelta(minutes=1)
    assert "kept" in told(handle(dead("later"), cluster, clock))


def test_many_kinds_are_no_way_around_it() -> None:
    """In all there are 120 a minute, and a few of each kind that comes after that, so that no flood keeps it out."""
    allowance = Allowance()
    for number in range(IN_ALL):
        assert allowance.take((str(number % 4), "422"), START) == 0
    assert [0] * ALWAYS + [1, 2] == [allowance.take(("rotate", "422"), START) for _ in range(ALWAYS + 2)]
    assert allowance.take(("0", "422"), START) == 3


def test_forged_kinds_do_not_wash_the_genuine_ones_away(
    cluster: FakeCluster, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In however many names, and with however many statuses somebody posts: it is all one kind, and has one share."""
    monkeypatch.setattr("dead_letter.surplus.MOST", 100)
    handle = handler()
    genuine = [told(handle(dead(f"real-{number}", code="503"), cluster, clock))["kept"] for number in range(20)]
    for number in range(200):
        clock.time += timedelta(seconds=2)
        code = str(100 + number % 500)
        handle(dead(str(number), dest=f"http://forged-{number}.molt.svc/", code=code), cluster, clock)
    assert set(genuine) <= {one.name for one in kept(cluster)}
    assert len(kept(cluster)) <= 100 + EVERY


def test_every_kind_has_its_share_whatever_the_others_are() -> None:
    """Also when somebody forges all that there are, in the functions' own names."""
    flood = [
        Kept(f"{number}-{name}-{code}", "u", kind_of(name, code), START - timedelta(minutes=number))
        for number in range(100)
        for name in (*GATED, "forged")
        for code in ("400", "403", "422", "404", "503", "")
    ]
    genuine = [Kept(f"real-{number}", "u", kind_of("tag", "422"), START) for number in range(MOST // KINDS)]
    assert KINDS == len({one.kind for one in flood})
    assert {one.name for one in genuine}.isdisjoint(one.name for one in surplus([*flood, *genuine], START))


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 180)), max_size=400))
def test_no_minute_has_more_than_its_share(asked: list[tuple[str, int]]) -> None:
    """However they come, in time or not: of a kind and in all, and what is over is counted from 1 on."""
    allowance, granted = Allowance(), Counter[tuple[int, str]]()
    for kind, second in sorted(asked, key=lambda one: one[1]):
        at = START.replace(second=0, microsecond=0) + timedelta(seconds=second)
        over = allowance.take((kind, ""), at)
        granted[second // 60, kind] += over == 0
        assert over >= 0
    assert all(count <= OF_A_KIND for count in granted.values())
    most = IN_ALL + 6 * ALWAYS
    assert all(sum(count for (when, _), count in granted.items() if when == minute) <= most for minute in range(4))


def _kept(kind: str, days: float, number: int) -> Kept:
    return Kept(f"{kind}-{number:04}", f"uid-{kind}-{number}", (kind, "422"), START - timedelta(days=days))


def test_the_old_ones_go() -> None:
    """After 30 days, to the moment."""
    young, old = _kept("a", 29.9, 1), _kept("a", 30, 2)
    assert [old] == surplus([young, old], START)
    assert timedelta(days=30) == RETENTION


def test_a_flood_washes_itself_away() -> None:
    """The oldest of the most frequent kind go, and the few of another kind stay, though they are older."""
    few = [_kept("rare", 20, number) for number in range(3)]
    many = [_kept("flood", 1 - number / MOST / 2, number) for number in range(MOST + 7)]
    assert many[:10] == surplus([*many, *few], START)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40)), max_size=30))
def test_what_is_left_is_young_and_few_enough(ages: list[tuple[str, int]]) -> None:
    """Nothing goes without need, and nobody goes twice."""
    letters = [_kept(kind, days, number) for number, (kind, days) in enumerate(ages)]
    gone = surplus(letters, START)
    assert len(gone) == len(set(gone))
    assert {one for one in letters if one.at <= START - RETENTION} == set(gone)


def test_the_box_is_looked_through_at_first_and_then_every_fifty(cluster: FakeCluster, clock: FakeClock) -> None:
    """So that the number holds without a list for every letter; what goes is told."""
    handle = handler()
    assert {"kept"} == set(told(handle(dead("0"), cluster, clock)))
    assert ["create deadletters", "list deadletters"] == cluster.asked()
    clock.time += RETENTION
    for number in range(1, EVERY):
        clock.time += timedelta(minutes=1)
        assert {"kept"} == set(told(handle(dead(str(number)), cluster, clock)))
    assert ["create deadletters"] * (EVERY - 1) == cluster.asked()
    assert {"kept", "removed"} == set(told(handle(dead(str(EVERY)), cluster, clock)))
    assert ["create deadletters", "list deadletters", "delete deadletters"] == cluster.asked()
    assert EVERY == len(kept(cluster))


@pytest.mark.parametrize("error", [NotFound("gone"), Conflict("another")])
def test_somebody_else_empties_it_too(cluster: FakeCluster, clock: FakeClock, error: Exception) -> None:
    """Two replicas may look at the same time."""
    handler()(dead("0"), cluster, clock)
    clock.time += RETENTION
    cluster.failing["delete", "deadletters"] = error
    assert "1" == told(handler()(dead("1"), cluster, clock))["removed"]


@pytest.mark.parametrize("verb", ["list", "delete"])
def test_a_box_that_cannot_be_emptied_is_told(cluster: FakeCluster, clock: FakeClock, verb: str) -> None:
    """The letter is kept all the same."""
    handler()(dead("0"), cluster, clock)
    clock.time += RETENTION
    cluster.failing[verb, "deadletters"] = Forbidden("not allowed")
    outcome = told(handler()(dead("1"), cluster, clock))
    assert ("not allowed", True) == (outcome["notEmptied"], "kept" in outcome)


def test_a_letter_without_a_time_stays(cluster: FakeCluster, clock: FakeClock) -> None:
    """Somebody wrote it by hand: it is his to delete."""
    cluster.put(DEAD_LETTERS, {"metadata": {"name": "odd", "namespace": NAMESPACE, "creationTimestamp": "?"}})
    assert {"kept"} == set(told(handler()(dead(), cluster, clock)))
    assert "odd" in {one.name for one in kept(cluster)}


def test_a_race_that_does_not_end_is_told(cluster: FakeCluster, clock: FakeClock) -> None:
    """There at each create and gone at each patch: after two tries the line has to do."""
    cluster.failing[CREATE] = AlreadyExists("it exists")
    cluster.failing[PATCH] = NotFound("gone")
    assert {"notKept": "it exists"} == told(handler()(dead(), cluster, clock))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=50), max_size=5), st.text(max_size=2000))
def test_no_letter_is_larger_than_the_kind_allows(extensions: dict[str, str], identity: str) -> None:
    """Whatever was sent, what is kept is bounded, can be written, and either goes out as it came or says why not."""
    clock = FakeClock()
    cluster = FakeCluster(clock)
    event = Event(id=identity, source="/s", type="t", data={"text": identity * 20}, extensions=extensions)
    outcome = handler()(event, cluster, clock)
    (one,) = kept(cluster)
    assert {"kept": one.name} == told(outcome)
    (obj,) = [obj for (plural, _, _), obj in cluster.objects.items() if plural == DEAD_LETTERS.plural]
    spec = obj["spec"]
    assert len(json.dumps(spec)) < 256 * 1024
    data = spec["event"].pop("data", "")
    assert len(data) <= 32 * 1024
    assert all(len(text) <= 2048 for text in _texts(spec))
    if not one.missing and identity and identity.isprintable():
        sent = DeadLetter.parse({**obj, "spec": {**spec, "event": {**spec["event"], "data": data}}}).to_send()
        assert (event.id, event.data) == (sent.id, sent.data)


def test_times_are_what_the_clock_says(cluster: FakeCluster, clock: FakeClock) -> None:
    """To the microsecond, in UTC."""
    handler()(dead(), cluster, clock)
    (one,) = kept(cluster)
    assert START == datetime.fromisoformat(one.first) == datetime.fromisoformat(one.last)
