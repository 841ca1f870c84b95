"""What Cluster.watch yields, and how a watch ends: by the server, by an error (410, others), a break, the reader."""

from __future__ import annotations

import json
from typing import Any

import pytest

from molt.cluster import PODS, Cluster, Expired, Forbidden, Request, Unavailable
from tests.molt.cluster.stub import Stub, answer, hang_up, refuse, status, watch


def line(kind: str, /, **obj: Any) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def test_events_come_line_by_line_however_they_are_cut(cluster: Cluster, stub: Stub) -> None:
    """A line may come in parts, and parts of two lines together."""
    text = line("ADDED", n="é") + line("BOOKMARK", n=2) + b"\n" + line("DELETED", n=3)
    stub.will(watch(text[:20], text[20:60], text[60:]))
    expected = [("ADDED", {"n": "é"}), ("BOOKMARK", {"n": 2}), ("DELETED", {"n": 3})]
    assert expected == list(cluster.watch(PODS, "shop", labels="a=b", resource_version="7", timeout=9.6))
    (seen,) = stub.seen
    assert ("/api/v1/namespaces/shop/pods", [Request("watch", "", "pods", "shop")]) == (seen.path, cluster.requests)
    assert {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "10",
        "labelSelector": "a=b",
        "resourceVersion": "7",
    } == seen.query


def test_a_watch_is_read_from_an_answer_of_known_length_too(cluster: Cluster, stub: Stub) -> None:
    """Not every server sends chunks."""
    stub.will(answer(line("ADDED", n=1)))
    assert [("ADDED", {"n": 1})] == list(cluster.watch(PODS))
    assert {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": "300"} == stub.seen[0].query


def test_a_watch_from_too_old_a_version_is_expired(cluster: Cluster, stub: Stub) -> None:
    """In the middle as an ERROR event, at the start as a status: both mean to list again."""
    stub.will(watch(line("ADDED", n=1), line("ERROR", **status(410, "Expired", "too old"))), refuse(410, "Gone", "old"))
    events = cluster.watch(PODS)
    assert ("ADDED", {"n": 1}) == next(events)
    with pytest.raises(Expired, match="watch pods: too old"):
        next(events)
    with pytest.raises(Expired, match="watch pods: old"):
        next(cluster.watch(PODS))


def test_another_error_event_is_raised_as_what_it_means(cluster: Cluster, stub: Stub) -> None:
    """A Status without a code is the server's trouble."""
    stub.will(watch(line("ERROR", **status(403, "Forbidden", "no"))), watch(line("ERROR", message="odd")))
    with pytest.raises(Forbidden):
        next(cluster.watch(PODS))
    with pytest.raises(Unavailable, match="odd"):
        next(cluster.watch(PODS))


@pytest.mark.parametrize(
    ("script", "text"),
    [
        (watch(line("ADDED", n=1), ended=False), "the watch broke"),
        (watch(line("ADDED", n=1), b'{"type"'), "in the middle of an event"),
        (watch(line("ADDED", n=1), b"<html>\n"), "unreadable event"),
        (watch(line("ADDED", n=1), b'{"type": "ADDED"}\n'), "unreadable event"),
        (watch(line("ADDED", n=1), b"[]\n"), "unreadable event"),
    ],
)
def test_a_watch_that_breaks_off_is_unavailable(cluster: Cluster, stub: Stub, script: Any, text: str) -> None:
    """What came before is delivered, and the end is told apart from the server's own."""
    stub.will(script)
    events = cluster.watch(PODS)
    assert ("ADDED", {"n": 1}) == next(events)
    with pytest.raises(Unavailable, match=text):
        next(events)


def test_a_watch_that_does_not_open_is_tried_again(cluster: Cluster, stub: Stub) -> None:
    """As any other read."""
    stub.will(hang_up, watch(line("ADDED", n=1)))
    assert [("ADDED", {"n": 1})] == list(cluster.watch(PODS))
    assert 2 == len(cluster.requests)


def test_a_reader_may_leave(cluster: Cluster, stub: Stub) -> None:
    """The connection is closed, and the next request has another."""
    stub.will(watch(line("ADDED", n=1), line("ADDED", n=2)), answer({"kind": "Pod"}))
    events = cluster.watch(PODS)
    next(events)
    events.close()  # type: ignore[attr-defined]  # a generator
    assert {"kind": "Pod"} == cluster.get(PODS, "web-0", "shop")
