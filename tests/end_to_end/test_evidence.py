"""Evidence first, through every process: the pod is isolated only once its bundle is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from molt import marks
from molt.cluster import DEPLOYMENTS, PODS
from molt.embedded.runtime.runtime import Runtime
from molt.evidence.archive import Archive
from molt.evidence.audit import verify
from molt.evidence.bundle import bundle_id, unpack
from molt.evidence.folder import Folder
from tests.end_to_end.shop import QUARANTINE, Shop, request, until
from tests.end_to_end.test_accounting import no_traceback, post

EVIDENCE: dict[str, Any] = {
    "evidence": {}
}  # kwok has no logs: the real control plane is one whose kubelets do not answer


@pytest.mark.slow
def test_evidence_is_kept_and_then_the_pod_is_isolated(runtime: Runtime, shop: Shop, folder: Path) -> None:
    """The store is in the state folder; the pod in the bundle still has its labels."""
    shop.enforce(EVIDENCE, QUARANTINE)
    target, *_ = shop.workload(DEPLOYMENTS, 2)
    identity, headers, body = request(target)
    archive = Archive(Folder(folder / "evidence"))
    name = bundle_id(identity, target["metadata"]["uid"])
    post(runtime, headers, body)
    until(lambda: marks.is_compromised(runtime.admin.get(PODS, target["metadata"]["name"], shop.namespace)))
    found = verify(archive)
    assert ((), [name]) == (found.findings, [entry.bundle for entry in found.entries])
    pod = json.loads(unpack(archive.file(name) or b"").files["pod.json"])
    assert target["metadata"]["labels"] == pod["metadata"]["labels"]
    *_, line = _lines(folder)
    assert {"next": "quarantine", "outcome": "done"}.items() <= line.items()
    no_traceback(folder)


def _lines(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "logs" / "evidence.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if "outcome" in line]
