"""Events: told in the new group, found in both, complete or refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.embedded.cluster.caller import DEFAULT, Caller, object_of, refusal

NEW = "/apis/events.k8s.io/v1/namespaces/default/events"
OLD = f"{DEFAULT}/events"

Object = dict[str, Any]


def event(**change: Any) -> Object:
    return {
        "metadata": {"name": "told"},
        "eventTime": "2026-11-24T11:00:00.000000Z",
        "reportingController": "molt-project.io/quarantine",
        "reportingInstance": "quarantine-1",
        "action": "Quarantine",
        "reason": "Quarantined",
        "type": "Warning",
        "regarding": {"apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": "one", "uid": "1"},
        "note": "isolated",
    } | change


def old_event(**change: Any) -> Object:
    return {
        "metadata": {"name": "old"},
        "involvedObject": {"namespace": "default", "name": "p"},
        "message": "m",
    } | change


def test_one_event_in_two_groups(admin: Caller) -> None:
    """What was told under the new names is found under both, by the fields of either, in lists and watches."""
    made = admin.post(NEW, event())
    assert ("events.k8s.io/v1", "isolated", "one") == (made["apiVersion"], made["note"], made["regarding"]["name"])
    old = admin.get(f"{OLD}/told")
    assert ("v1", "isolated", "one") == (old["apiVersion"], old["message"], old["involvedObject"]["name"])
    for path, selector, name in (
        (OLD, "involvedObject.name=one", "message"),
        (NEW, "regarding.name=one,reportingController=molt-project.io/quarantine", "note"),
    ):
        [found] = admin.get(path, fieldSelector=selector)["items"]
        assert "isolated" == found[name]
    assert "isolated" == next(admin.watch(NEW))["object"]["note"]
    assert made == admin.get(f"{NEW}/told")


def test_an_event_can_be_counted(admin: Caller) -> None:
    """A later change may make a series of it, and nothing else."""
    admin.post(NEW, event())
    series = {"count": 2, "lastObservedTime": "2026-11-24T11:01:00.000000Z"}
    changed = object_of(admin.patch("merge", f"{NEW}/told", {"series": series}))
    assert (series, "isolated") == (changed["series"], changed["note"])
    message = 'Event "told" is invalid: message: Invalid value: "other": field is immutable'
    assert message == refusal(admin.patch("merge", f"{NEW}/told", {"note": "other"}))[2]


WRONG: list[tuple[Object, str]] = [
    ({"eventTime": None}, "eventTime: Required value"),
    ({"reportingController": ""}, "reportingController: Required value"),
    ({"reportingController": "-"}, 'reportingController: Invalid value: "-": name part must consist of'),
    ({"reportingInstance": ""}, "reportingInstance: Required value"),
    ({"reportingInstance": "x" * 129}, 'reportingInstance: Invalid value: "": can have at most 128 characters'),
    ({"note": "x" * 1025}, 'message: Invalid value: "": can have at most 1024 characters'),
    ({"type": "Bad"}, 'type: Invalid value: "": has invalid value: Bad'),
    ({"regarding": {}}, 'involvedObject.namespace: Invalid value: "": does not match event.namespace'),
    ({"deprecatedCount": 1}, 'count: Invalid value: "": needs to be unset'),
    ({"series": {"count": 1}}, 'series.count: Invalid value: "": should be at least 2'),
    ({"series": {"count": 2}}, "series.lastObservedTime: Required value"),
]


@pytest.mark.parametrize(("change", "text"), WRONG, ids=[text[:50] for _, text in WRONG])
def test_incomplete_events(admin: Caller, change: Object, text: str) -> None:
    """The new group takes complete events only."""
    admin.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    code, _, message = refusal(admin.ask("POST", NEW.replace("default", "shop"), event(**change)))
    assert (422, True) == (code, text in message), message


def test_a_series_from_the_start(admin: Caller) -> None:
    """An event may be a series from the start."""
    series = {"count": 2, "lastObservedTime": "2026-11-24T11:01:00.000000Z"}
    assert series == admin.post(NEW, event(series=series))["series"]


def test_old_events(admin: Caller) -> None:
    """The old group asks only that an event stands in its object's namespace."""
    assert "m" == admin.post(OLD, old_event())["message"]
    admin.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    elsewhere = refusal(admin.ask("POST", OLD.replace("default", "shop"), old_event()))
    message = (
        'Event "old" is invalid: involvedObject.namespace: Invalid value: "default": does not match event.namespace'
    )
    assert (422, message) == (elsewhere[0], elsewhere[2])
    dated = old_event(metadata={"name": "dated"}, eventTime="2026-11-24T11:00:00.000000Z")
    assert "reportingComponent: Required value" in refusal(admin.ask("POST", OLD, dated))[2]


@pytest.mark.parametrize(
    ("time", "text"),
    [
        ("2026-11-24T11:00:00Z",
         'parsing time "2026-11-24T11:00:00Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z"'),
        ("now", 'cannot parse "now" as "2006"'),
    ],
)  # fmt: skip
def test_times_have_microseconds(admin: Caller, time: str, text: str) -> None:
    """An event's time without six digits of a second cannot be read."""
    code, _, message = refusal(admin.ask("POST", NEW, event(eventTime=time)))
    assert (400, True) == (code, text in message)


def test_jobs_by_success(admin: Caller) -> None:
    """Jobs can be selected by how often they succeeded, under an old name."""
    path = "/apis/batch/v1/namespaces/default/jobs"
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}}
    admin.post(path, {"metadata": {"name": "done"}, "spec": {"template": template}})
    admin.patch("merge", f"{path}/done/status", {"status": {"succeeded": 1}})
    assert 1 == len(admin.get(path, fieldSelector="status.successful=1")["items"])
    refused = admin.ask("GET", path, None, None, fieldSelector="spec.x=1")
    assert 'field label "spec.x" not supported for Job' == refusal(refused)[2]
