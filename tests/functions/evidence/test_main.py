"""The function as a process, and the stores that its settings name."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from evidence import wiring
from evidence.s3 import Bucket
from molt.evidence.folder import Folder
from tests.functions.processes import refusal, running


def test_it_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    """It is ready, refuses what is not signed, and what is no slip, and SIGTERM ends it well."""
    importlib.import_module("evidence.__main__")  # to import it starts nothing
    headers = {"ce-id": "1", "ce-source": "x", "ce-type": "x", "ce-specversion": "1.0"}
    with running("evidence", EVIDENCE_STORE=tmp_path.as_uri()) as function:
        assert (200, "ok\n") == function.call("GET", "/readyz")
        assert (403, "it has no signature\n") == function.call("POST", "/", headers=headers)
        assert (400, "alert: not an object\n") == function.post(headers)
        assert 0 == function.end()


@pytest.mark.parametrize(
    ("store", "reason"),
    [
        ("", "EVIDENCE_STORE is '', and must be file:///folder or s3://bucket/prefix"),
        ("https://x", "EVIDENCE_STORE is 'https://x', and must be file:///folder or s3://bucket/prefix"),
        ("file://host/x", "'file://host/x' is no folder: file:///path"),
        ("s3:///x", "'s3:///x' names no bucket: s3://bucket/prefix"),
    ],
)
def test_a_wrong_store_is_one_line_and_exit_code_2(store: str, reason: str) -> None:
    """No traceback: whoever installs it reads what to set."""
    assert (2, [f"evidence: {reason}"]) == refusal("evidence", EVIDENCE_STORE=store)


def test_a_setting_chooses_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder or a bucket."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert isinstance(wiring.store(tmp_path.as_uri()), Folder)
    assert isinstance(wiring.store("s3://bucket"), Bucket)
    assert callable(wiring.wire({"EVIDENCE_STORE": tmp_path.as_uri()}))


def test_a_bucket_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image without it says what to build."""
    monkeypatch.delitem(sys.modules, "evidence.s3")
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ValueError, match="boto3 is not installed: build with the extra s3"):
        wiring.store("s3://bucket/prefix")
