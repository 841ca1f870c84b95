"""Reconfigure: one rollout to another combination, drawn by key; back to the letter when it is stuck.

| the tick finds                                    | it                                                        |
|---------------------------------------------------|-----------------------------------------------------------|
| a labelled, whole workload with pods that are due | patches the template once, with every field that changes  |
| something that would not be safe                  | leaves it, with the reason, and holds up no other         |
| the rollout through                               | takes its marks off, but for the combination              |
| the rollout stuck                                 | gives back what there was, and draws another next time    |
| a doubled tick                                    | draws the same, and does it once                          |
"""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from molt import combination, marks
from molt.cluster import PDBS, SERVICES
from molt.lifetime import Keys
from molt.policy import rotation
from molt.policy.reconfigure import Field
from rotate import reconfigure, restart
from rotate.fleet import muster
from rotate.handler import handler
from rotate.restart import RESOURCES
from tests.functions.fake_cluster import FakeClock, FakeCluster, Killed
from tests.functions.rotate.test_restart import FLEETS, START, STATUS, STUCK, TICK, WATCH, _done, _trail, _uids

Object = dict[str, Any]

KEYS = Keys(b"sixteen bytes or more")
BUILD: Object = {"name": "build", "image": {"container": "main", "variants": ["web:a", "web:b", "web:c"]}}
PORT: Object = {"name": "port", "port": {"container": "main", "name": "http", "env": "PORT", "variants": [8080, 9090]}}
REST: list[Object] = [
    {"name": "decoy", "environment": {"container": "main", "name": "DECOY", "variants": ["x", "y"]}},
    {"name": "identity", "serviceAccountName": {"variants": ["web-1", "web-2"]}},
    {"name": "pool", "nodeSelector": {"key": "pool", "variants": ["p", "q"]}},
    {"name": "runtime", "runtimeClassName": {"variants": ["r", "s"]}},
    {"name": "version", "label": {"key": "version", "variants": ["1", "2"]}},
]
TEMPLATE: Object = {
    "metadata": {"labels": {"app": "web", "version": "1"}, "annotations": {"a": "b"}},
    "spec": {
        "containers": [
            {
                "name": "main",
                "image": "web:a",
                "ports": [{"name": "http", "containerPort": 8080}],
                "env": [{"name": "DECOY"}, {"name": "PORT", "value": "8080"}],
                "securityContext": {"runAsNonRoot": True},
            },
            {"name": "aside", "image": "aside:1"},
        ],
        "nodeSelector": {"pool": "p", "arch": "arm64"},
        "runtimeClassName": "r",
        "serviceAccount": "default",
        "serviceAccountName": "default",
    },
}

handle = handler(KEYS)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    return _cluster(clock)


def _cluster(clock: FakeClock, kind: str = "Deployment", *dimensions: Object, **policy: Any) -> FakeCluster:
    """Return a cluster with a labelled workload `web` of three that is two hours old, and a policy for it."""
    cluster = FakeCluster(clock)
    clock.time -= timedelta(hours=2)
    cluster.namespace()
    match kind:
        case "Deployment":
            cluster.deployment()
        case "StatefulSet":
            cluster.stateful_set("web", 3)
        case _:
            cluster.daemon_set("web", 3)
    top = _top(cluster, kind)
    top["spec"]["template"] = copy.deepcopy(TEMPLATE)
    top["metadata"].setdefault("labels", {})[marks.RECONFIGURABLE] = "true"
    cluster._mature()
    clock.time += timedelta(hours=2)
    cluster.policy(strategy="Reconfigure", reconfigure=list(dimensions or (BUILD, PORT, *REST)), **policy)
    return cluster


def _top(cluster: FakeCluster, kind: str = "Deployment") -> Object:
    return cluster.objects[RESOURCES[kind].plural, "shop", "web"]


def _now(cluster: FakeCluster, kind: str = "Deployment") -> dict[str, str]:
    chosen = combination.chosen(_top(cluster, kind))
    assert chosen
    return chosen.variants


def _template(cluster: FakeCluster, kind: str = "Deployment") -> Object:
    """Return the template without the stamp."""
    template: Object = copy.deepcopy(_top(cluster, kind)["spec"]["template"])
    template["metadata"]["annotations"].pop(restart.STAMP, None)
    return template


def _expected(drawn: dict[str, str]) -> Object:
    """Return what the template must be, written out field by field."""
    template = copy.deepcopy(TEMPLATE)
    main, spec = template["spec"]["containers"][0], template["spec"]
    main["image"] = drawn["build"]
    main["ports"][0]["containerPort"] = int(drawn["port"])
    main["env"] = [{"name": "DECOY", "value": drawn["decoy"]}, {"name": "PORT", "value": drawn["port"]}]
    spec["serviceAccount"] = spec["serviceAccountName"] = drawn["identity"]
    spec["nodeSelector"]["pool"] = drawn["pool"]
    spec["runtimeClassName"] = drawn["runtime"]
    template["metadata"]["labels"]["version"] = drawn["version"]
    return template


@pytest.mark.parametrize("kind", RESOURCES)
def test_every_dimension_changes_in_one_rollout(clock: FakeClock, kind: str) -> None:
    """The template has the combination and is the same otherwise; the workload tells it, and by which policy."""
    cluster = _cluster(clock, kind)
    old = _uids(cluster)
    ((outcome, reason),) = _trail(handle(TICK, cluster, clock))
    drawn = _now(cluster, kind)
    said = ", ".join(f"{name}={drawn[name]}" for name in [one["name"] for one in (BUILD, PORT, *REST)])
    assert ("moving", f"is replaced by {kind}/web's own rollout, with {said}") == (outcome, reason)
    assert _expected(drawn) == _template(cluster, kind)
    assert not old & _uids(cluster)
    assert [("acted", "reconfigured")] == _trail(handle(TICK, cluster, clock))
    top = _top(cluster, kind)
    told = {"at": "2026-11-24T12:00:00.250000Z", "policy": "web", "variants": drawn}
    assert {marks.COMBINATION: told} == {
        name: json.loads(text) for name, text in top["metadata"]["annotations"].items()
    }
    assert marks.RESTARTING not in marks.labels_of(top)


def test_it_goes_on_and_never_to_the_last_one(cluster: FakeCluster, clock: FakeClock) -> None:
    """Forty times an hour later: each time another combination, and in the end every variant was there."""
    seen: list[dict[str, str]] = []
    for _ in range(40):
        handle(TICK, cluster, clock)
        handle(TICK, cluster, clock)
        seen.append(_now(cluster))
        assert _expected(seen[-1]) == _template(cluster)
        clock.time += timedelta(hours=1)
    assert all(before != after for before, after in pairwise(seen))
    assert {"web:a", "web:b", "web:c"} == {one["build"] for one in seen}
    assert {("8080", "x"), ("8080", "y"), ("9090", "x"), ("9090", "y")} == {(one["port"], one["decoy"]) for one in seen}


def test_what_it_costs(cluster: FakeCluster, clock: FakeClock) -> None:
    """Two lists more than a restart."""
    handle(TICK, cluster, clock)
    around = ["list services", "list poddisruptionbudgets"]
    assert [*START, *WATCH, "list pods", *FLEETS, *around, "get pods", "patch deployments", STATUS] == cluster.asked()


def test_a_rehearsal_changes_nothing(clock: FakeClock) -> None:
    """And does not tell what will come: a policy of another generation draws anew."""
    cluster = _cluster(clock, mode="DryRun")
    before = copy.deepcopy(_top(cluster))
    ((outcome, reason),) = _trail(handle(TICK, cluster, clock))
    assert ("rehearsed", True) == (
        outcome,
        reason.startswith("would be replaced by Deployment/web's own rollout, with b"),
    )
    assert before == _top(cluster)
    policy = rotation.parse(cluster.objects["rotationpolicies", "shop", "web"])
    (fleet,) = muster({"Deployment": [before]})
    drawn = [reconfigure.choose(replace(policy, generation=number), fleet, KEYS) for number in range(20)]
    assert 10 < len(set(map(reconfigure.told, drawn)))
    assert drawn == [reconfigure.choose(replace(policy, generation=number), fleet, KEYS) for number in range(20)]


def test_a_pin_holds(clock: FakeClock) -> None:
    """And is gone to first, where it is not what there is."""
    pinned = {"name": "port", "port": {**PORT["port"], "pin": 9090}}
    cluster = _cluster(clock, "Deployment", BUILD, pinned)
    builds = set()
    for _ in range(12):
        handle(TICK, cluster, clock)
        handle(TICK, cluster, clock)
        assert "9090" == _now(cluster)["port"]
        builds.add(_now(cluster)["build"])
        clock.time += timedelta(hours=1)
    assert {"web:a", "web:b", "web:c"} == builds


def test_a_doubled_tick_draws_the_same(cluster: FakeCluster, clock: FakeClock) -> None:
    """Of two that have read the same, the later is refused; and a tick after it finds the rollout."""
    twin = _cluster(FakeClock())
    cluster.rolling = False
    twin.objects = copy.deepcopy(cluster.objects)
    handle(TICK, cluster, clock)
    clock.time += timedelta(seconds=3)
    handle(TICK, twin, clock)
    assert _now(cluster) == _now(twin)
    expected = [("moving", "restarts: Deployment/web has a rollout in progress")]
    assert expected == _trail(handle(TICK, cluster, clock))


@pytest.mark.parametrize("call", range(16))
def test_killed_after_any_call(cluster: FakeCluster, clock: FakeClock, call: int) -> None:
    """Whoever comes next ends in the same state: reconfigured once, and its marks off."""
    twin = FakeCluster(clock)
    twin.objects, twin._serial = copy.deepcopy(cluster.objects), cluster._serial
    for _ in range(2):
        handle(TICK, twin, clock)
    cluster.kill_after = call
    for _ in range(3):
        try:
            handle(TICK, cluster, clock)
        except Killed:
            cluster.kill_after = None
    assert _now(twin) == _now(cluster)
    assert _template(twin) == _template(cluster)
    assert {marks.COMBINATION} == set(marks.annotations_of(_top(cluster)))


def test_who_is_not_safe_holds_up_no_other(cluster: FakeCluster, clock: FakeClock) -> None:
    """Though only one may move at a time: it takes no place."""
    clock.time -= timedelta(hours=1)
    cluster.deployment("app")
    cluster.objects["deployments", "shop", "app"]["spec"]["template"] = copy.deepcopy(TEMPLATE)
    cluster._mature()
    clock.time += timedelta(hours=1)
    cluster.policy(strategy="Reconfigure", reconfigure=[BUILD], selector={})
    reasons = dict(_trail(handle(TICK, cluster, clock)))
    assert {
        "skipped": 'Deployment/app is not labelled molt-project.io/reconfigurable: "true" by its owner',
        "moving": f"is replaced by Deployment/web's own rollout, with build={_now(cluster)['build']}",
    } == reasons


@pytest.mark.parametrize(
    ("resource", "spec", "reason"),
    [
        (
            SERVICES,
            {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
            "cannot change its port: Service/it has 8080 as targetPort, and not the name http",
        ),
        (
            PDBS,
            {"selector": {"matchLabels": {"version": "1"}}},
            "cannot change its version: PodDisruptionBudget/it selects by the label version",
        ),
    ],
)
def test_what_selects_the_pods_is_looked_at(
    cluster: FakeCluster, clock: FakeClock, resource: Any, spec: Object, reason: str
) -> None:
    """And of another namespace it is nothing to these."""
    elsewhere = {"metadata": {"name": "it", "namespace": "other"}, "spec": spec}
    cluster.put(resource, elsewhere)
    twin = _cluster(FakeClock())
    twin.put(resource, copy.deepcopy(elsewhere) | {"metadata": {"name": "it", "namespace": "shop"}})
    assert ["moving"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]
    assert [("skipped", f"Deployment/web {reason}")] == _trail(handle(TICK, twin, clock))


@pytest.mark.parametrize("strategy", [{"type": "Recreate"}, {"type": "OnDelete"}])
def test_a_rollout_that_would_not_do_is_not_begun(cluster: FakeCluster, clock: FakeClock, strategy: Object) -> None:
    """As for a restart."""
    _top(cluster)["spec"]["strategy"] = strategy
    ((outcome, reason),) = _trail(handle(TICK, cluster, clock))
    assert ("skipped", True) == (outcome, "a restart would" in reason)


def _stuck(cluster: FakeCluster, clock: FakeClock) -> Object:
    """Reconfigure, and let the first fresh pod be stuck while the old ones serve; return that pod."""
    cluster.rolling = False
    assert ["moving"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]
    top = _top(cluster)
    top["status"] |= {"observedGeneration": top["metadata"]["generation"], "updatedReplicas": 1, "replicas": 4}
    cluster.readiness = None
    cluster.remove(cluster.pods()[-1]["metadata"]["name"])
    fresh = next(pod for pod in cluster.pods() if not pod["status"]["conditions"])
    fresh["status"] |= STUCK
    return fresh


def _back(cluster: FakeCluster, clock: FakeClock) -> None:
    """Let the controller be back."""
    cluster.readiness = timedelta()
    _done(cluster)
    assert [("skipped", "as before its restart")] == _trail(handle(TICK, cluster, clock))[:1]


def test_a_stuck_one_goes_back_to_the_letter(cluster: FakeCluster, clock: FakeClock) -> None:
    """The first time to what its owner wrote, later to the combination before; each with an Event, rests, and marks."""
    before = copy.deepcopy(_top(cluster)["spec"]["template"])
    fresh = _stuck(cluster, clock)
    drawn = _now(cluster)
    reason = f"its reconfiguration is undone: pod {fresh['metadata']['name']}: container main: ErrImagePull"
    assert [("skipped", reason)] == _trail(handle(TICK, cluster, clock))
    assert before == _top(cluster)["spec"]["template"]
    kept = marks.annotations_of(_top(cluster))
    assert {marks.UNDONE_COMBINATION, marks.STAYED_SINCE, marks.STAYS} == set(kept)
    assert drawn == combination.undone(_top(cluster))
    (event,) = (obj for (plural, _, _), obj in cluster.objects.items() if plural == "events")
    assert ("MoltRotationUndone", reason) == (event["reason"], event["note"])
    _back(cluster, clock)
    assert ["the last restart of Deployment/web was undone: tried again from 2026-11-24T13:00:00.250000Z on"] == [
        said for _, said in _trail(handle(TICK, cluster, clock))
    ]
    clock.time += timedelta(hours=1)
    cluster.rolling = True
    handle(TICK, cluster, clock)
    assert drawn != _now(cluster)
    handle(TICK, cluster, clock)
    assert {marks.COMBINATION} == set(marks.annotations_of(_top(cluster)))
    earlier, told = _template(cluster), marks.annotations_of(_top(cluster))[marks.COMBINATION]
    clock.time += timedelta(hours=1)
    _stuck(cluster, clock)
    assert earlier != _template(cluster)
    handle(TICK, cluster, clock)
    assert (earlier, told) == (_template(cluster), marks.annotations_of(_top(cluster))[marks.COMBINATION])


def test_what_failed_is_not_next_again(clock: FakeClock) -> None:
    """Of three builds the one that failed never comes next, however often it is drawn for; of two it must."""
    for number in range(20):
        cluster = _cluster(FakeClock(clock.time + timedelta(seconds=number)), "Deployment", BUILD)
        _stuck(cluster, cluster.clock)
        failed = _now(cluster)
        handle(TICK, cluster, cluster.clock)
        _back(cluster, cluster.clock)
        cluster.clock.time += timedelta(hours=1)
        handle(TICK, cluster, cluster.clock)
        assert ({"web:a", "web:b", "web:c"} - {"web:a", failed["build"]}) == {_now(cluster)["build"]}
    two = {"name": "build", "image": {"container": "main", "variants": ["web:a", "web:b"]}}
    cluster = _cluster(clock, "Deployment", two)
    _stuck(cluster, clock)
    handle(TICK, cluster, clock)
    _back(cluster, clock)
    clock.time += timedelta(hours=1)
    handle(TICK, cluster, clock)
    assert {"build": "web:b"} == _now(cluster)


def test_somebody_elses_change_is_not_undone(cluster: FakeCluster, clock: FakeClock) -> None:
    """To go back would be to somewhere nobody has been; the marks go, and what was chosen stays told."""
    _stuck(cluster, clock)
    _top(cluster)["spec"]["template"]["spec"]["containers"][0]["image"] = "web:new"
    ((_, said),) = _trail(handle(TICK, cluster, clock))[:1]
    assert said.startswith("somebody has changed it since its restart: pod")
    assert "web:new" == _template(cluster)["spec"]["containers"][0]["image"]
    assert {marks.COMBINATION} == set(marks.annotations_of(_top(cluster)))


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "[]", "{}", '{"settings":[],"combination":1}', '{"settings":[[]],"combination":null}'),
        *('{"settings":null,"combination":null}', '{"settings":[["image","gone","","","x"]],"combination":null}'),
        '{"settings":[["image","main","","","x"]]}',
        '{"settings":[["port","main","http","PORT","x"]],"combination":null}',
        '{"settings":[["port","main","http","NONE","80"]],"combination":null}',
        '{"settings":[["label","","none","","x"]],"combination":null}',
        '{"settings":[["containers","","","","x"]],"combination":null}',
        '{"settings":[["image","main","","","","","x"]],"combination":null}',
        "[" * 100_000,
    ],
)
def test_a_way_back_that_nobody_can_read_is_none(cluster: FakeCluster, clock: FakeClock, text: str) -> None:
    """Somebody else has written it: the marks go, and the template stays."""
    _stuck(cluster, clock)
    drawn = _template(cluster)
    _top(cluster)["metadata"]["annotations"][marks.RECONFIGURED_FROM] = text
    ((outcome, said),) = _trail(handle(TICK, cluster, clock))[:1]
    assert ("skipped", True) == (outcome, said.startswith("nobody can read how to go back from here: pod "))
    assert drawn == _template(cluster)
    assert {marks.COMBINATION} == set(marks.annotations_of(_top(cluster)))


@pytest.mark.parametrize("by", [marks.POLICY, marks.REASON])
def test_a_restart_before_anybody_has_looked(cluster: FakeCluster, clock: FakeClock, by: str) -> None:
    """The clock's, for a Secret, finds a whole workload, and takes back itself alone; of an alert's nobody knows."""
    before = _template(cluster)
    cluster.rolling = True
    handle(TICK, cluster, clock)
    drawn = _template(cluster)
    (fleet,) = muster({"Deployment": [_top(cluster)]})
    restart.begin(cluster, fleet, clock.now(), {by: "x"})
    assert ({marks.POLICY, marks.REASON} - {by}).isdisjoint(marks.annotations_of(_top(cluster)))
    back = reconfigure.back(_top(cluster), clock.now())
    assert back
    cluster.merge(RESOURCES["Deployment"], "web", back, "shop")
    assert (drawn if by == marks.POLICY else before) == _template(cluster)


def test_a_template_without_the_older_name_of_an_account_does_not_get_it(clock: FakeClock) -> None:
    """The API keeps both the same; where there is only one, only one is written."""
    cluster = _cluster(clock)
    del _top(cluster)["spec"]["template"]["spec"]["serviceAccount"]
    handle(TICK, cluster, clock)
    assert "serviceAccount" not in _template(cluster)["spec"]
    assert _now(cluster)["identity"] == _template(cluster)["spec"]["serviceAccountName"]


def test_only_what_differs_is_patched(cluster: FakeCluster) -> None:
    """A combination that differs in the pool touches neither containers nor labels."""
    top = _top(cluster)
    before = top["spec"]["template"]
    field = Field("nodeSelector", "", "pool")
    body: Object = {"spec": {"template": {"metadata": {}}}}
    reconfigure._add(body, before, reconfigure.changed(before, [(field, "q")]))
    assert {"metadata": {}, "spec": {"nodeSelector": {"pool": "q", "arch": "arm64"}}} == body["spec"]["template"]
