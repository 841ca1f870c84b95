"""The forwarder in front of a broker that dies, killed itself: every alert is acted on once."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.forwarder import Result, experiment, run

ALERTS = 60


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_dead_broker_and_a_killed_forwarder(tmp_path: Path) -> None:
    """What chaos/forwarder.py does with a thousand alerts in a minute, smaller."""
    result = experiment(tmp_path, ALERTS, 3.0)
    assert (ALERTS, ALERTS, 0) == (result.acknowledged, result.acted_once, result.acted_twice)
    assert 2 == result.kills
    assert result.passed


def test_an_alert_that_was_not_acted_on_is_a_goal_missed() -> None:
    """So is one that was not acknowledged."""
    result = Result(alerts=3, down=1.0, acknowledged=2, acted_once=1)
    rows = {row.what: (row.ours, row.met) for row in run(result, {}).rows if row.goal}
    assert [(1, False), (2, False), (0, True)] == [*rows.values()]
