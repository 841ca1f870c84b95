"""What is taken out of a manifest, and what stays."""

from __future__ import annotations

from typing import Any

import pytest

from evidence.redaction import LAST_APPLIED, is_credential, mark, redacted

SECRET = "hunter2"
MARK = "redacted: sha256:f52fbd32"

NAMES = [
    ("PASSWORD", True),
    ("DB_PASSWD", True),
    ("MYSQL_PWD", True),
    ("passphrase", True),
    ("API_TOKEN", True),
    ("CLIENT_SECRET", True),
    ("AWS_SECRET_ACCESS_KEY", True),
    ("AWS_ACCESS_KEY_ID", True),
    ("apiKey", True),
    ("ENCRYPTION_KEYS", True),
    ("Authorization", True),
    ("Cookie", True),
    ("SENTRY_DSN", True),
    ("CONNECTION_STRING", True),
    ("GOOGLE_APPLICATION_CREDENTIALS", True),
    ("LOG_LEVEL", False),
    ("KEYBOARD", False),
    ("PASSIVE_MODE", False),
    ("PORT", False),
    ("HOSTNAME", False),
]


@pytest.mark.parametrize(("name", "expected"), NAMES)
def test_names_of_credentials(name: str, expected: bool) -> None:  # noqa: FBT001 - a column of the table
    """By the words that people use."""
    assert expected == is_credential(name)


def _pod(**container: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "main", **container}]}}


REDACTED = [
    pytest.param(
        _pod(env=[{"name": "DB_PASSWORD", "value": SECRET}]),
        _pod(env=[{"name": "DB_PASSWORD", "value": MARK}]),
        id="env by its name",
    ),
    pytest.param(
        _pod(env=[{"name": "URL", "value": f"postgres://me:{SECRET}@db/x"}]),
        _pod(env=[{"name": "URL", "value": f"postgres://me:{MARK}@db/x"}]),
        id="a password in a URL",
    ),
    pytest.param(
        _pod(livenessProbe={"httpGet": {"httpHeaders": [{"name": "Authorization", "value": SECRET}]}}),
        _pod(livenessProbe={"httpGet": {"httpHeaders": [{"name": "Authorization", "value": MARK}]}}),
        id="a header of a probe",
    ),
    pytest.param(
        _pod(args=[f"--password={SECRET}", "--token", SECRET, "--port", "80", f"API_KEY={SECRET}", "--token", "-v"]),
        _pod(args=[f"--password={MARK}", "--token", MARK, "--port", "80", f"API_KEY={MARK}", "--token", "-v"]),
        id="arguments",
    ),
    pytest.param(
        _pod(command=["curl", f"https://me:{SECRET}@host/", 7]),
        _pod(command=["curl", f"https://me:{MARK}@host/", 7]),
        id="a command",
    ),
    pytest.param(
        {"metadata": {"annotations": {LAST_APPLIED: SECRET, "app/token": SECRET, "note": SECRET, "odd-token": None}}},
        {"metadata": {"annotations": {LAST_APPLIED: MARK, "app/token": MARK, "note": SECRET, "odd-token": None}}},
        id="annotations",
    ),
    pytest.param(
        {"spec": {"volumes": [{"csi": {"volumeAttributes": {"apiToken": SECRET, "share": "x", "auth": True}}}]}},
        {"spec": {"volumes": [{"csi": {"volumeAttributes": {"apiToken": MARK, "share": "x", "auth": True}}}]}},
        id="attributes of a volume",
    ),
    pytest.param(
        {"spec": {"template": {"spec": {"initContainers": [{"env": [{"name": "TOKEN", "value": SECRET}]}]}}}},
        {"spec": {"template": {"spec": {"initContainers": [{"env": [{"name": "TOKEN", "value": MARK}]}]}}}},
        id="a template, init containers",
    ),
]
KEPT = [
    pytest.param(
        _pod(env=[{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]),
        id="a reference",
    ),
    pytest.param(_pod(envFrom=[{"secretRef": {"name": "db"}}]), id="all of a Secret, by reference"),
    pytest.param(
        _pod(env=[{"name": "LOG_LEVEL", "value": "debug"}, {"name": "TOKEN", "value": ""}]), id="plain values"
    ),
    pytest.param({"spec": {"volumes": [{"secret": {"secretName": "db", "defaultMode": 420}}]}}, id="a volume's Secret"),
    pytest.param({"spec": {"automountServiceAccountToken": False, "tolerations": [{"key": "token"}]}}, id="fields"),
    pytest.param({"metadata": {"finalizers": ["token"]}, "status": None}, id="texts in lists, null"),
]


@pytest.mark.parametrize(("manifest", "expected"), REDACTED)
def test_credentials_are_marked(manifest: dict[str, Any], expected: dict[str, Any]) -> None:
    """With the beginning of their sum: the same value has the same mark."""
    assert expected == redacted(manifest)


@pytest.mark.parametrize("manifest", KEPT)
def test_all_else_stays(manifest: dict[str, Any]) -> None:
    """References say which Secret it was."""
    assert manifest == redacted(manifest)


def test_a_mark_is_of_any_text() -> None:
    """Half a surrogate pair too, which JSON can hold."""
    assert mark("\ud800") != mark("x")
