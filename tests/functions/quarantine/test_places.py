"""Places are taken exactly, whatever happens in between: conflicts, deaths, a ledger that is gone or old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from molt import ledger as ledgers
from molt import marks
from molt.cluster import AlreadyExists, Forbidden
from molt.itinerary import PolicyRef
from molt.ledger import Place
from molt.outcome import TemporaryError
from quarantine.limits import Claim
from quarantine.places import ATTEMPTS, OPENED, Places
from tests.functions.fake_cluster import FakeClock, FakeCluster

ROOT = Path(__file__).resolve().parents[3]
WEB = "shop/Deployment/web"
ISOLATED = {"labels": {marks.COMPROMISED: "true"}, "annotations": {marks.ORIGINAL_LABELS: "{}"}}


def _take(places: Places, cluster: FakeCluster, uid: str, **limits: Any) -> str | None:
    claim = Claim(uid, WEB, 1, "shells", limits or {"perWorkload": 1})
    return places.take(claim, PolicyRef("shells", "policy-uid", 1, claim.limits), cluster, cluster.clock)


def _taken(cluster: FakeCluster) -> set[str]:
    return set(cluster.objects["ledgers", "", ledgers.NAME].get("spec", {}).get("pods", {}))


def _events(cluster: FakeCluster) -> list[dict[str, Any]]:
    return [obj for (plural, _, _), obj in cluster.objects.items() if plural == "events"]


def test_a_place_is_one_call_once_the_ledger_is_known(cluster: FakeCluster) -> None:
    """The first of a process reads it, too; a refusal reads it anew, since it may be old."""
    places = Places()
    assert _take(places, cluster, "a", perWorkload=2) is None
    assert ["get ledgers", "patch ledgers"] == cluster.asked()
    assert _take(places, cluster, "b", perWorkload=2) is None
    assert ["patch ledgers"] == cluster.asked()
    refused = _take(places, cluster, "c", perWorkload=2)
    assert "limits.perWorkload is 2: 2 pods of Deployment/web in quarantine already" == refused
    assert ["get ledgers"] == cluster.asked()
    assert {"a", "b"} == _taken(cluster)


def test_who_has_a_place_keeps_it(cluster: FakeCluster) -> None:
    """A redelivery, after a death between reservation and isolation, takes no second one, in whichever process."""
    assert _take(Places(), cluster, "a") is None
    assert _take(places := Places(), cluster, "a") is None
    assert _take(places, cluster, "a") is None
    assert ["get ledgers", "patch ledgers", "get ledgers", "get ledgers"] == cluster.asked()


def test_an_old_ledger_is_read_anew(cluster: FakeCluster) -> None:
    """What another process has written makes the patch fail; of two, one gets through."""
    one, other = Places(), Places()
    assert _take(one, cluster, "a", perWorkload=3) is None
    assert _take(other, cluster, "b", perWorkload=3) is None
    cluster.asked()
    assert _take(one, cluster, "c", perWorkload=3) is None
    assert ["patch ledgers", "get ledgers", "patch ledgers"] == cluster.asked()
    assert _take(other, cluster, "d", perWorkload=3)
    assert {"a", "b", "c"} == _taken(cluster)


def test_a_ledger_that_never_rests_is_tried_later(cluster: FakeCluster) -> None:
    """After many conflicts the broker waits and delivers again."""

    def bump(cluster: FakeCluster) -> None:
        cluster.objects["ledgers", "", ledgers.NAME]["metadata"]["resourceVersion"] += "1"

    cluster.meddle = [bump] * ATTEMPTS
    with pytest.raises(TemporaryError, match="the ledger changed under each of 50 attempts"):
        _take(Places(), cluster, "a")


def test_a_ledger_that_is_gone_is_made_of_what_is_in_quarantine(cluster: FakeCluster, clock: FakeClock) -> None:
    """No limit is forgotten with it; of two that make it at once one does."""
    places = Places()
    assert _take(places, cluster, "a", perWorkload=9) is None
    del cluster.objects["ledgers", "", ledgers.NAME]
    notes = {"molt-project.io/workload": "Deployment/web", "molt-project.io/quarantined-at": "2026-11-24T11:00:00Z"}
    held = cluster.bare_pod("web-1")
    held["metadata"] |= {"labels": ISOLATED["labels"], "annotations": notes | ISOLATED["annotations"]}
    hand = cluster.bare_pod("hand")
    hand["metadata"] |= ISOLATED
    forged = cluster.bare_pod("forged")
    forged["metadata"]["labels"] = ISOLATED["labels"]
    reason = places.rehearse(Claim("b", WEB, 1, "shells", {"perWorkload": 1}), cluster, clock)
    assert reason
    assert ("ledgers", "", ledgers.NAME) not in cluster.objects
    assert _take(places, cluster, "b", perWorkload=1) == reason
    assert {held["metadata"]["uid"], hand["metadata"]["uid"]} == _taken(cluster)
    raced = cluster.objects.pop(("ledgers", "", ledgers.NAME))

    def create(*_: Any, **__: Any) -> Any:
        cluster.objects["ledgers", "", ledgers.NAME] = raced
        raise AlreadyExists("it exists")

    cluster.create = create  # type: ignore[method-assign]
    assert _take(Places(), cluster, "b", perWorkload=1) == reason


def test_the_place_of_a_pod_that_is_gone_is_free_after_a_while(cluster: FakeCluster, clock: FakeClock) -> None:
    """Not before: it may be about to be isolated. The pods are listed only when that may help."""
    places = Places()
    assert _take(places, cluster, "a") is None
    clock.time += timedelta(seconds=119)
    assert _take(places, cluster, "b")
    clock.time += timedelta(seconds=2)
    cluster.asked()
    assert _take(places, cluster, "b") is None
    assert ["get ledgers", "list pods", "patch ledgers"] == cluster.asked()
    assert {"b"} == _taken(cluster)


def test_a_pod_in_quarantine_keeps_its_place(cluster: FakeCluster, clock: FakeClock) -> None:
    """However long; a release gives it back at once."""
    pod = cluster.bare_pod("web-1")
    pod["metadata"] |= ISOLATED
    uid = pod["metadata"]["uid"]
    places = Places()
    assert _take(places, cluster, uid) is None
    clock.time += timedelta(hours=1)
    assert _take(places, cluster, "b")
    ledgers.free(cluster, uid)
    assert _take(places, cluster, "b") is None


def test_a_breaker_opens_once(cluster: FakeCluster, clock: FakeClock) -> None:
    """One Event on the policy, however many are refused, and again when its own alert is delivered again."""
    places = Places()
    assert _take(places, cluster, "a", perMinute=1) is None
    cluster.failing["create", "events"] = Forbidden("no")
    assert "1 pod put in quarantine" in (_take(places, cluster, "b", perMinute=1) or "")
    del cluster.failing["create", "events"]
    assert "the breaker of policy shells is open" in (_take(places, cluster, "c", perMinute=1) or "")
    assert [] == _events(cluster)
    for _ in range(2):
        assert "the breaker of policy shells is open" in (_take(places, cluster, "b", perMinute=1) or "")
    (event,) = _events(cluster)
    assert (OPENED, "ResponsePolicy", "shells") == (
        event["reason"],
        event["regarding"]["kind"],
        event["regarding"]["name"],
    )
    assert ["shells"] == list(ledgers.opened(cluster, clock.now()))
    clock.time += timedelta(seconds=61)
    assert {} == ledgers.opened(cluster, clock.now())
    assert _take(places, cluster, "c", perMinute=1) is None


def test_a_breaker_is_reset(cluster: FakeCluster, clock: FakeClock) -> None:
    """The very next alert is acted on."""
    places = Places()
    assert _take(places, cluster, "a", perMinute=1) is None
    assert not ledgers.reset(cluster, "shells", clock.now())
    assert _take(places, cluster, "b", perMinute=1)
    assert ledgers.reset(cluster, "shells", clock.now())
    assert _take(places, cluster, "b", perMinute=1) is None


def test_where_there_is_no_ledger_nothing_is_open_or_free(clock: FakeClock) -> None:
    """Nor made by asking."""
    cluster = FakeCluster(clock)
    ledgers.free(cluster, "a")
    ledgers.tidy(cluster, clock.now())
    assert not ledgers.reset(cluster, "shells", clock.now())
    assert {} == ledgers.opened(cluster, clock.now())
    assert {} == cluster.objects


def test_a_tick_tidies_up(cluster: FakeCluster, clock: FakeClock) -> None:
    """One read when nothing is old; places of pods that are gone go, those of pods in quarantine stay."""
    pod = cluster.bare_pod("web-1")
    pod["metadata"] |= ISOLATED
    uid = pod["metadata"]["uid"]
    places = Places()
    for one in (uid, "gone"):
        assert _take(places, cluster, one, perWorkload=9) is None
    cluster.asked()
    ledgers.tidy(cluster, clock.now())
    assert ["get ledgers"] == cluster.asked()
    clock.time += timedelta(minutes=3)
    for _ in range(2):
        ledgers.tidy(cluster, clock.now())
        assert {uid} == _taken(cluster)


def test_a_place_is_one_text() -> None:
    """It is read as it was written; without a readable time it counts from when time began."""
    place = Place("shop/Deployment/web", datetime(2026, 11, 24, 12, 0, 0, 250_000, tzinfo=UTC))
    assert "2026-11-24T12:00:00.250000Z shop/Deployment/web" == place.render()
    assert place == Place.parse(place.render())
    assert Place("x", datetime(1970, 1, 1, tzinfo=UTC)) == Place.parse("yesterday x")
    assert Place("", datetime(1970, 1, 1, tzinfo=UTC)) == Place.parse("")


@pytest.mark.parametrize("kind", ["ledgers", "fences"])
def test_no_pod_has_a_managed_field(kind: str) -> None:
    """What an API server notes of who wrote each key would take it longer than all else, with a thousand pods."""
    crd = yaml.safe_load((ROOT / f"knative/base/crds/{kind}.yaml").read_text(encoding="utf-8"))
    (version,) = crd["spec"]["versions"]
    pods = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["pods"]
    assert ("atomic", "string") == (pods["x-kubernetes-map-type"], pods["additionalProperties"]["type"])
