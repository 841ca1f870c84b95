"""Get, list and watch: selectors, pages, versions, bookmarks, tables."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from molt.embedded.cluster import watching
from molt.embedded.cluster.reads import Scope
from molt.embedded.cluster.requests import Request
from molt.embedded.cluster.resources import BY_KEY
from tests.embedded.cluster.caller import (
    CRD_PATH,
    DEFAULT,
    THINGS,
    Caller,
    config_map,
    definition,
    made_api,
    object_of,
    pod,
    refusal,
    thing,
)

MAPS = f"{DEFAULT}/configmaps"
PODS = f"{DEFAULT}/pods"
TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


def names(answer: dict[str, Any]) -> list[str]:
    return [item["metadata"]["name"] for item in answer["items"]]


def test_lists_of_one_and_of_all_namespaces(admin: Caller) -> None:
    """A list has a kind and a version, its items (of built-in kinds) have none."""
    admin.post(MAPS, config_map())
    admin.post(MAPS.replace("default", "kube-system"), config_map("two"))
    found = admin.get(MAPS)
    assert ("ConfigMapList", "v1", ["one"]) == (found["kind"], found["apiVersion"], names(found))
    assert "kind" not in found["items"][0]
    assert admin.store.version == found["metadata"]["resourceVersion"]
    assert ["one", "two"] == names(admin.get("/api/v1/configmaps"))
    admin.post(CRD_PATH, definition())
    admin.post(THINGS, thing())
    assert "Thing" == admin.get(THINGS)["items"][0]["kind"]


LABELS = {
    "a=1": "one", "a==1": "one", "a!=1": "three two", "a": "one two", "!a": "three", "a in (1,2)": "one two",
    "a in (,1)": "one", "a in ()": "", "a notin (1)": "three two", "a>1": "two", "a<2": "one", "b>1": "",
    "": "one three two", " a = 1 , b ": "", "a=": "", "a=,b": "", "in=1": "", "a in (in)": "", "n>1": "",
}  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), LABELS.items(), ids=list(LABELS))
def test_label_selectors(admin: Caller, text: str, wanted: str) -> None:
    """Every operator selects what it should."""
    admin.post(MAPS, config_map("one", labels={"a": "1", "n": "x"}))
    admin.post(MAPS, config_map("two", labels={"a": "2"}))
    admin.post(MAPS, config_map("three"))
    assert wanted.split() == names(admin.get(MAPS, labelSelector=text))


BAD_LABELS = {
    "=": "found '=', expected: !, identifier, or 'end of string'",
    "!": "unable to parse requirement: found '', expected: identifier",
    "a b": "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
    "a=b c": "found 'c', expected: ',' or 'end of string'",
    "a,": "found '', expected: identifier after ','",
    "a=(": "unable to parse requirement: found '(', expected: identifier",
    "a in b": "unable to parse requirement: found 'b' expected: '('",
    "a in (=": "unable to parse requirement: found '=', expected: ',', ')' or identifier",
    "a in (b": "unable to parse requirement: found '', expected: ',' or ')'",
    "a>b": "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must be",
    "-": 'unable to parse requirement: <nil>: Invalid value: "-": name part must consist of',
    "a=-": 'unable to parse requirement: values[0][a]: Invalid value: "-": a valid label must be an empty string',
}


@pytest.mark.parametrize(("text", "message"), BAD_LABELS.items(), ids=list(BAD_LABELS))
def test_bad_label_selectors(admin: Caller, text: str, message: str) -> None:
    """What cannot be read is refused with 400, and never selects everything."""
    code, reason, found = refusal(admin.ask("GET", MAPS, None, None, labelSelector=text))
    assert (400, "BadRequest", message) == (code, reason, found[: len(message)])


FIELDS = {
    "metadata.name=web": "web", "metadata.name!=web": "other", "spec.nodeName=n1": "other web",
    "status.phase=Running": "",
    "spec.hostNetwork=true": "web", "metadata.namespace=default,metadata.name==web": "web",
}  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), FIELDS.items(), ids=list(FIELDS))
def test_field_selectors(admin: Caller, text: str, wanted: str) -> None:
    """Pods can be selected by their node, phase and a few more fields."""
    admin.post(PODS, pod("web", spec={"hostNetwork": True}))
    admin.post(PODS, pod("other"))
    assert wanted.split() == names(admin.get(PODS, fieldSelector=text))


def test_bad_field_selectors(admin: Caller) -> None:
    """Fields that a kind cannot be selected by are refused, and so is what is no selector."""
    for path, text, message in (
        (MAPS, "spec.x=1", '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"'),
        (PODS, "spec.x=1", "field label not supported: spec.x"),
        (PODS, "x", "invalid selector: 'x'; can't understand 'x'"),
    ):
        assert message == refusal(admin.ask("GET", path, None, None, fieldSelector=text))[2]


def test_custom_fields_can_be_selected(admin: Caller) -> None:
    """A definition may name fields to select by."""
    admin.post(CRD_PATH, definition(selectableFields=[{"jsonPath": ".spec.a"}]))
    admin.post(THINGS, thing("one", {"a": 1}))
    admin.post(THINGS, thing("two", {"a": 2}))
    assert ["two"] == names(admin.get(THINGS, fieldSelector="spec.a=2"))


def test_pages_are_of_one_version(admin: Caller) -> None:
    """Pages go on as the collection was at the first, whatever changes meanwhile."""
    for name in "abcde":
        admin.post(MAPS, config_map(name))
    first = admin.get(MAPS, limit="2")
    assert (["a", "b"], 3) == (names(first), first["metadata"]["remainingItemCount"])
    admin.ask("DELETE", f"{MAPS}/d")
    admin.patch("merge", f"{MAPS}/c", {"data": {"a": "new"}})
    admin.post(MAPS, config_map("cc"))
    second = admin.get(MAPS, limit="2", **{"continue": first["metadata"]["continue"]})
    assert (["c", "d"], "1") == (names(second), second["items"][0]["data"]["a"])
    last = admin.get(MAPS, limit="2", labelSelector="!x", **{"continue": second["metadata"]["continue"]})
    assert (["e"], first["metadata"]["resourceVersion"]) == (names(last), last["metadata"]["resourceVersion"])
    assert "remainingItemCount" not in admin.get(MAPS, limit="1", labelSelector="!x")["metadata"]


def test_pages_expire() -> None:
    """A page whose version is forgotten is 410; a token that nobody gave is 400."""
    admin = Caller(made_api(window=2))
    for name in "abc":
        admin.post(MAPS, config_map(name))
    token = admin.get(MAPS, limit="1")["metadata"]["continue"]
    for name in "defg":
        admin.post(MAPS, config_map(name))
    code, reason, message = refusal(admin.ask("GET", MAPS, None, None, limit="1", **{"continue": token}))
    assert (410, "Expired", True) == (code, reason, message.startswith("The provided continue parameter is too old"))
    assert 400 == admin.ask("GET", MAPS, None, None, **{"continue": "xx"}).code


def test_watch_from_now_on(admin: Caller) -> None:
    """A watch without version begins with what is there, and goes on with what changes."""
    admin.post(MAPS, config_map())
    events = admin.watch(MAPS)
    assert ("ADDED", "one") == seen(next(events))
    admin.patch("merge", f"{MAPS}/one", {"data": {"a": "2"}})
    assert ("MODIFIED", "one") == seen(next(events))
    admin.ask("DELETE", f"{MAPS}/one")
    gone = next(events)
    assert (("DELETED", "one"), admin.store.version) == (seen(gone), gone["object"]["metadata"]["resourceVersion"])
    admin.store.close()
    assert [] == list(events)


def seen(event: dict[str, Any]) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"].get("name", "")


def test_watch_from_a_version(admin: Caller) -> None:
    """A watch from a version tells what came after it, of its namespace and selectors only."""
    version = admin.get(MAPS)["metadata"]["resourceVersion"]
    admin.post(MAPS.replace("default", "kube-system"), config_map("other"))
    admin.post(MAPS, config_map("plain"))
    admin.post(MAPS, config_map("one", labels={"a": "1"}))
    events = admin.watch(MAPS, resourceVersion=version, labelSelector="a=1")
    assert ("ADDED", "one") == seen(next(events))
    admin.patch("merge", f"{MAPS}/one", {"metadata": {"labels": {"a": "2"}}})
    left = next(events)
    assert (("DELETED", "one"), {"a": "1"}) == (seen(left), left["object"]["metadata"]["labels"])
    assert admin.store.version == left["object"]["metadata"]["resourceVersion"]
    admin.patch("merge", f"{MAPS}/one", {"metadata": {"labels": {"a": "1"}}})
    assert ("ADDED", "one") == seen(next(events))
    one = admin.watch(f"{MAPS}/one", resourceVersion=version)
    assert [("ADDED", "one"), ("MODIFIED", "one")] == [seen(event) for event in itertools.islice(one, 2)]


def test_watch_refusals(admin: Caller) -> None:
    """What is too old ends at once with an ERROR event; what is no version is refused."""
    small = Caller(made_api(window=1))
    small.post(MAPS, config_map())
    [event] = small.watch(MAPS, resourceVersion="1")
    assert ("ERROR", 410, "Expired") == (event["type"], event["object"]["code"], event["object"]["reason"])
    code, _, message = refusal(admin.ask("GET", MAPS, None, None, watch="1", resourceVersion="x"))
    assert (422, True) == (code, "resourceVersion: Invalid value" in message)
    admin.post(CRD_PATH, definition())
    [event] = admin.watch(THINGS, resourceVersion="1")
    assert "ERROR" == event["type"]


def test_initial_events_end_with_a_bookmark(admin: Caller) -> None:
    """A watch with sendInitialEvents gives what is there and marks where it ends; without it nothing old comes."""
    admin.post(MAPS, config_map())
    events = admin.watch(MAPS, sendInitialEvents="true", allowWatchBookmarks="true")
    assert ("ADDED", "one") == seen(next(events))
    mark = next(events)
    assert ("BOOKMARK", {"k8s.io/initial-events-end": "true"}) == (
        mark["type"],
        mark["object"]["metadata"]["annotations"],
    )
    later = admin.watch(MAPS, sendInitialEvents="false")
    admin.post(MAPS, config_map("two"))
    assert ("ADDED", "two") == seen(next(later))


@pytest.mark.parametrize(("bookmarks", "wanted"), [("true", ["BOOKMARK"]), ("false", [])])
def test_the_end(admin: Caller, bookmarks: str, wanted: list[str]) -> None:
    """A watch ends when its time is over, with a bookmark if bookmarks were asked for."""
    scope = Scope(BY_KEY["configmaps"], None, lambda _: True)
    times = itertools.chain([0.0], itertools.repeat(99.0))
    query = {"resourceVersion": admin.store.version, "timeoutSeconds": "70", "allowWatchBookmarks": bookmarks}
    events = watching.watch(admin.store, Request("GET", "/", query), scope, monotonic=lambda: next(times))
    assert wanted == [event["type"] for event in events]


def test_bookmarks_every_minute() -> None:
    """Between two bookmarks a watch waits a minute at most, and no longer than until its end."""
    clock = {"now": 0.0}
    pace = watching.Pace(lambda: clock["now"], 90.0, bookmarks=True)
    assert (60.0, False, False) == (pace.left(), pace.bookmark(), pace.over())
    clock["now"] = 61.0
    assert (True, False, 29.0, False) == (pace.bookmark(), pace.bookmark(), pace.left(), pace.over())


def test_watching_one_object_by_its_path(admin: Caller) -> None:
    """A GET of one object with ?watch is a watch of it."""
    admin.post(MAPS, config_map())
    admin.post(MAPS, config_map("two"))
    assert ("ADDED", "one") == seen(next(admin.watch(f"{MAPS}/one")))


def test_tables(admin: Caller) -> None:
    """Whoever asks for a Table gets one: of a list, of one object, of a new one, and of a watch's."""
    created = object_of(admin.ask("POST", PODS, pod(), TABLE))
    assert ("Table", "web") == (created["kind"], created["rows"][0]["cells"][0])
    listed = object_of(admin.ask("GET", PODS, None, TABLE))
    assert ["Name", "Ready", "Status"] == [one["name"] for one in listed["columnDefinitions"]][:3]
    assert ["web", "0/1", "Pending", "0"] == listed["rows"][0]["cells"][:4]
    assert "web" == object_of(admin.ask("GET", f"{PODS}/web", None, TABLE))["rows"][0]["cells"][0]
    events = admin.watch(PODS, TABLE, sendInitialEvents="true", allowWatchBookmarks="true")
    assert "Table" == next(events)["object"]["kind"]
    assert "BOOKMARK" == next(events)["type"]
    admin.store.close()
    assert [] == list(events)
    assert "Status" == object_of(admin.ask("POST", f"{PODS}/web/eviction", {}, TABLE))["kind"]
