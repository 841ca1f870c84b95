"""What the function answers: once for an alert and a pod, whatever is delivered again or killed in between.

The table of what is missing:            ifMissing: Continue         ifMissing: Stop
    may pass (5xx, 429), event fresh     TemporaryError              TemporaryError
    may pass, event older than 10 s      goes on, trail says so      TemporaryError
    never comes (gone, 403, 404)         goes on, trail says so      PermanentError, the bundle is kept
    not essential (previous log, cap)    goes on, trail says so      goes on, trail says so
    the store takes nothing              goes on without, skipped    TemporaryError or PermanentError
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from evidence.handler import PATIENCE
from molt.cluster import Forbidden, NotFound, Unavailable
from molt.evidence import audit
from molt.evidence.bundle import bundle_id
from molt.itinerary import Slip
from molt.outcome import BadEvent, Done, MoltError, PermanentError, Skipped, TemporaryError
from tests.functions.evidence.world import ACCOUNT, Case, Memory, container, status, step, why
from tests.functions.fake_cluster import START, Killed
from tests.functions.slips import QUARANTINE, event_of, over_the_wire

BROKEN = Unavailable("no kubelet")
FORBIDDEN = Forbidden("not allowed")


def test_everything_is_kept_and_the_itinerary_goes_on() -> None:
    """The fact names bundle, sum and anchor; the next remedy is quarantine."""
    case = Case()
    outcome = case.handle()
    assert isinstance(outcome, Done)
    assert outcome.event is not None
    event = over_the_wire(outcome.event)
    slip = Slip.parse(event.data)
    (entry,) = audit.verify(case.archive).entries
    assert ("io.molt-project.evidence.collected.v1", "/molt/evidence", "quarantine") == (
        event.type,
        event.source,
        event.extensions["remedy"],
    )
    assert (QUARANTINE,) == slip.itinerary
    (said,) = slip.trail
    assert ("evidence", "acted") == (said.remedy, said.outcome)
    assert {"bundle": entry.bundle, "sha256": entry.sha256, "anchor": entry.hash, "missing": 0} == said.details
    assert bundle_id("alert-1", case.target["metadata"]["uid"]) == entry.bundle
    assert [
        "alert.json",
        "custody.json",
        "events.json",
        "images.json",
        "logs/main.log",
        "logs/sidecar.log",
        "networkpolicies.json",
        "node.json",
        "owners/Deployment-web.json",
        "owners/ReplicaSet-web-5d9c7b.json",
        "pod.json",
        "services.json",
    ] == sorted(case.bundle().files)


def test_what_is_in_the_bundle() -> None:
    """Each file has what its name says; policies and Services are those that select the pod."""
    case = Case()
    case.world.logs_of["main"] = b"2026-11-24T11:59:00Z one\n"
    case.handle()
    bundle = case.bundle()
    read = {path: json.loads(data) for path, data in bundle.files.items() if path.endswith(".json")}
    assert ["mine"] == [one["metadata"]["name"] for one in read["networkpolicies.json"]]
    assert ["mine"] == [one["metadata"]["name"] for one in read["services.json"]]
    assert ["started"] == [one["metadata"]["name"] for one in read["events.json"]]
    assert "alert-1" == read["alert.json"]["id"]
    assert case.target["metadata"]["uid"] == read["pod.json"]["metadata"]["uid"]
    assert "main@sha256:" + "0" * 64 == read["images.json"]["main"]["imageID"]
    assert b"2026-11-24T11:59:00Z one\n" == bundle.files["logs/main.log"]
    assert {"itemBytes": 4 << 20, "totalBytes": 24 << 20, "logLines": 1000} == bundle.manifest["limits"]


def test_the_chain_of_custody() -> None:
    """Who, when, where, by which policy for which alert, with what, and after which steps."""
    case = Case()
    case.handle()
    custody = case.bundle().custody
    assert (ACCOUNT, "cluster-uid", "2026-11-24T12:00:00.250000Z") == (
        custody["collector"],
        custody["cluster"],
        custody["collectedAt"],
    )
    assert {"name": "shells", "uid": "policy-uid", "generation": 1} == custody["policy"]
    assert {"id": "alert-1", "rule": "Terminal shell in container"}.items() <= custody["alert"].items()
    assert case.target["metadata"]["uid"] == custody["pod"]["uid"]
    assert custody["tool"].startswith("molt evidence ")
    assert (len(case.world.requests), []) == (custody["apiCalls"], custody["before"])


def test_the_calls_of_one_event() -> None:
    """As the README says: one for each object, list and log, and one for the cluster's identity."""
    case = Case()
    case.handle()
    assert [
        "get pods",
        "list events",
        "get nodes",
        "get replicasets",
        "get deployments",
        "list networkpolicies",
        "list services",
        "get pods/log",
        "get pods/log",
        "get namespaces",
    ] == case.world.asked()


def test_a_redelivery_asks_nothing_and_has_the_same_answer() -> None:
    """Same bundle, same event, no second line of the index."""
    case = Case()
    first = case.handle()
    case.world.asked()
    case.clock.time += timedelta(minutes=5)
    assert first == case.handle()
    assert [] == case.world.asked()
    assert 1 == len(audit.verify(case.archive).entries)


def test_another_alert_or_pod_is_another_bundle() -> None:
    """Each has its own evidence; the index has a line for each."""
    case = Case()
    case.handle()
    slip = case.slip()
    case.take(event_of(replace(slip, alert={**slip.alert, "id": "alert-2"})))
    found = audit.verify(case.archive)
    assert ((), [1, 2]) == (found.findings, [entry.number for entry in found.entries])


def _kills() -> list[tuple[str, int]]:
    case = Case()
    case.handle()
    return [
        *(("api", number) for number in range(len(case.world.requests))),
        *(("store", number) for number in range(len(case.store.calls))),
    ]


@pytest.mark.parametrize(("where", "calls"), _kills(), ids=str)
def test_killed_after_any_call_the_redelivery_completes_it(where: str, calls: int) -> None:
    """Whichever call of API or store was its last, there is one whole bundle and one line in the end."""
    case = Case()
    if where == "api":
        case.world.kill_after = calls
    else:
        case.store.kill_after = calls
    with pytest.raises(Killed):
        case.handle()
    kept = dict(case.store.files)
    outcome = case.handle()
    assert isinstance(outcome, Done)
    found = audit.verify(case.archive)
    assert ((), 1) == (found.findings, len(found.entries))
    assert kept.items() <= case.store.files.items(), "what was written stays"
    assert outcome == case.handle()


def test_a_bundle_without_its_line_outlives_its_pod() -> None:
    """Killed between bundle and index, and the pod gone since: the redelivery enters what there was."""
    case = Case()
    case.store.before_create = [lambda _: None, _die]
    with pytest.raises(Killed):
        case.handle()
    case.world.objects.clear()
    assert isinstance(case.handle(), Done)
    assert "logs/main.log" in case.bundle().files


def _die(_: Memory) -> None:
    raise Killed


def test_of_two_at_the_same_time_the_first_is_kept_for_both() -> None:
    """The second finds the bundle there, takes it for its own, and enters nothing more."""
    case = Case()
    rival = Case(store=Memory(case.store.files))
    answers: list[Any] = []
    case.store.before_create = [lambda _: answers.append(rival.handle())]
    assert case.handle() == answers[0]
    assert (1, ()) == (len(audit.verify(case.archive).entries), audit.verify(case.archive).findings)


def test_a_number_that_another_took_is_left_to_it() -> None:
    """Two bundles that are entered at the same time follow each other in the chain."""
    case = Case()
    rival = Case(store=Memory(case.store.files))
    slip = rival.slip()
    other = event_of(replace(slip, alert={**slip.alert, "id": "alert-2"}))
    case.store.before_create = [lambda _: None, lambda _: _ignore(rival.take(other))]
    case.handle()
    found = audit.verify(case.archive)
    assert ((), 2) == (found.findings, len(found.entries))


def _ignore(_: object) -> None:
    """Turn an expression into a statement."""


def test_what_is_missing_is_named_and_the_itinerary_goes_on() -> None:
    """Continue: the trail says what is not there, the manifest why."""
    case = Case()
    case.world.logs_of["main"] = FORBIDDEN
    case.world.failing["get", "nodes"] = NotFound("no node")
    outcome = case.handle()
    assert isinstance(outcome, Done)
    assert outcome.reason.endswith("10 files, without node.json, logs/main.log")
    assert {"node.json": "it is gone: no node", "logs/main.log": "not allowed"} == why(case.bundle())


@pytest.mark.parametrize(
    "break_it",
    [
        pytest.param(lambda case: case.world.logs_of.update(main=FORBIDDEN), id="no right to logs"),
        pytest.param(lambda case: case.world.failing.update({("list", "events"): FORBIDDEN}), id="no right to events"),
        pytest.param(lambda case: case.world.objects.pop(("pods", "shop", case.target["metadata"]["name"])), id="gone"),
        pytest.param(lambda case: case.world.pods()[0]["metadata"].update(uid="another"), id="replaced"),
    ],
)
def test_stop_stops_for_what_is_essential_and_keeps_the_rest(break_it: Any) -> None:
    """Nothing follows, now or on redelivery; what there was is kept all the same."""
    case = Case()
    event = event_of(case.slip(step(ifMissing="Stop"), QUARANTINE))
    break_it(case)
    for _ in range(2):
        with pytest.raises(PermanentError, match=r"lacks .*, and the policy says ifMissing: Stop"):
            case.take(event)
    assert 1 == len(audit.verify(case.archive).entries)


def test_stop_does_not_stop_for_what_is_not_essential() -> None:
    """The log of the run before, a checkpoint, the cluster's identity."""
    case = Case()
    case.target["status"]["containerStatuses"][0] = status("main", restarted=True)
    case.world.logs_of["main-previous"] = NotFound("rotated away")
    case.world.failing["get", "namespaces"] = FORBIDDEN
    case.world.checkpoints["main"] = NotFound("404 page not found")
    outcome = case.handle(step(ifMissing="Stop", checkpoint=True), QUARANTINE)
    assert isinstance(outcome, Done)
    assert {
        "checkpoints/main.json": "404 page not found",
        "logs/main.previous.log": "it is gone: rotated away",
        "cluster id": "not allowed",
    } == why(case.bundle())


@pytest.mark.parametrize("age", [None, PATIENCE, -PATIENCE], ids=["no time", "old", "of the future"])
def test_what_may_pass_is_waited_for_only_while_the_event_is_fresh(age: timedelta | None) -> None:
    """Continue: a kubelet that does not answer delays the quarantine by seconds, not for ever."""
    case = Case()
    case.world.logs_of["main"] = BROKEN
    with pytest.raises(TemporaryError):
        case.handle(time=START)
    assert [] == case.archive.names()
    assert isinstance(case.handle(time=age and START - age), Done)
    assert {"logs/main.log": "no kubelet"} == why(case.bundle())


def test_stop_waits_for_what_may_pass() -> None:
    """However old the event is: the broker gives up in the end, and nothing is destroyed."""
    case = Case()
    case.world.logs_of["main"] = BROKEN
    with pytest.raises(TemporaryError):
        case.handle(step(ifMissing="Stop"), QUARANTINE, time=START - timedelta(hours=1))
    assert [] == case.archive.names()


@pytest.mark.parametrize("error", [TemporaryError("disk full"), PermanentError("no bucket")], ids=str)
@pytest.mark.parametrize("following", [(QUARANTINE,), ()], ids=["quarantine follows", "the end"])
def test_a_store_that_takes_nothing_does_not_keep_the_pod_free(error: MoltError, following: Any) -> None:
    """Continue: the rest of the itinerary goes on, and says that there is no evidence."""
    case = Case(store=Memory(failing=error))
    outcome = case.handle(step(), *following)
    assert isinstance(outcome, Skipped)
    assert f"no evidence was kept: {error}" == outcome.reason
    if following:
        assert outcome.event is not None
        assert ("io.molt-project.remedy.skipped.v1", "quarantine") == (
            outcome.event.type,
            outcome.event.extensions["remedy"],
        )
    else:
        assert outcome.event is None


@pytest.mark.parametrize("error", [TemporaryError("disk full"), PermanentError("no bucket")], ids=str)
def test_a_store_that_takes_nothing_stops_where_evidence_must_be(error: MoltError) -> None:
    """Stop: the error says whether a later try may help."""
    case = Case(store=Memory(failing=error))
    with pytest.raises(type(error), match=str(error)):
        case.handle(step(ifMissing="Stop"), QUARANTINE)


def test_a_fresh_event_comes_again_when_the_store_is_away_for_a_moment() -> None:
    """Continue, but not at once: the second delivery may find the store there."""
    case = Case(store=Memory(failing=TemporaryError("disk full")))
    with pytest.raises(TemporaryError):
        case.handle(time=START)
    case = Case(store=Memory(failing=PermanentError("no bucket")))
    assert isinstance(case.handle(time=START), Skipped), "what cannot pass is not waited for"


def test_a_bundle_that_was_altered_is_not_taken_for_evidence() -> None:
    """A whole bundle with another sum than the index has, and one that is none."""
    case = Case()
    case.handle(step(ifMissing="Stop"))
    (name,) = case.archive.names()
    path = f"bundles/{name}.tar.gz"
    other = Case()
    other.world.logs_of["main"] = b"innocent\n"
    other.handle()
    for data in (other.store.files[path], b"nothing"):
        case.store.files[path] = data
        with pytest.raises(PermanentError):
            case.handle(step(ifMissing="Stop"))


def test_a_gone_pod_leaves_what_is_left() -> None:
    """Alert, events and node; the pod, its logs and what selected it are missing."""
    case = Case()
    event = event_of(case.slip())
    case.world.remove(case.target["metadata"]["name"])
    assert isinstance(case.take(event), Done)
    bundle = case.bundle()
    assert ["alert.json", "custody.json", "events.json", "node.json"] == sorted(bundle.files)
    assert {"pod.json": "the pod is gone", "logs": "the pod is gone, and its logs went with it"} == why(bundle)


@pytest.mark.parametrize("gone", [False, True], ids=["there", "gone"])
def test_a_rehearsal_writes_nothing_and_says_what_it_would(gone: bool) -> None:  # noqa: FBT001 - a parameter of the table
    """One call, no file."""
    case = Case()
    event = event_of(case.slip(mode="DryRun"))
    case.target["spec"]["containers"].append(container("late"))
    if gone:
        case.world.objects.pop(("pods", "shop", case.target["metadata"]["name"]))
    outcome = case.take(event)
    assert isinstance(outcome, Done)
    assert outcome.rehearsed
    what = "nothing of the pod, which is gone" if gone else "ReplicaSet web-5d9c7b, log of main, log of sidecar"
    assert f"would collect {what}, events, node, network policies, services and alert" == outcome.reason
    assert (["get pods"], {}) == (case.world.asked(), case.store.files)


def test_what_is_no_slip_is_refused() -> None:
    """Nor is one whose head is another remedy."""
    case = Case()
    with pytest.raises(BadEvent):
        case.handle(QUARANTINE)


@pytest.mark.parametrize("lines", ["10", 0, True, None])
def test_a_number_of_lines_that_is_none_is_refused(lines: object) -> None:
    """The router writes what the policy's schema lets through."""
    with pytest.raises(BadEvent, match="logLines"):
        Case().handle(step(logLines=lines))


@pytest.mark.parametrize("mode", ["Enforce", "DryRun"])
def test_a_long_name_of_an_owner_is_cut(mode: str) -> None:
    """Whoever may make a pod names its owners; a reason that the next function refuses would keep the pod free."""
    case = Case()
    owner = {"apiVersion": "example.org/v1", "kind": "Odd", "name": "\x1b" + "x" * 5000, "uid": "odd"}
    case.target["metadata"]["ownerReferences"].append(owner)
    outcome = case.handle(mode=mode)
    assert isinstance(outcome, Done)
    assert outcome.event is not None
    said = Slip.parse(over_the_wire(outcome.event).data).trail[-1].reason
    assert (1024, "...", True) == (len(said), said[-3:], said.isprintable())


def test_a_long_list_of_missing_things_is_cut() -> None:
    """A reason is a line, not a page; the manifest has them all."""
    case = Case()
    names = [f"c{number}" for number in range(12)]
    case.target["spec"]["containers"] = [container(name) for name in names]
    case.target["status"]["containerStatuses"] = []
    outcome = case.handle()
    assert isinstance(outcome, Done)
    assert outcome.reason.endswith("logs/c7.log and 4 more")
    assert set(why(case.bundle())) == {f"logs/{name}.log" for name in names}
