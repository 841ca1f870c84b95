"""Ticks, steps and quarantines at the same time, in any order of their calls.

| at once                            | one process                    | two instances                          |
|------------------------------------|--------------------------------|----------------------------------------|
| two ticks                          | one pod of a workload moves    | the same: both choose the same pod     |
| two policies that overlap, doubled | the same                       | the same                               |
| a tick and a step, two steps       | one pod of a workload moves    | one each; Replace: none is missed      |
| restarts, by tick or step          | one restart                    | the same: it holds for what was read   |
| quarantine and any of these        | never a pod in quarantine goes | the same                               |

In the end all that was to move has moved once, nothing is left retiring, and no node barred. Processes are killed, too,
and their events delivered again.
"""

from __future__ import annotations

import random
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
from rotate import relocate, restart
from rotate.handler import handler as rotate
from tests.functions.fake_cluster import FakeClock, Killed
from tests.functions.interleaving import Interleaving, StoppingCluster, StoppingTurns, Task
from tests.functions.slips import QUARANTINE, event_of, over_the_wire, slip_for

KEY = Keys(b"sixteen bytes or more")
TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})
REPLICAS = 3
NODES = ("node-1", "node-2", "node-3")
DELIVERIES = 40
LONG = 15
KILLS = 2

strategies = pytest.mark.parametrize("strategy", ["Replace", "Evict", "Relocate"])
seeds = given(st.integers(0, 2**32))
few = settings(max_examples=30, deadline=None)


@dataclass
class World:
    """A Deployment whose pods are old, and what was seen of it."""

    clock: FakeClock = field(default_factory=FakeClock)
    serving: list[int] = field(default_factory=list)
    retiring: list[int] = field(default_factory=list)
    held: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Make it, and let later pods take three seconds to be Ready."""
        self.cluster = StoppingCluster(self.clock)
        self.clock.time -= timedelta(hours=2)
        self.cluster.namespace()
        for name in NODES:
            self.cluster.node(name)
        self.cluster.deployment(replicas=REPLICAS)
        self.clock.time += timedelta(hours=2)
        self.cluster._mature()
        self.cluster.readiness = timedelta(seconds=3)
        self.old = {pod["metadata"]["uid"] for pod in self.cluster.pods()}

    def watch(self) -> None:
        """Count what serves and what retires; a pod in quarantine must stay."""
        self.cluster._mature()
        pods = self.cluster.pods()
        self.serving.append(sum(is_ready(pod) and marks.labels_of(pod).get("app") == "web" for pod in pods))
        self.retiring.append(sum(map(marks.is_retiring, pods)))
        assert self.held <= {pod["metadata"]["uid"] for pod in pods}, "evidence is lost"
        self.held |= {pod["metadata"]["uid"] for pod in pods if marks.is_compromised(pod)}

    def run(self, seed: int, *tasks: Task) -> None:
        """Run the tasks in an order drawn from the seed, and kill some of their processes after a call."""
        draw = random.Random(seed)  # noqa: S311 - a repeatable order
        killed = draw.sample(range(60), KILLS)

        def choose(tasks: int) -> int:
            if len(self.serving) in killed:
                self.cluster.kill_after = 0
            return draw.randrange(tasks)

        self.cluster.interleaving = Interleaving(choose, self.watch)
        self.cluster.interleaving.run(*tasks)
        self.cluster.interleaving = None
        self.cluster.kill_after = None
        self.clock.sleep(5)
        self.watch()
        assert 0 == self.retiring[-1]
        assert REPLICAS == self.serving[-1]
        self.clock.sleep(relocate.ABANDONED.total_seconds())
        relocate.clear(self.cluster, (), self.clock.now())
        assert not any(self.cluster.objects["nodes", "", name]["spec"].get("taints") for name in NODES)

    def turns(self) -> Turns:
        """Return the turns of a process."""
        return StoppingTurns(self.cluster)

    def ticks(self, turns: Turns) -> Task:
        """Return what delivers a few ticks, one after the other."""
        handle = rotate(KEY, turns)

        def deliver() -> None:
            for _ in range(REPLICAS + KILLS + 1):
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
            for delivery in range(DELIVERIES):
                if following is None:
                    return
                try:
                    outcome = handlers[following.data["itinerary"][0]["remedy"]](following, self.cluster, self.clock)
                except (TemporaryError, Killed):
                    self.clock.sleep(2)
                    if (
                        delivery % LONG == LONG - 1
                    ):  # the clock goes on meanwhile: it opens a node that nobody else does
                        self.clock.sleep(120)
                        with suppress(Killed):
                            handlers["rotate"](TICK, self.cluster, self.clock)
                    continue
                assert isinstance(outcome, Done | Skipped)
                answer = outcome.event
                following = over_the_wire(answer) if answer and "remedy" in answer.extensions else None
            raise AssertionError("it goes round without end")

        return deliver


def _siblings(strategy: str) -> Step:
    return Step("rotate", {"scope": "Siblings", "strategy": strategy})


def _one_at_a_time(world: World, strategy: str) -> None:
    assert min(world.serving) >= (REPLICAS - 1 if strategy == "Evict" else REPLICAS)
    assert max(world.retiring) <= 1


def _all_moved(world: World, *but: int) -> None:
    left = {pod["metadata"]["uid"] for pod in world.cluster.pods() if not marks.is_compromised(pod)} & world.old
    assert left == {uid for index, uid in enumerate(sorted(world.old)) if index in but}


@strategies
@pytest.mark.parametrize("policies", [1, 2])
@few
@seeds
def test_two_ticks_of_two_instances(strategy: str, policies: int, seed: int) -> None:
    """Both choose the same pod, and its version lets one of them have it; policies that overlap change nothing."""
    world = World()
    for number in range(policies):
        world.cluster.policy(f"policy-{number}", strategy=strategy, lifetime={"every": f"{60 - 30 * number}m"})
    world.run(seed, world.ticks(world.turns()), world.ticks(world.turns()))
    _one_at_a_time(world, strategy)
    _all_moved(world)


@strategies
@few
@seeds
def test_a_tick_and_a_step_of_one_process(strategy: str, seed: int) -> None:
    """Whoever looks second sees that the workload is not whole."""
    world = World()
    world.cluster.policy(strategy=strategy)
    turns = world.turns()
    world.run(seed, world.ticks(turns), world.chain(turns, 0, _siblings(strategy)))
    _one_at_a_time(world, strategy)
    _all_moved(world)


@strategies
@few
@seeds
def test_two_alerts_about_two_pods_of_one_workload(strategy: str, seed: int) -> None:
    """Their steps do not fight: each pod moves once, one at a time, and both chains end."""
    world = World()
    turns = world.turns()
    world.run(seed, *(world.chain(turns, target, _siblings(strategy)) for target in (0, 1)))
    _one_at_a_time(world, strategy)
    _all_moved(world)


@pytest.mark.parametrize("strategy", ["Replace", "Relocate"])
@few
@seeds
def test_two_instances_that_make_before_they_break_miss_nothing(strategy: str, seed: int) -> None:
    """Each may move a pod at once: one more serves meanwhile, never one less."""
    world = World()
    world.cluster.policy(strategy=strategy)
    world.run(seed, world.ticks(world.turns()), world.chain(world.turns(), 0, _siblings(strategy)))
    assert min(world.serving) >= REPLICAS
    _all_moved(world)


@pytest.mark.parametrize("strategy", restart.STRATEGIES)
@pytest.mark.parametrize("other", ["tick", "step"])
@pytest.mark.parametrize("instances", [1, 2])
@few
@seeds
def test_a_restart_is_one(strategy: str, other: str, instances: int, seed: int) -> None:
    """Two ticks, or a tick and an alert's step, of one or two instances: one rollout is for all that were due.

    The fake's rollout replaces all at once, so that the pods that serve say nothing here.
    """
    world = World()
    top = world.cluster.objects["deployments", "shop", "web"]
    top["metadata"]["labels"] = {marks.RECONFIGURABLE: "true"}
    top["spec"]["template"] = {"spec": {"runtimeClassName": "a"}}
    dimension = {"name": "runtime", "runtimeClassName": {"variants": ["a", "b", "c"]}}
    spec: dict[str, Any] = {"reconfigure": [dimension]} if strategy == "Reconfigure" else {}
    world.cluster.policy(strategy=strategy, **spec)
    stamps = set()
    watch = world.watch

    def look() -> None:
        watch()
        stamps.add(restart.stamped(world.cluster.objects["deployments", "shop", "web"]))

    world.watch = look  # type: ignore[method-assign]
    first = world.turns()
    second = first if instances == 1 else world.turns()
    step = Step("rotate", {"scope": "Workload", "strategy": "Restart"})
    world.run(seed, world.ticks(first), world.ticks(second) if other == "tick" else world.chain(second, 0, step))
    _all_moved(world)
    assert 2 == len(stamps), "none, and one"
    if strategy == "Reconfigure" and other == "tick":
        template = world.cluster.objects["deployments", "shop", "web"]["spec"]["template"]
        assert template["spec"]["runtimeClassName"] in ("b", "c")
    top = world.cluster.objects["deployments", "shop", "web"]
    assert not {marks.RESTARTING, *marks.RESTART_ANNOTATIONS} & {*marks.labels_of(top), *marks.annotations_of(top)}


@strategies
@pytest.mark.parametrize("other", ["tick", "step"])
@few
@seeds
def test_a_quarantine_in_the_middle_of_a_move(strategy: str, other: str, seed: int) -> None:
    """Whatever is isolated, at whatever moment of its own move, is never evicted: the examiner finds it."""
    world = World()
    world.cluster.policy(strategy=strategy)
    turns = world.turns()
    alerts = [world.chain(turns, target, QUARANTINE, _siblings(strategy)) for target in (0, 2)]
    mover = world.ticks(turns) if other == "tick" else world.chain(turns, 1, _siblings(strategy))
    world.run(seed, mover, *alerts)
    assert max(world.retiring) <= 1
    _all_moved(world)
