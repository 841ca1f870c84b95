"""The scenarios of `make chaos`, small: whatever fails meanwhile, nothing is lost and nothing is done twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.report import Row
from chaos import __main__ as chaos
from chaos.fuzz import inputs, targets
from chaos.ground import GROUNDS
from chaos.scenarios import SCENARIOS

ALERTS, PODS = 60, 12
INPUTS = 2_000
pytestmark = pytest.mark.slow


@pytest.mark.timeout(400)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_is_lost_and_nothing_is_done_twice(scenario: str, tmp_path: Path) -> None:
    """Every alert has an end, every pod that one was about is in quarantine once, and no other pod is."""
    with GROUNDS["embedded"](tmp_path) as ground:
        _holds(SCENARIOS[scenario](ground, tmp_path, ALERTS, PODS))


@pytest.mark.real
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("control_plane")
def test_a_real_api_server_is_restarted(tmp_path: Path) -> None:
    """The same, with a control plane of its own, whose API server is killed again and again."""
    with GROUNDS["real"](tmp_path) as ground:
        _holds(SCENARIOS["api"](ground, tmp_path, ALERTS, PODS))


def test_what_must_be_none_is_told_by_name() -> None:
    """The row of a scenario, with and without it."""
    none = dict.fromkeys(chaos.BAD, 0)
    reckoning = {"alerts": 9, "fates": {"acted": 2, "skipped": 7}, "faults": 3, "seconds": 4}
    said = "9 alerts (2 acted, 7 skipped), 3 faults, 4 s"
    assert (0, True, said) == _told(chaos.row("kills", {**reckoning, **none}))
    told = f"{said}; 1 lost; 2 doubled"
    assert (3, False, told) == _told(chaos.row("kills", {**reckoning, **none, "lost": 1, "doubled": 2}))


def _told(row: Row) -> tuple[float, bool | None, str]:
    return row.ours, row.met, row.note


def test_no_input_breaks_a_server() -> None:
    """Two thousand inputs, each answered and logged; `make fuzz` tries more."""
    with targets() as them:
        problems = {str(one): problem for one in inputs(1, INPUTS) if (problem := them.problem(one))}
    assert {} == problems


def _holds(reckoning: dict[str, object]) -> None:
    bad = ("lost", "missed", "doubled", "wrong", "tracebacks")
    assert {"alerts": ALERTS} | dict.fromkeys(bad, 0) == {name: reckoning[name] for name in ("alerts", *bad)}
    assert reckoning["faults"]
