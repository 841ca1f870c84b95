"""Every alert has one fate: received = acted + skipped + ignored + dead-lettered, and the log says which, and why."""

from __future__ import annotations

import collections
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import urllib3

from molt import log
from molt.cli import audit
from molt.cli.accounting import Account, Record
from molt.embedded.runtime import ledger
from molt.embedded.runtime.runtime import Runtime
from molt.embedded.runtime.state import StateFolder

FATES = {"acted", "skipped", "ignored", "dead-lettered"}
PATIENCE = 60.0


def fates(folder: Path, expected: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Wait until each of these alerts has an end, and return all the ends of each."""
    logs = StateFolder(folder).logs
    deadline = time.monotonic() + PATIENCE
    while not set(expected) <= set(ledger.read(logs)) and time.monotonic() < deadline:
        time.sleep(0.1)
    ends: dict[str, list[tuple[str, str]]] = collections.defaultdict(list)
    for line in ledger.lines(logs):
        if line.get("fate") and line.get("type") != ledger.TICK:
            ends[str(line.get("alert") or line["event"])].append((line["fate"], line["reason"]))
    return ends


def audited(folder: Path) -> Account:
    """Return what `molt audit` says of a running runtime."""
    record = Record()
    audit._read_runtime(record, StateFolder(folder))
    return record.account(datetime.now(UTC), timedelta(minutes=30))


def post(runtime: Runtime, headers: Mapping[str, str], body: bytes) -> None:
    """Send one request to the broker until it is there to take it, as a sender that wants to lose nothing would."""
    patient = urllib3.Retry(total=None, connect=60, read=60, other=0, backoff_factor=0.1, allowed_methods=None)
    answer = urllib3.request("POST", runtime.addresses.broker, headers=headers, body=body, retries=patient)
    assert (202, b"") == (answer.status, answer.data)


def no_traceback(folder: Path) -> None:
    """No process has failed in a way that nobody foresaw."""
    for path in StateFolder(folder).logs.iterdir():
        text = path.read_text()
        assert "Traceback" not in text
        assert '"traceback"' not in text


def test_all_that_falcosidekick_was_seen_to_send(runtime: Runtime, folder: Path, shared: Path) -> None:
    """Each of the recorded requests ends in exactly one fate with a reason; the sums match; nothing fails."""
    lines = (shared / "alerts" / "falcosidekick_requests.jsonl").read_text(encoding="utf-8").splitlines()
    recorded = [json.loads(line) for line in lines]
    skipped = {"content-length", "user-agent", "accept-encoding"}
    expected = []
    for request in recorded:
        headers = {name: value for name, value in request["headers"] if name.lower() not in skipped}
        body = request["body"].encode()
        post(runtime, headers, body)
        expected.append(str(log.alert_id(json.loads(body))))
    ends = fates(folder, expected)
    assert set(expected) == set(ends)
    assert dict.fromkeys(expected, 1) == {alert: len(found) for alert, found in ends.items()}
    counts = collections.Counter(found[0][0] for found in ends.values())
    assert FATES >= set(counts)
    assert len(recorded) == len(expected) == counts.total()
    assert all(reason for found in ends.values() for _, reason in found)
    account = audited(folder)
    assert (len(recorded), dict.fromkeys(FATES, 0) | counts) == (account.received, account.fates)
    assert ((), (), (), {}) == (account.missing, account.under_way, account.unannounced, account.twice)
    no_traceback(folder)


def test_our_own_alerts_in_every_shape(runtime: Runtime, folder: Path) -> None:
    """The alerts that we wrote, as Falco posts them, end in one fate each as well."""
    alerts: list[dict[str, Any]] = [json.loads(path.read_text()) for path in _alerts()]
    expected = []
    for alert in alerts:
        answer = urllib3.request("POST", runtime.addresses.falco, body=json.dumps(alert).encode(), retries=False)
        assert answer.status == 202
        expected.append(str(log.alert_id(alert)))
    ends = fates(folder, expected)
    assert set(expected) == set(ends)
    assert all(len({fate for fate, _ in found}) == 1 for found in ends.values())
    account = audited(folder)
    assert (len(set(expected)), len(set(expected))) == (account.received, sum(account.fates.values()))
    no_traceback(folder)


def _alerts() -> list[Path]:
    return sorted((Path(__file__).resolve().parents[1] / "alerts").glob("*.json"))
