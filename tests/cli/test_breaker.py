"""`molt breaker reset`, and what `molt status` says of a breaker."""

from __future__ import annotations

from datetime import UTC, datetime

from molt import ledger, marks
from molt.cluster.resources import LEDGERS
from tests.cli.conftest import Molt
from tests.embedded_cluster import RunningCluster


def test_an_open_breaker_is_shown_and_closed(molt: Molt, context: str, cluster: RunningCluster) -> None:
    """Once; then there is nothing to close."""
    breakers = {"web-shell": {"opened": marks.stamp(datetime.now(UTC)), "by": "u"}, "calm": {}}
    cluster.admin.create(LEDGERS, {"metadata": {"name": ledger.NAME}, "spec": {"breakers": breakers}})
    at = ("--context", context)
    assert ["web-shell"] == list(molt("status", *at, "--json").json["breakers"])
    assert "The breaker of web-shell is open until" in molt("status", *at).out
    closed = molt("breaker", "reset", "web-shell", *at)
    assert (0, "The breaker of web-shell is closed.\n") == (closed.code, closed.out)
    assert "The breaker of web-shell was not open.\n" == molt("breaker", "reset", "web-shell", *at).out
    assert {"policy": "calm", "reset": False} == molt("breaker", "reset", "calm", *at, "--json").json
    assert {} == molt("status", *at, "--json").json["breakers"]
    cluster.admin.delete(LEDGERS, ledger.NAME)
