"""The benches run, at sizes that tell nothing: they measure what they say, and do not rot."""

from __future__ import annotations

import pytest

from bench import burst, cold, footprint, report, storm, warm
from bench.report import Row, Run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def rows(run: Run) -> dict[str, Row]:
    """Return the rows by name; every run can be written and read again, and be shown."""
    assert all(row.what in report.table(run) for row in run.rows)
    assert run.machine["cores"] >= 1
    return {row.what: row for row in run.rows}


def test_warm() -> None:
    """Ours and the floor isolate the same pods, in turns."""
    found = rows(warm.measure("embedded", 3))
    assert {"p50", "p99"} == set(found)
    assert all(row.ours > 0 and row.peer is not None and row.peer > 0 for row in found.values())


def test_burst() -> None:
    """Every pod is isolated; a size without a goal has none."""
    found = rows(burst.measure("embedded", [3, 40]))
    assert (None, 45.0) == tuple(found[f"{size} pods: the last one isolated"].peer for size in (3, 40))
    assert found["3 pods: the last one isolated"].met is None
    assert found["40 pods: the last one isolated"].ours >= found["40 pods: the median one"].ours > 0


def test_cold() -> None:
    """Each kind of process starts and answers."""
    assert all(row.ours > 0 and row.peer for row in rows(cold.measure(1)).values())


def test_storm() -> None:
    """Every alert is taken and settled, the pod is quarantined once, and the other one, too."""
    found = rows(storm.measure("embedded", 100.0, 2.0))
    assert 1 == found["quarantines of the pod"].ours
    assert 1 == found["through the forwarder: quarantines of the pod"].ours
    for what in ("alerts taken", "through the forwarder: alerts taken"):
        assert found[what].ours > 0
        assert found[what].peer
    assert found["the other pod, from its alert to isolated"].ours < float("inf")


def test_footprint() -> None:
    """Every function was seen at work, and none is left when there is nothing to do."""
    found = rows(footprint.measure("embedded", 2, 5.0))
    assert all(found[f"{name}: resident"].ours > 10 for name in footprint.FUNCTIONS)
    assert 0 == found["functions left after 5 s without an event"].ours
    assert 0 < found["processor an isolating alert: functions"].ours
