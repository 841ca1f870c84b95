"""What is taken out of a manifest, and what stays."""

from __future__ import annotations

from typing import Any

import pytest

from evidence.credentials import is_credential, mark, without
from evidence.redaction import LAST_APPLIED, redacted

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
    ("DB_CREDS", True),
    ("JWT", True),
    ("GITHUB_PAT", True),
    ("SLACK_WEBHOOK_URL", True),
    ("BEARER", True),
    ("AZURE_SAS", True),
    ("Proxy-Authorization", True),
    ("PATH", False),
    ("AUTHOR", False),
    ("SASH", False),
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
        _pod(command=["sh", "-c", f"PASSWORD={SECRET}; rm x"], args=[f"PASSWORD={SECRET}; rm x", f"KEY={SECRET} y"]),
        _pod(
            command=["sh", "-c", f"PASSWORD={MARK}; rm x"],
            args=[f"PASSWORD={MARK}; rm x", f"KEY={mark(SECRET + ' y')}"],
        ),
        id="programs of a shell, whose rest is evidence",
    ),
    pytest.param(
        _pod(
            args=["curl", "-u", f"me:{SECRET}", "-u", "1000:1000", "/bin/mysql", f"-p{SECRET}", "-p$(PW)", "-u", "me"]
        ),
        _pod(args=["curl", "-u", f"me:{MARK}", "-u", "1000:1000", "/bin/mysql", f"-p{MARK}", "-p$(PW)", "-u", "me"]),
        id="logins",
    ),
    pytest.param(
        _pod(args=["-H", f"Authorization: {SECRET}", f"--header=Authorization: {SECRET}", "-p", "80"]),
        _pod(args=["-H", f"Authorization: {MARK}", f"--header=Authorization: {MARK}", "-p", "80"]),
        id="headers in arguments",
    ),
    pytest.param(
        _pod(
            livenessProbe={"httpGet": {"path": f"/x?token={SECRET}"}, "exec": {"command": ["a", f"X_TOKEN={SECRET}"]}}
        ),
        _pod(livenessProbe={"httpGet": {"path": f"/x?token={MARK}"}, "exec": {"command": ["a", f"X_TOKEN={MARK}"]}}),
        id="probes",
    ),
    pytest.param(
        {"metadata": {"annotations": {"a": f"https://me:{SECRET}@h", "b": f'{{"password": "{SECRET}"}}'}}},
        {"metadata": {"annotations": {"a": f"https://me:{MARK}@h", "b": f'{{"password": "{MARK}"}}'}}},
        id="texts in annotations",
    ),
    pytest.param(
        {"note": f"token: read, password={SECRET}", "list": [["Authorization:" + SECRET]]},
        {"note": f"token: read, password={MARK}", "list": [["Authorization:" + MARK]]},
        id="prose, and lists in lists",
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


X = SECRET
TEXTS = [
    f'sh -c "export DB_PASSWORD={X}; mysql -h db -p{X} x"',
    f"mysql -p{X}",
    f"sshpass -p {X} ssh h; redis-cli -h h -a {X}",
    f"postgres://h/db?user=u&password={X}&ssl=1",
    f"Server=tcp:h,1433;User Id=me;Password={X};Encrypt=True",
    f"-Xmx1g -Ddb.password={X} -Dother=1",
    f'{{"user":"u","password":"{X}","token":["{X}"],"n": 1}}',
    rf"{{\"password\" : \"{X}\"}}",
    f"password = '{X}'",
    f"user: me\npassword: {X}\nhost: h",
    f'curl -H "Authorization: {X}" -H Cookie:{X}',
    f"curl -u me:{X} --user='me:{X}' https://h",
    f"run --token {X} --verbose",
    f"a[password]={X}",
    f"postgres://u:{X}@h:5432/db",
    f"mongodb://:{X}@h1:27017,h2:27017/db",
    "https://$(USER):$(PASSWORD)@h/?token=$TOKEN",
]


@pytest.mark.parametrize("text", TEXTS)
def test_credentials_in_a_text(text: str) -> None:
    """Each is marked, and all else stays as it is: it is evidence."""
    marked = text.replace(f'["{X}"]', "[" + mark(f'"{X}"') + "]").replace(X, MARK)
    assert marked == without(text)


ODD = [
    ("postgres://u:a/b@h", f"postgres://u:{mark('a/b')}@h"),
    ("postgres://u:a@b@h/x", f"postgres://u:{mark('a@b')}@h/x"),
    ("https://0123456789abcdef0123@h/1", f"https://{mark('0123456789abcdef0123')}@h/1"),
    ("PASSWORD='open", f"PASSWORD={mark(chr(39) + 'open')}"),
    ("Authorization: Bearer x", f"Authorization: {mark('Bearer x')}"),
    ("send Bearer abcdefgh now", f"send Bearer {mark('abcdefgh')} now"),
    ("x ghp_0123456789abcdefghij y", f"x {mark('ghp_0123456789abcdefghij')} y"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMII", mark("-----BEGIN RSA PRIVATE KEY-----\nMII")),
    ("pin: x, 'secret': 12", f"pin: x, 'secret': {mark('12')}"),
]


@pytest.mark.parametrize(("text", "expected"), ODD)
def test_odd_credentials_in_a_text(text: str, expected: str) -> None:
    """More is taken than the credential where one cannot tell where it ends."""
    assert expected == without(text)


PLAIN = [
    "",
    "registry:5000/auth:1.2 and repo/token@sha256:0123",
    "http://h:8080/@scope/x@1 https://me@h/ ssh://git@h containerd://0123",
    "docker run -u 1000:1000 -p 80:80 --author me --path /x consul -u http://h",
    'MountVolume.SetUp failed for volume "token" : secret "db-token" not found',
    'PASSWORD= TOKEN="" --key -v password:',
    "mkdir -p mysql",
]


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_text_stays(text: str) -> None:
    """Images, ports, users and groups, references and names are evidence."""
    assert text == without(text)


@pytest.mark.parametrize(
    "piece", ["://", "a", "-", "mysql ", "eyJ", "token=", 'token="', "\\", "a:b@", "-----BEGIN PRIVATE KEY-----", "  "]
)
def test_no_text_takes_long(piece: str) -> None:
    """A search that is not linear would take minutes for as many characters as an object may have."""
    assert without(piece * (200_000 // len(piece)))


def test_a_mark_is_of_any_text() -> None:
    """Half a surrogate pair too, which JSON can hold."""
    assert mark("\ud800") != mark("x")
