"""The signature of events: what it covers, what is refused and why, and how a key is changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molt import events, seal
from molt.events import Event
from molt.outcome import BadEvent, RefusedEvent
from molt.seal import ATTRIBUTES, CLUSTER_ID, EXPIRY, KEY_ID, SIGNATURE, Seal

NOW = datetime(2026, 11, 30, 12, 0, 0, 250_000, tzinfo=UTC)
HOUR = timedelta(hours=1)
OLD, NEW, OTHER = (bytes([letter]) * 32 for letter in b"one")
HERE = Seal((NEW, OLD), "here")
EVENT = Event(
    id="1",
    source="/molt/detect-router",
    type="io.molt-project.alert.routed.v1",
    data={"alert": {"rule": "Ünïcode \u2028 and \U0001f980"}, "mode": "DryRun", "itinerary": [{"x": 1.5}, None, True]},
    subject="shop/pod/web-1",
    time=datetime(2026, 11, 30, 11, 59, 58, 1, tzinfo=UTC),
    extensions={"remedy": "quarantine", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
)
SIGNED = HERE.sign(EVENT, NOW)


def refusal(event: Event, now: datetime = NOW, by: Seal = HERE) -> str | None:
    """Return why the event is refused, or None when it is taken."""
    try:
        by.check(event, now)
    except RefusedEvent as error:
        return error.reason if error.reason.startswith(seal.REASONS) else f"no reason of ours: {error.reason}"
    return None


def marked(**changes: str) -> Event:
    """Return the signed event with other extensions."""
    return replace(SIGNED, extensions={**SIGNED.extensions, **changes})


def test_what_is_signed_is_taken_until_it_expires() -> None:
    """An hour after the second in which it was signed, it is refused; not before, whatever the clock showed then."""
    end = NOW.replace(microsecond=0) + HOUR
    assert [None, None, None] == [refusal(SIGNED, now) for now in (NOW, NOW - HOUR, end - timedelta(microseconds=1))]
    expected = "its signature has expired: 2026-11-30T13:00:00Z"
    assert [expected, expected] == [refusal(SIGNED, now) for now in (end, end + HOUR)]


def test_the_signature_is_this_one() -> None:
    """Another implementation, or a later version, can be held against it: HMAC-SHA256 over these bytes."""
    event = Event(id="1", source="/s", type="t", data={"b": "ü", "a": [1, 2.5]}, extensions={"remedy": "tag", "x": "y"})
    line = (
        '{"cluster":"c","data":{"a":[1,2.5],"b":"ü"},"expiry":"2026-11-30T13:00:00Z","extensions":{"remedy":"tag"},'
        '"id":"1","source":"/s","subject":null,"time":null,"type":"t"}'
    )
    assert line.encode() == seal.canonical(event, "c", "2026-11-30T13:00:00Z")
    signed = Seal((b"0123456789abcdef" * 2,), "c").sign(event, NOW).extensions
    assert {
        "remedy": "tag",
        "x": "y",
        "moltcluster": "c",
        "moltexpiry": "2026-11-30T13:00:00Z",
        "moltkey": "aaf09770e72cccf1",
        "moltsignature": "2106074f4a3b34127de7325c374ef9b6690a4b23dfd2dd5d09f288e1accd6002",
    } == signed


def test_the_attributes_are_named_as_cloudevents_wants() -> None:
    """Lower-case letters and digits, at most 20."""
    assert all(name.isalnum() and name.islower() and len(name) <= 20 for name in ATTRIBUTES)
    assert set(SIGNED.extensions) - set(EVENT.extensions) == set(ATTRIBUTES)


def test_it_survives_brokers() -> None:
    """Binary or structured, with other order and spacing, a finer time, and what brokers add and change."""
    headers, body = events.render(SIGNED)
    added = {"ce-knativearrivaltime": "2026-11-30T12:00:01Z", "ce-knativeerrorcode": "503", "ce-traceparent": "00-x"}
    shuffled = json.dumps(dict(reversed(json.loads(body).items())), indent=2).encode()
    assert [None, None] == [refusal(events.parse({**headers, **added}, data)) for data in (body, shuffled)]
    attributes = {
        "specversion": "1.0",
        "id": EVENT.id,
        "source": EVENT.source,
        "type": EVENT.type,
        "subject": EVENT.subject,
        "time": "2026-11-30T12:59:58.000001000+01:00",
        **SIGNED.extensions,
    }
    envelope = json.dumps({**attributes, "data": json.loads(body)}).encode()
    assert refusal(events.parse({"content-type": "application/cloudevents+json"}, envelope)) is None


CHANGES: dict[str, Callable[[Event], Event]] = {
    "id": lambda event: replace(event, id="2"),
    "source": lambda event: replace(event, source="/molt/quarantine"),
    "type": lambda event: replace(event, type="io.molt-project.pod.quarantined.v1"),
    "subject": lambda event: replace(event, subject="shop/pod/web-2"),
    "no subject": lambda event: replace(event, subject=None),
    "time": lambda event: replace(event, time=NOW),
    "no time": lambda event: replace(event, time=None),
    "mode": lambda event: replace(event, data={**event.data, "mode": "Enforce"}),
    "a member more": lambda event: replace(event, data={**event.data, "x": None}),
    "no data": lambda event: replace(event, data={}),
    "remedy": lambda _: marked(remedy="terminate"),
    "no remedy": lambda event: replace(event, extensions={n: v for n, v in event.extensions.items() if n != "remedy"}),
    "expiry": lambda _: marked(moltexpiry="2026-12-30T13:00:00Z"),
    "expiry, said otherwise": lambda _: marked(moltexpiry="2026-11-30T13:00:00.0Z"),
    "no expiry": lambda _: marked(moltexpiry=""),
    "the other key's name": lambda _: marked(moltkey=seal.key_id(OLD)),
    "signature in capitals": lambda event: marked(moltsignature=event.extensions[SIGNATURE].upper()),
    "signature beyond ASCII": lambda _: marked(moltsignature="ü" * 64),
    "signature of half a surrogate": lambda _: marked(moltsignature="\ud800"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_was_altered_is_refused(change: Callable[[Event], Event]) -> None:
    """Each attribute that anything is decided by is covered, as are cluster and expiry."""
    assert "its signature does not belong to it" == refusal(change(SIGNED))


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (EVENT, "it has no signature"),
        (marked(moltsignature=""), "it has no signature"),
        (Seal((NEW,), "there").sign(EVENT, NOW), "it was signed in another cluster: 'there', this is 'here'"),
        (marked(moltcluster=""), "it was signed in another cluster: '', this is 'here'"),
        (marked(moltkey="x\ny"), r"it was signed with a key that is not known here: 'x\ny'"),
        (marked(moltkey=""), "it was signed with a key that is not known here: ''"),
    ],
)
def test_what_is_not_ours_is_refused(event: Event, reason: str) -> None:
    """The reason is one line, and says which."""
    assert reason == refusal(event)


def test_a_name_of_the_cluster_is_not_enough() -> None:
    """The cluster's name is no secret: it is the key that tells."""
    forged = Seal((OTHER,), "here").sign(EVENT, NOW)
    assert f"it was signed with a key that is not known here: '{seal.key_id(OTHER)}'" == refusal(forged)
    renamed = replace(forged, extensions={**forged.extensions, KEY_ID: seal.key_id(NEW)})
    assert "its signature does not belong to it" == refusal(renamed)


def test_an_expiry_that_is_none_is_refused() -> None:
    """Even with a signature: a key that signs nonsense is no reason to take it for ever."""
    signature = seal._signature(NEW, EVENT, "here", "never")
    assert "its signature has expired: never" == refusal(marked(moltexpiry="never", moltsignature=signature))


def test_a_key_is_changed_while_events_are_on_their_way() -> None:
    """Each function gets the two keys at its own time: what either signs, either takes, until the old one is gone."""
    before, both, after = Seal((OLD,), "here"), Seal((NEW, OLD), "here"), Seal((NEW,), "here")
    announced = Seal((OLD, NEW), "here")
    by_old, by_new = before.sign(EVENT, NOW), both.sign(EVENT, NOW)
    assert announced.sign(EVENT, NOW) == by_old
    assert [None, None] == [refusal(by_old, by=who) for who in (announced, both)]
    assert [None, None, None] == [refusal(by_new, by=who) for who in (announced, both, after)]
    unknown = "it was signed with a key that is not known here"
    assert f"{unknown}: '{seal.key_id(OLD)}'" == refusal(by_old, by=after)
    assert f"{unknown}: '{seal.key_id(NEW)}'" == refusal(by_new, by=before)


def test_it_is_signed_anew_only_if_it_was_ours() -> None:
    """A dead letter may be as old as it likes; a forger's is not made true by sending it again."""
    late = NOW + timedelta(days=30)
    letter = marked(knativeerrorcode="503")
    renewed = HERE.renew(letter, late)
    assert ("its signature has expired: 2026-11-30T13:00:00Z", None) == (refusal(letter, late), refusal(renewed, late))
    assert "503" == renewed.extensions["knativeerrorcode"]
    by_old = HERE.renew(Seal((OLD,), "here").sign(EVENT, NOW), late)
    assert seal.key_id(NEW) == by_old.extensions[KEY_ID]
    for forged in (EVENT, CHANGES["mode"](SIGNED), marked(moltcluster="there")):
        with pytest.raises(RefusedEvent):
            HERE.renew(forged, late)


def test_nobody_sees_the_keys() -> None:
    """Not in what is printed of a seal, nor in what an event carries."""
    assert "Seal(cluster='here', lifetime=datetime.timedelta(seconds=3600))" == repr(HERE)
    assert not {NEW.decode(), NEW.hex()} & set(SIGNED.extensions.values())
    assert seal.key_id(NEW) != seal.key_id(OLD)


KEY = {"MOLT_SIGNING_KEY": "n" * 32, "MOLT_CLUSTER": "here"}


def test_the_settings() -> None:
    """The keys as they stand, the cluster, an hour unless another time is said."""
    assert Seal((NEW,), "here", HOUR) == seal.of({**KEY, "MOLT_SIGNING_KEY": " " + "n" * 32 + "\n"})
    more = {"MOLT_SIGNING_KEY_PREVIOUS": "o" * 32, "MOLT_SIGNATURE_SECONDS": " 604800 "}
    assert Seal((NEW, OLD), "here", timedelta(days=7)) == seal.of({**KEY, **more})
    assert Seal((NEW,), "here") == seal.of({**KEY, "MOLT_SIGNING_KEY_PREVIOUS": " ", "MOLT_SIGNATURE_SECONDS": ""})


CLUSTER_WANTED = "MOLT_CLUSTER must be the cluster's name or UID, in 1 to 253 characters of ASCII"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"MOLT_SIGNING_KEY": ""}, "MOLT_SIGNING_KEY has 0 bytes, and must have 32 at least"),
        ({"MOLT_SIGNING_KEY": " " * 40}, "MOLT_SIGNING_KEY has 0 bytes, and must have 32 at least"),
        ({"MOLT_SIGNING_KEY": "x" * 31}, "MOLT_SIGNING_KEY has 31 bytes, and must have 32 at least"),
        ({"MOLT_SIGNING_KEY_PREVIOUS": "x"}, "MOLT_SIGNING_KEY_PREVIOUS has 1 bytes, and must have 32 at least"),
        ({"MOLT_CLUSTER": " "}, CLUSTER_WANTED),
        ({"MOLT_CLUSTER": "ü"}, CLUSTER_WANTED),
        ({"MOLT_CLUSTER": "a\nb"}, CLUSTER_WANTED),
        ({"MOLT_CLUSTER": "x" * 254}, CLUSTER_WANTED),
        *(
            (
                {"MOLT_SIGNATURE_SECONDS": said},
                f"MOLT_SIGNATURE_SECONDS is {said!r}, and must be a number from 60 to 604800",
            )
            for said in ("59", "604801", "1h", "-60", "²", "9" * 60)
        ),
    ],
)
def test_a_wrong_setting_is_said(change: Mapping[str, str], reason: str) -> None:
    """In one line, which names it and does not have the key in it."""
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        seal.of({**KEY, **change})


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.builds(
    Event,
    id=TEXT.filter(str.strip).map(str.strip),
    source=st.just("/molt/x"),
    type=st.just("t"),
    data=st.dictionaries(TEXT, JSON, max_size=4),
    subject=st.none() | st.just("shop/pod/web-1"),
    time=st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis wants them naive
    extensions=st.sampled_from([{}, {"remedy": "rotate"}]),
)


@settings(deadline=None)
@given(EVENTS)
def test_any_event_is_taken_as_it_arrives(event: Event) -> None:
    """Whatever a function says, the next one reads the same canonical bytes."""
    assert refusal(events.parse(*events.render(HERE.sign(event, NOW)))) is None


HEADERS, BODY = events.render(SIGNED)
COVERED = sorted(set(HEADERS) - {"content-type", "ce-traceparent", "ce-specversion", "ce-datacontenttype"})


@settings(deadline=None, max_examples=400)
@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_any_byte_of_the_data_that_changes_is_noticed(place: int, change: int) -> None:
    """It is refused, or is no event any more, unless the JSON says the same."""
    altered = BODY[:place] + bytes([BODY[place] ^ change]) + BODY[place + 1 :]
    _refused_or_the_same(HEADERS, altered)


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(COVERED), st.data())
def test_any_character_of_an_attribute_that_changes_is_noticed(name: str, data: Any) -> None:
    """Of the event's own and of the signature's."""
    place = data.draw(st.integers(0, len(HEADERS[name]) - 1))
    char = data.draw(st.characters(min_codepoint=33, max_codepoint=126))
    altered = HEADERS[name][:place] + char + HEADERS[name][place + 1 :]
    _refused_or_the_same({**HEADERS, name: altered}, BODY)


def _refused_or_the_same(headers: Mapping[str, str], body: bytes) -> None:
    try:
        event = events.parse(headers, body)
    except BadEvent:
        return
    assert (event == SIGNED) == (refusal(event) is None)
    assert event == SIGNED or refusal(event) is not None


@pytest.mark.parametrize("name", [CLUSTER_ID, EXPIRY, KEY_ID, SIGNATURE])
def test_a_part_of_the_signature_that_is_missing_is_noticed(name: str) -> None:
    """None of them may be left out."""
    assert refusal(replace(SIGNED, extensions={n: v for n, v in SIGNED.extensions.items() if n != name})) is not None
