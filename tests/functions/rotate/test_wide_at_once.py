"""Steps of scope Node and Namespace at the same time as ticks, other steps and quarantines, in any order of calls.

| at once                            | always                                   | in the end                    |
|------------------------------------|------------------------------------------|-------------------------------|
| two alerts about one place         | one pod of a workload moves              | each has moved, and no more   |
| an alert and ticks with a budget   | the budget holds                         | the same; the alarm is raised |
| an alert and a quarantine          | no pod in quarantine goes                | all but it have moved         |
| two instances, make before break   | one more serves for a while, never less  | all have moved                |

Processes are killed, too, and their events delivered again. No node stays barred.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molt import marks
from molt.events import Event
from molt.itinerary import Step
from molt.lifetime import Keys
from molt.outcome import Done, Skipped, TemporaryError
from molt.turns import Turns
from molt.workload import is_ready
from quarantine.handler import handler as quarantine
from rotate.handler import handler as rotate
from tests.functions.fake_cluster import FakeClock, Killed
from tests.functions.interleaving import Interleaving, StoppingCluster, StoppingTurns, Task
from tests.functions.slips import QUARANTINE, event_of, over_the_wire, slip_for

KEY = Keys(b"sixteen bytes or more")
TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})
APPS = ("api", "web")
REPLICAS = 2
NODES = ("node-1", "node-2", "node-3")
DELIVERIES = 60
KILLS = 2

seeds = given(st.integers(0, 2**32))
few = settings(max_examples=25, deadline=None)
scopes = pytest.mark.parametrize(
    ("scope", "strategy"),
    [("Namespace", "Replace"), ("Namespace", "Evict"), ("Node", "Relocate"), ("Node", "Evict")],
)


@dataclass
class World:
    """Two Deployments whose pods are old; the most that was ever on the move, and the fewest that served, of each."""

    clock: FakeClock = field(default_factory=FakeClock)
    fewest: dict[str, int] = field(default_factory=lambda: dict.fromkeys(APPS, REPLICAS))
    most: dict[str, int] = field(default_factory=lambda: dict.fromkeys(APPS, 0))
    together: int = 0
    calls: int = 0
    held: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Make it, and let later pods take three seconds to be Ready."""
        self.cluster = StoppingCluster(self.clock)
        self.clock.time -= timedelta(hours=2)
        self.cluster.namespace()
        for name in NODES:
            self.cluster.node(name)
        for app in APPS:
            self.cluster.deployment(app, replicas=REPLICAS)
        self.clock.time += timedelta(hours=2)
        self.cluster._mature()
        self.cluster.readiness = timedelta(seconds=3)
        self.old = {pod["metadata"]["uid"]: pod["spec"]["nodeName"] for pod in self.cluster.pods()}

    def watch(self) -> None:
        """Count what serves and what retires of each workload; a pod in quarantine must stay."""
        self.calls += 1
        self.cluster._mature()
        pods = self.cluster.pods()
        serving = Counter(marks.labels_of(pod).get("app") for pod in pods if is_ready(pod))
        retiring = Counter(marks.labels_of(pod).get("app") for pod in pods if marks.is_retiring(pod))
        for app in APPS:
            self.fewest[app] = min(self.fewest[app], serving[app])
            self.most[app] = max(self.most[app], retiring[app])
        self.together = max(self.together, retiring.total())
        assert self.held <= {pod["metadata"]["uid"] for pod in pods}, "evidence is lost"
        self.held |= {pod["metadata"]["uid"] for pod in pods if marks.is_compromised(pod)}

    def run(self, seed: int, *tasks: Task) -> None:
        """Run the tasks in an order drawn from the seed, kill some of their processes after a call, and tick once."""
        draw = random.Random(seed)  # noqa: S311 - a repeatable order
        killed = draw.sample(range(80), KILLS)

        def choose(tasks: int) -> int:
            if self.calls in killed:
                self.cluster.kill_after = 0
            return draw.randrange(tasks)

        self.cluster.interleaving = Interleaving(choose, self.watch)
        self.cluster.interleaving.run(*tasks)
        self.cluster.interleaving = None
        self.cluster.kill_after = None
        self.clock.sleep(120)
        rotate(KEY)(TICK, self.cluster, self.clock)
        self.clock.sleep(5)
        self.watch()
        assert not any(map(marks.is_retiring, self.cluster.pods()))
        assert not any(self.cluster.objects["nodes", "", name]["spec"].get("taints") for name in NODES)
        assert REPLICAS * len(APPS) == sum(map(is_ready, self.cluster.pods())) - len(self.held)

    def turns(self) -> Turns:
        """Return the turns of a process."""
        return StoppingTurns(self.cluster)

    def ticks(self, turns: Turns) -> Task:
        """Return what delivers a few ticks, one after the other."""
        handle = rotate(KEY, turns)

        def deliver() -> None:
            for _ in range(6):
                with suppress(Killed):
                    handle(TICK, self.cluster, self.clock)
                self.clock.sleep(20)

        return deliver

    def chain(self, turns: Turns, target: int, *steps: Step) -> Task:
        """Return what delivers an alert's event, and those that follow, as a broker does."""
        handlers: dict[str, Callable[..., Any]] = {
            "rotate": rotate(KEY, turns),
            "quarantine": quarantine(),
        }
        event = event_of(slip_for(self.cluster.pods()[target], *steps, alert={"id": f"alert-{target}"}))

        def deliver() -> None:
            following: Event | None = event
            for _ in range(DELIVERIES):
                if following is None:
                    return
                try:
                    outcome = handlers[following.data["itinerary"][0]["remedy"]](following, self.cluster, self.clock)
                except (TemporaryError, Killed):
                    self.clock.sleep(2)
                    continue
                assert isinstance(outcome, Done | Skipped)
                answer = outcome.event
                following = over_the_wire(answer) if answer and "remedy" in answer.extensions else None
            raise AssertionError("it goes round without end")

        return deliver

    def left(self) -> set[str]:
        """Return the old pods that are still there, and serve."""
        free = {pod["metadata"]["uid"] for pod in self.cluster.pods() if not marks.is_compromised(pod)}
        return free & self.old.keys()


def _step(scope: str, strategy: str) -> Step:
    return Step("rotate", {"scope": scope, "strategy": strategy})


def _one_at_a_time(world: World, strategy: str, most: int = 1) -> None:
    assert min(world.fewest.values()) >= (REPLICAS - most if strategy == "Evict" else REPLICAS)
    assert max(world.most.values()) <= most


def _all_moved(world: World, scope: str) -> None:
    """None is left that was asked to move: on a node, only those elsewhere."""
    elsewhere = {uid for uid, node in world.old.items() if scope == "Node" and node != "node-1"}
    assert world.left() == elsewhere - world.held


@scopes
@few
@seeds
def test_two_alerts_about_one_place(scope: str, strategy: str, seed: int) -> None:
    """Of one process: their steps do not fight, and both end."""
    world = World()
    turns = world.turns()
    world.run(seed, *(world.chain(turns, target, _step(scope, strategy)) for target in (0, 3)))
    _one_at_a_time(world, strategy)
    _all_moved(world, scope)


@pytest.mark.parametrize(("scope", "strategy"), [("Namespace", "Replace"), ("Node", "Relocate")])
@few
@seeds
def test_two_instances_miss_nothing(scope: str, strategy: str, seed: int) -> None:
    """Each may move a pod of a workload at once: one more serves meanwhile, never one less."""
    world = World()
    world.run(seed, *(world.chain(world.turns(), target, _step(scope, strategy)) for target in (0, 3)))
    _one_at_a_time(world, strategy, 2)
    _all_moved(world, scope)


@scopes
@few
@seeds
def test_a_wide_step_and_one_of_siblings(scope: str, strategy: str, seed: int) -> None:
    """Whoever looks second sees that the workload is not whole."""
    world = World()
    turns = world.turns()
    other = Step("rotate", {"scope": "Workload", "strategy": "Replace"})
    world.run(seed, world.chain(turns, 0, _step(scope, strategy)), world.chain(turns, 0, other))
    _one_at_a_time(world, strategy)
    on_node_1 = {uid for uid, node in world.old.items() if node == "node-1"}
    assert not world.left() & on_node_1


@pytest.mark.parametrize("strategy", ["Replace", "Evict"])
@few
@seeds
def test_an_alert_and_ticks_with_a_budget(strategy: str, seed: int) -> None:
    """Its maxMoving is one pod of both workloads together; in the alarm, raised once, the clock joins in."""
    world = World()
    attack = {"factor": 60, "for": "1h"}
    world.cluster.policy(selector={}, strategy=strategy, lifetime={"every": "100h"}, underAttack=attack)
    turns = world.turns()
    world.run(seed, world.ticks(turns), world.chain(turns, 0, _step("Namespace", strategy)))
    _one_at_a_time(world, strategy)
    assert world.together <= 1
    _all_moved(world, "Namespace")
    status = world.cluster.objects["rotationpolicies", "shop", "web"]["status"]
    assert "2026-11-24T11:59:58Z" == status["underAttackSince"]


@scopes
@few
@seeds
def test_a_quarantine_in_the_middle(scope: str, strategy: str, seed: int) -> None:
    """Whatever is isolated, at whatever moment of its own move, is never evicted: the examiner finds it."""
    world = World()
    turns = world.turns()
    wide = _step(scope, strategy)
    world.run(seed, world.chain(turns, 0, wide), *(world.chain(turns, target, QUARANTINE, wide) for target in (1, 2)))
    assert max(world.most.values()) <= 1
    _all_moved(world, scope)
