"""Regenerations by several instances at the same time, killed after any call: no value that a pod runs with is lost.

Looked at between any two calls. In the end every pod runs with the one password that there is, and no other is kept.
"""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molt import marks
from rotate import restart
from rotate.handler import handler
from tests.functions.fake_cluster import FakeClock, Killed
from tests.functions.interleaving import Interleaving, StoppingTurns, Task
from tests.functions.rotate.vault import KEY, OLD, TICK, Vault

seeds = given(st.integers(0, 2**32))
few = settings(max_examples=25, deadline=None)
KILLS = 3
TICKS = 14


def _ticks(vault: Vault, drift: timedelta) -> Task:
    """Return an instance that has some ticks; its clock is off by `drift`."""

    class Clock(FakeClock):
        def now(self):  # type: ignore[no-untyped-def] # noqa: ANN202
            return vault.clock.now() + drift

    handle = handler(KEY, StoppingTurns(vault))

    def deliver() -> None:
        for _ in range(TICKS):
            with suppress(Killed):
                handle(TICK, vault, Clock())
            vault.clock.sleep(20)

    return deliver


def _settle(vault: Vault) -> None:
    """Let ticks come, one after the other, until nothing is under way."""
    for _ in range(80):
        handler(KEY)(TICK, vault, vault.clock)
        vault.look()
        vault.clock.sleep(60)
        if marks.REGENERATING not in vault.notes and vault.whole():
            break


def _one_password(vault: Vault) -> None:
    assert "" == vault.former
    assert {vault.password} == vault.running("db") | vault.running("web")
    ours = {marks.RESTARTING, *marks.RESTART_ANNOTATIONS}
    for name in ("db", "web"):
        assert not ours & {*marks.labels_of(vault.top(name)), *marks.annotations_of(vault.top(name))}


def _run(vault: Vault, seed: int, *tasks: Task) -> None:
    draw = random.Random(seed)  # noqa: S311 - a repeatable order
    killed, looks = set(draw.sample(range(120), KILLS)), 0

    def watch() -> None:
        vault.look()
        nonlocal looks
        looks += 1

    def choose(tasks: int) -> int:
        if looks in killed:
            vault.kill_after = 0
        return draw.randrange(tasks)

    vault.interleaving = Interleaving(choose, watch)
    vault.interleaving.run(*tasks)
    vault.interleaving = None
    vault.kill_after = None
    _settle(vault)


@pytest.mark.parametrize("broken", [(), ("db",), ("web",), ("db", "web")])
@pytest.mark.parametrize("drift", [0, 90], ids=["one time", "clocks apart"])
@few
@seeds
def test_two_instances(broken: tuple[str, ...], drift: int, seed: int) -> None:
    """Their orders of calls, kills and clocks are drawn."""
    vault = Vault(FakeClock())
    vault.readiness = timedelta(seconds=5)
    vault.broken, vault.heals = set(broken), True
    _run(vault, seed, _ticks(vault, timedelta()), _ticks(vault, timedelta(seconds=-drift)))
    _one_password(vault)
    assert (vault.password == OLD) == bool(broken)


@pytest.mark.parametrize("broken", [(), ("web",)])
@pytest.mark.parametrize("call", range(0, 40, 2))
def test_killed_after_any_call(broken: tuple[str, ...], call: int) -> None:
    """The next ticks go on: one new value, one restart of each dependant, in order."""
    vault = Vault(FakeClock())
    vault.broken, vault.heals = set(broken), True
    stamps: dict[str, set[str]] = {"db": set(), "web": set()}
    killed = 0
    for _ in range(30):
        vault.kill_after = call if killed < 3 else None
        try:
            handler(KEY)(TICK, vault, vault.clock)
        except Killed:
            killed += 1
        vault.look()
        for name in stamps:
            stamps[name] |= {restart.stamped(vault.top(name))} - {""}
        if broken == () and vault.running("web") != {OLD}:
            assert OLD not in vault.running("db")
        vault.clock.sleep(60)
    vault.kill_after = None
    _settle(vault)
    _one_password(vault)
    if not broken:
        assert (1, 1) == (len(stamps["db"]), len(stamps["web"]))
        assert 4 == len(vault.seen), "one new value"
