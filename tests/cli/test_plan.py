"""`molt plan`: what is foretold, with the key and without, and how it is shown."""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from molt import marks
from molt.cli import rotation_key, timeline
from molt.cli.coming import Coming, Place, Span, foretell, shades
from molt.cluster import DEPLOYMENTS, PODS, ROTATION_POLICIES, Cluster, Forbidden, NotFound, Resource
from molt.cluster.resources import SECRETS
from molt.due import due_at, due_between
from molt.lifetime import Keys
from molt.outcome import PermanentError
from molt.policy import RotationPolicy, rotation
from tests.cli import objects
from tests.cli.conftest import Molt
from tests.embedded_cluster import RunningCluster

KEY = "sixteen bytes or more"
HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LABELS = {"app": "web", "pod-template-hash": "6d5f7c9b8"}
NIGHTS = [{"cron": "0 22 * * *", "duration": "4h"}]
SHOP: dict[str, Any] = {"metadata": {"name": "shop"}}


def _pod(name: str, *, owned: bool = True, hours: float = 0.5, **metadata: Any) -> dict[str, Any]:
    pod = objects.pod(name, LABELS, {})
    pod["metadata"]["ownerReferences"] = [objects.OWNER] if owned else []
    pod["metadata"] |= {"uid": name, "creationTimestamp": marks.stamp(NOW - hours * HOUR), **metadata}
    return pod


def _deployment(annotations: dict[str, str]) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"metadata": {"name": "web", "annotations": annotations}, "spec": spec}


@pytest.fixture
def shop(cluster: RunningCluster) -> Iterator[Cluster]:
    """Put two pods of a Deployment and a bare one into the cluster, and a policy that selects them."""
    api = cluster.admin
    for name, owned in (("web-1", True), ("web-2", True), ("web-bare", False)):
        pod = _pod(name, owned=owned)
        del pod["metadata"]["uid"], pod["metadata"]["creationTimestamp"]
        api.create(PODS, pod, "shop")
    api.create(DEPLOYMENTS, _deployment({}), "shop")
    api.create(ROTATION_POLICIES, objects.rotation(mode="Enforce"), "shop")
    yield api
    api.delete(ROTATION_POLICIES, "web", "shop")
    api.delete(DEPLOYMENTS, "web", "shop")
    for name in ("web-1", "web-2", "web-bare"):
        api.delete(PODS, name, "shop", grace_seconds=0)


@pytest.fixture
def secret(shop: Cluster) -> Iterator[None]:
    """Make the Secret that the function has."""
    shop.create(SECRETS, {"metadata": {"name": "rotation-key"}, "stringData": {"key": KEY}}, "molt")
    yield
    shop.delete(SECRETS, "rotation-key", "molt")


def _span(low: datetime, high: datetime) -> dict[str, str]:
    return {"earliest": _stamp(low), "latest": _stamp(high)}


def _stamp(time: datetime) -> str:
    return marks.stamp(time.replace(microsecond=0))


@pytest.mark.usefixtures("secret")
def test_with_the_key_times_are_known(molt: Molt, context: str, shop: Cluster) -> None:
    """Each pod's time is the function's; of its successor a range is told; a bare pod never moves."""
    result = molt("plan", "web", "-n", "shop", "--context", context, "--json")
    assert (0, "") == (result.code, result.err)
    assert (24, "secret molt/rotation-key", True) == tuple(result.json[name] for name in ("hours", "key", "exact"))
    (found,) = result.json["policies"]
    assert ("shop/web", "Enforce", "Replace", 0) == tuple(found[k] for k in ("policy", "mode", "strategy", "later"))
    policy = rotation.parse(shop.get(ROTATION_POLICIES, "web", "shop"))
    pods = {one["pod"]: one for one in found["pods"]}
    assert {"web-1", "web-2", "web-bare"} == set(pods)
    for name in ("web-1", "web-2"):
        at = due_at(policy, shop.get(PODS, name, "shop"), Keys(KEY.encode()), datetime.now(UTC))
        assert {
            "pod": name,
            "workload": "Deployment/web",
            "heldBy": "",
            "due": _span(at, at),
            "begin": _span(at, at),
            "successor": _span(at + 0.8 * HOUR, at + HOUR),
        } == pods[name]
    bare = pods["web-bare"]
    assert ("no controller would replace it", None, None) == (bare["heldBy"], bare["begin"], bare["successor"])


def test_without_the_key_ranges_are_known(molt: Molt, context: str, shop: Cluster) -> None:
    """From 80 % of the lifetime on to its end, and it is said why no more is."""
    result = molt("plan", "--context", context, "--json")
    assert (0, False) == (result.code, result.json["exact"])
    assert 'secrets "rotation-key" not found, and MOLT_ROTATION_KEY is not set' in result.json["key"]
    policy = rotation.parse(shop.get(ROTATION_POLICIES, "web", "shop"))
    pods = {one["pod"]: one for one in result.json["policies"][0]["pods"]}
    low, high = due_between(policy, shop.get(PODS, "web-1", "shop"), datetime.now(UTC))
    assert 0.2 * HOUR == high - low
    spans = (_span(low, high), _span(low + 0.8 * HOUR, high + HOUR))
    assert spans == (pods["web-1"]["begin"], pods["web-1"]["successor"])
    shown = molt("plan", "--context", context)
    assert "Without the key only ranges can be told" in shown.out
    assert " to " in shown.out
    assert "─" in shown.out


@pytest.mark.usefixtures("shop")
def test_the_key_may_come_from_the_environment(molt: Molt, context: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may not read the Secret may have the key all the same."""
    monkeypatch.setenv("MOLT_ROTATION_KEY", KEY)
    result = molt("plan", "--context", context, "--json")
    assert ("the environment", True) == (result.json["key"], result.json["exact"])
    monkeypatch.setenv("MOLT_ROTATION_KEY", "short")
    result = molt("plan", "--context", context)
    expected = "molt: the environment: MOLT_ROTATION_KEY has 5 bytes, and must have 16 at least\n"
    assert (3, expected) == (result.code, result.err)


@pytest.mark.usefixtures("secret")
def test_moves_are_shown_as_a_table_and_as_bars(molt: Molt, context: str, shop: Cluster) -> None:
    """When, of which workload, what holds it up, and what the signs mean."""
    shop.merge(DEPLOYMENTS, "web", {"metadata": {"annotations": {marks.PAUSE: "true"}}}, "shop")
    result = molt("plan", "-n", "shop", "--context", context)
    assert (0, "") == (result.code, result.err)
    for words in ("shop/web (Enforce, Replace)", "Deployment/web is paused by molt-project.io/pause"):
        assert words in result.out
    assert re.search(r"UTC, in [45]\dm", result.out), "lifetimes of an hour are drawn from 48 minutes on"
    shop.merge(DEPLOYMENTS, "web", {"metadata": {"annotations": {marks.PAUSE: None}}}, "shop")
    lines = molt("plan", "-n", "shop", "--context", context).out.splitlines()
    (bar,) = [line for line in lines if line.startswith("web-1") and "·" in line]
    assert ("●", 1) == (bar.strip("web-1 ·┄"), bar.count("●"))
    assert timeline.LEGEND in lines
    assert "A move waits besides until its workload is whole, and for maxMoving." == lines[-1]


@pytest.mark.parametrize("windows", [[], NIGHTS])
def test_a_pause_to_the_end_of_time_has_none(windows: list[dict[str, str]]) -> None:
    """Who means "for ever" by it is understood: the move never begins, and nothing is reckoned from there."""
    until = "9999-12-31T23:59:59Z"
    policy = rotation.parse(objects.rotation(mode="Enforce", windows=windows))
    place = Place(SHOP, {"Deployment/web": until})
    (found,) = foretell(policy, [_pod("web-1")], Keys(KEY.encode()), place, NOW)
    assert (None, None) == (found.begin, found.successor)
    assert found.held == f"Deployment/web is paused by {marks.PAUSE} until {until}"


@pytest.mark.usefixtures("shop")
def test_what_is_far_off_is_counted(molt: Molt, context: str, tmp_path: Path) -> None:
    """A policy of a file is foretold as if it were in the cluster; beyond the time asked for, pods are counted only."""
    far = objects.rotation("far", lifetime={"min": "100h", "max": "200h"}, selector={})
    none = objects.rotation("none", selector={"matchLabels": {"app": "none"}})
    none["metadata"]["namespace"] = "elsewhere"
    file = tmp_path / "policies.json"
    file.write_text(json.dumps({"kind": "List", "items": [far, none]}))
    result = molt("plan", file, "--hours", 5, "--context", context)
    assert 0 == result.code
    lines = result.out.splitlines()
    assert "3 later" == lines[lines.index("shop/far (DryRun, Replace)") + 1]
    assert "no pod is to move" == lines[lines.index("elsewhere/none (DryRun, Replace)") + 1]


@pytest.mark.usefixtures("shop")
def test_many_pods_are_cut(molt: Molt, context: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal has an end; JSON has them all."""
    monkeypatch.setattr("molt.cli.plan._MOST", 1)
    assert "2 more pods begin to move in this time" in molt("plan", "--context", context).out.splitlines()


def test_a_cluster_without_policies(molt: Molt, context: str) -> None:
    """Nothing moves by the clock."""
    expected = (0, "There is no rotation policy: no pod moves by the clock.\n")
    result = molt("plan", "--context", context, "--plot", "/nowhere/x.png")
    assert expected == (result.code, result.out)


def test_a_policy_that_is_wrong(molt: Molt, context: str, tmp_path: Path, cluster: RunningCluster) -> None:
    """Of a file or of the cluster: its problems are told, and the exit code says so."""
    file = tmp_path / "policy.json"
    unknown = [{"cron": "0 2 * * *", "duration": "1h", "timeZone": "Europe/Berlni"}]
    file.write_text(json.dumps(objects.rotation(windows=unknown)))
    problem = 'spec.windows[0].timeZone: "Europe/Berlni" is no time zone that is known here\n'
    result = molt("plan", file, "--context", context)
    assert (1, f"molt: {file}:1: {problem}") == (result.code, result.err)
    cluster.admin.create(ROTATION_POLICIES, objects.rotation(windows=unknown), "shop")
    result = molt("plan", "web", "-n", "shop", "--context", context)
    cluster.admin.delete(ROTATION_POLICIES, "web", "shop")
    assert (1, f"molt: shop/web: {problem}") == (result.code, result.err)


def test_a_policy_or_a_file_that_is_not_there(molt: Molt, context: str, tmp_path: Path) -> None:
    """One line, and the exit code of what cannot be had, or of wrong input."""
    result = molt("plan", "nothing", "-n", "shop", "--context", context)
    assert (3, True) == (result.code, "nothing" in result.err)
    result = molt("plan", tmp_path / "nothing.yaml", "--context", context)
    assert (2, f"molt: {tmp_path}/nothing.yaml: No such file or directory\n") == (result.code, result.err)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(("name", "magic"), [("plan.png", b"\x89PNG\r\n"), ("plan.svg", b"<?xml")])
def test_a_picture_is_drawn(molt: Molt, context: str, tmp_path: Path, name: str, magic: bytes) -> None:
    """With policies whose windows are closed for a part of the time, and whose names are no mathematics."""
    file = tmp_path / "policies.json"
    odd = objects.rotation("$o_d$d\u2603", windows=NIGHTS)
    none = objects.rotation("none", selector={"matchLabels": {"app": "none"}})
    file.write_text(json.dumps({"kind": "List", "items": [odd, objects.rotation(), none]}))
    result = molt("plan", file, "--plot", tmp_path / name, "--context", context)
    assert (0, "") == (result.code, result.err)
    assert (tmp_path / name).read_bytes().startswith(magic)


@pytest.mark.usefixtures("shop")
def test_a_picture_that_cannot_be_drawn(
    molt: Molt, context: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another kind of file, a folder that is not there, a library that is not installed: one line each."""
    result = molt("plan", "--plot", "x.gif", "--context", context)
    assert (2, "molt: x.gif: a picture ends in .png or .svg\n") == (result.code, result.err)
    picture = tmp_path / "none" / "x.png"
    result = molt("plan", "--plot", picture, "--context", context)
    assert (2, f"molt: {picture}: No such file or directory\n") == (result.code, result.err)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = molt("plan", "--plot", picture, "--context", context)
    assert (3, "molt: a picture needs the package matplotlib (extra `plot`)\n") == (result.code, result.err)


def _policy(**spec: Any) -> RotationPolicy:
    return rotation.parse(objects.rotation(**spec))


@pytest.mark.parametrize(
    ("spec", "annotations", "pauses", "begin", "held"),
    [
        ({}, {}, {}, (0.5, 0.5), ""),
        ({"windows": NIGHTS}, {}, {}, (10, 10), "outside the windows"),
        ({"blackouts": [{"cron": "0 12 * * *", "duration": "6h"}]}, {}, {}, (6, 6), "in a blackout"),
        (
            {},
            {},
            {"Deployment/web": "2026-11-24T15:00:00Z"},
            (3, 3),
            "Deployment/web is paused by molt-project.io/pause until 2026-11-24T15:00:00Z",
        ),
        (
            {"windows": NIGHTS},
            {marks.PAUSE: "2026-11-24T15:00:00Z"},
            {},
            (10, 10),
            "namespace shop is paused by molt-project.io/pause until 2026-11-24T15:00:00Z, outside the windows",
        ),
        ({}, {marks.PAUSE: "2026-11-24T12:10:00Z"}, {}, (0.5, 0.5), ""),
        ({}, {marks.PAUSE: "true"}, {}, None, "namespace shop is paused by molt-project.io/pause"),
        ({"windows": NIGHTS, "blackouts": NIGHTS}, {}, {}, None, "outside the windows"),
    ],
)
def test_what_holds_up_a_move(
    spec: dict[str, Any],
    annotations: dict[str, str],
    pauses: dict[str, str],
    begin: tuple[float, float] | None,
    held: str,
) -> None:
    """In hours from now, of a pod whose lifetime of one hour is over in half of one."""
    policy = _policy(**{"lifetime": {"min": "1h", "max": "1h"}, **spec})
    namespace = {"metadata": {"name": "shop", "annotations": annotations}}
    (found,) = foretell(policy, [_pod("web-1")], Keys(KEY.encode()), Place(namespace, pauses), NOW)
    assert Span(NOW + HOUR / 2, NOW + HOUR / 2) == found.due
    assert (begin and Span(*(NOW + end * HOUR for end in begin)), held) == (found.begin, found.held)


def test_a_range_that_ends_in_a_closed_time() -> None:
    """Without a key each end is put off by itself; who is overdue begins now."""
    policy = _policy(lifetime={"min": "1h", "max": "4h"}, windows=[{"cron": "0 10 * * *", "duration": "4h"}])
    pods = [_pod("web-1"), _pod("web-old", hours=9)]
    old, young = foretell(policy, pods, None, Place(SHOP), NOW)
    assert (
        Coming(
            pod="web-old",
            workload="Deployment/web",
            due=Span(NOW - 8 * HOUR, NOW - 5 * HOUR),
            begin=Span(NOW, NOW),
            held="",
            successor=Span(NOW + HOUR, NOW + 22 * HOUR),
        )
        == old
    )
    assert (Span(NOW + HOUR / 2, NOW + 22 * HOUR), "outside the windows") == (young.begin, young.held)


def test_pods_of_an_unknown_namespace_do_not_move() -> None:
    """The guards are the function's."""
    (found,) = foretell(_policy(), [_pod("web-1")], None, Place(None), NOW)
    assert (None, "namespace shop could not be checked for molt-project.io/exempt") == (found.begin, found.held)


def test_an_alarm_is_foretold() -> None:
    """Half an hour old at noon, and an eighth of four hours is left; who is made then lives for 4 = x * (8 - 3.5 x)."""
    attacked: dict[str, Any] = {"lifetime": {"min": "4h", "max": "4h"}, "underAttack": {"factor": 8, "for": "2h"}}
    policy = rotation.parse(objects.rotation(**attacked) | {"status": {"underAttackSince": marks.stamp(NOW)}})
    (found,) = foretell(policy, [_pod("web-1")], Keys(KEY.encode()), Place(SHOP), NOW)
    assert (Span(NOW, NOW), Span(NOW, NOW)) == (found.due, found.begin)
    assert found.successor
    assert (8 - 8**0.5) / 7 == pytest.approx((found.successor.earliest - NOW) / HOUR)
    calm = rotation.parse(objects.rotation(**attacked))
    (found,) = foretell(calm, [_pod("web-1")], Keys(KEY.encode()), Place(SHOP), NOW)
    assert Span(NOW + 3.5 * HOUR, NOW + 3.5 * HOUR) == found.begin


@pytest.mark.parametrize(("hours", "shown"), [(-0.5, True), (-2, False), (1, False)])
def test_an_alarm_is_shown(molt: Molt, context: str, shop: Cluster, hours: float, shown: bool) -> None:  # noqa: FBT001 - a column
    """In words and in JSON, as long as it lasts."""
    since = datetime.now(UTC).replace(microsecond=0) + hours * HOUR
    shop.merge(ROTATION_POLICIES, "web", {"spec": {"underAttack": {"factor": 4, "for": "1h"}}}, "shop")
    patch = {"status": {"underAttackSince": marks.stamp(since)}}
    shop.merge(ROTATION_POLICIES, "web", patch, "shop", subresource="status")
    line = f"under attack until {marks.stamp(since + HOUR)}: lifetimes are shorter, and grow back"
    assert shown == (line in molt("plan", "--context", context).out)
    (found,) = molt("plan", "--context", context, "--json").json["policies"]
    assert (marks.stamp(since + HOUR) if shown else None) == found.get("underAttackUntil")


def test_min_age_puts_off_the_successor_too() -> None:
    """Nobody moves before it."""
    (found,) = foretell(_policy(minAge="2h"), [_pod("web-1")], None, Place(SHOP), NOW)
    assert Span(NOW + 3.5 * HOUR, NOW + 3.5 * HOUR) == found.successor


@pytest.mark.parametrize(
    ("begin", "successor", "expected"),
    [
        (None, None, "····░░░░····"),
        (Span(NOW, NOW), None, "●···░░░░····"),
        (Span(NOW + 2 * HOUR, NOW + 5.5 * HOUR), None, "··──░░░░····"),
        (Span(NOW + 2 * HOUR, NOW + 2 * HOUR), Span(NOW + 9 * HOUR, NOW + 20 * HOUR), "··●·░░░░·┄┄┄"),
        (Span(NOW + 20 * HOUR, NOW + 30 * HOUR), None, "····░░░░····"),
    ],
)
def test_a_bar(begin: Span | None, successor: Span | None, expected: str) -> None:
    """A character an hour."""
    policy = _policy(blackouts=[{"cron": "0 16 * * *", "duration": "4h"}])
    closed = shades(policy, NOW, 12 * HOUR, 12)
    one = Coming("p", "", Span(NOW, NOW), begin, "", successor)
    assert expected == timeline.bar(one, closed, NOW, 12 * HOUR)


def test_the_axis_has_times_or_days() -> None:
    """Each below its place; of more than two days only days."""
    assert "12:00       18:00       00:00       06:00" == timeline.axis(NOW, 24 * HOUR, 48)
    assert "24 Nov      30 Nov" == timeline.axis(NOW, 24 * 12 * HOUR, 24)


class _Secrets(Cluster):
    """A cluster that answers with a Secret's data, or an error."""

    def __init__(self, answer: dict[str, str] | Exception) -> None:
        self._answer = answer

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> dict[str, Any]:
        assert ("Secret", "rotation-key", "molt") == (resource.kind, name, namespace)
        if isinstance(self._answer, Exception):
            raise self._answer
        return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in self._answer.items()}}


def test_keys_of_the_secret() -> None:
    """The previous key too, and since when it is no more."""
    data = {"key": KEY, "previous-key": "another of 16 bytes", "since": "2026-11-24T12:00:00Z", "other": "x"}
    expected = Keys(KEY.encode(), b"another of 16 bytes", NOW)
    assert (expected, "secret molt/rotation-key") == rotation_key.find(_Secrets(data), {})


@pytest.mark.parametrize("error", [Forbidden("no right to it"), NotFound("not there")])
def test_no_key_to_be_had(error: Exception) -> None:
    """The reason has both places."""
    assert (None, f"{error}, and MOLT_ROTATION_KEY is not set") == rotation_key.find(_Secrets(error), {})


def test_a_secret_without_a_key() -> None:
    """It is told where it lacks."""
    with pytest.raises(PermanentError, match=r"^secret molt/rotation-key: MOLT_ROTATION_KEY has 0 bytes"):
        rotation_key.find(_Secrets({}), {})
