"""The store on a real S3 server, with conditional writes, several writers and keys that may not."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from evidence.s3 import Bucket
from molt.evidence.archive import Archive
from molt.evidence.audit import verify
from molt.evidence.folder import Folder
from molt.outcome import PermanentError, TemporaryError
from tests.control_plane import absent
from tests.functions.evidence.s3_server import S3Server, running_s3
from tests.functions.evidence.world import Case
from tests.functions.processes import running
from tests.molt.evidence.made import bundle


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Start the server; skip where it is not built, or fail where MOLT_REQUIRE_TESTBED=1 asks for it."""
    reason = absent()
    if reason and os.environ.get("MOLT_REQUIRE_TESTBED") == "1":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def name(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a bucket, and give this process the server's address and keys."""
    for key, value in server.environment().items():
        monkeypatch.setenv(key, value)
    return server.bucket()


pytestmark = pytest.mark.real


@pytest.mark.parametrize("prefix", ["", "/evidence/of/molt/"])
def test_it_reads_creates_and_lists(name: str, prefix: str) -> None:
    """Below its prefix; what is there is never written over."""
    bucket = Bucket.at(f"s3://{name}{prefix}")
    assert (None, []) == (bucket.read("index/1"), bucket.keys("index/"))
    assert bucket.create("index/2", b"two")
    assert bucket.create("index/1", b"one")
    assert not bucket.create("index/1", b"another")
    assert bucket.create("index/1", b"one"), "a write of ours that was sent again has found itself"
    assert (b"one", ["index/1", "index/2"]) == (bucket.read("index/1"), bucket.keys("index/"))
    stored = boto3.client("s3").list_objects_v2(Bucket=name)["Contents"]
    assert [f"{prefix.lstrip('/')}index/{number}" for number in (1, 2)] == [one["Key"] for one in stored]


def test_more_keys_than_one_answer_has_are_all_listed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order."""
    bucket = Bucket.at(f"s3://{name}")
    for number in range(7):
        bucket.create(f"index/{number}", b"")
    paginator = bucket._client.get_paginator("list_objects_v2")
    paginate = paginator.paginate
    monkeypatch.setattr(bucket._client, "get_paginator", lambda _: paginator)
    monkeypatch.setattr(paginator, "paginate", lambda **asked: paginate(**asked, PaginationConfig={"PageSize": 2}))
    assert [f"index/{number}" for number in range(7)] == bucket.keys("index/")


def test_the_function_keeps_its_bundles_there(name: str, server: S3Server) -> None:
    """The copy of a bucket is a folder that verifies, and tampering shows in it."""
    bucket = Bucket.at(f"s3://{name}/evidence")
    case = Case()
    case.store = bucket  # type: ignore[assignment]
    assert case.handle() == case.handle()
    folder = Folder(server.root / name / "evidence")
    found = verify(Archive(folder))
    assert ((), 1) == (found.findings, len(found.entries))
    (entry,) = found.entries
    (folder.root / "bundles" / f"{entry.bundle}.tar.gz").write_bytes(b"x")
    assert not verify(Archive(folder)).sound


def test_writers_at_the_same_time_make_one_chain(name: str) -> None:
    """Of two that want a number the server lets one have it."""
    barrier = threading.Barrier(4)
    failed: list[BaseException] = []

    def write(start: int) -> None:
        archive = Archive(Bucket.at(f"s3://{name}"))
        barrier.wait()
        try:
            for number in range(start, start + 4):
                archive.keep(f"b{number % 6}", lambda number=number: bundle(f"b{number % 6}"))  # type: ignore[misc]
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's
            failed.append(error)

    threads = [threading.Thread(target=write, args=(start,)) for start in (0, 2, 4, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [] == failed
    found = verify(Archive(Bucket.at(f"s3://{name}")))
    assert ((), 6) == (found.findings, len(found.entries))


def test_what_a_setting_must_change_is_permanent(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No such bucket, and keys that are refused: the dead letter has the reason at once."""
    with pytest.raises(PermanentError, match=r"evidence store s3://no-such-bucket/: .*NoSuchBucket"):
        Bucket.at("s3://no-such-bucket").read("x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(PermanentError, match="SignatureDoesNotMatch"):
        Bucket.at(f"s3://{name}").create("x", b"")


def test_the_process_takes_its_settings_from_the_environment(name: str, server: S3Server) -> None:
    """Address, keys and bucket."""
    with running("evidence", EVIDENCE_STORE=f"s3://{name}/x", **server.environment()) as function:
        assert (200, "ok\n") == function.call("GET", "/readyz")
        assert 0 == function.end()


FAILURES = [
    pytest.param(ClientError({"Error": {"Code": "SlowDown"}}, "PutObject"), None, id="throttled"),
    pytest.param(ClientError({"Error": {"Code": "ConditionalRequestConflict"}}, "PutObject"), 1.0, id="a race"),
    pytest.param(ClientError({}, "PutObject"), None, id="an answer without a code"),
    pytest.param(EndpointConnectionError(endpoint_url="http://x"), None, id="no connection"),
]


@pytest.mark.parametrize(("error", "after"), FAILURES)
def test_all_else_may_pass(monkeypatch: pytest.MonkeyPatch, error: Exception, after: float | None) -> None:
    """The event is delivered again."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = Bucket.at("s3://bucket/x")

    def fail(**_: object) -> None:
        raise error

    for method in ("put_object", "get_object"):
        monkeypatch.setattr(bucket._client, method, fail)
    with pytest.raises(TemporaryError, match="evidence store s3://bucket/x/: ") as raised:
        bucket.create("key", b"")
    assert after == raised.value.retry_after
    with pytest.raises(TemporaryError):
        bucket.read("key")


@pytest.mark.parametrize("url", ["s3:///prefix", "s3://bucket/?x=1", "s3://bucket/#x", "s3:"])
def test_an_address_without_a_bucket_is_refused(url: str) -> None:
    """So is one with more than bucket and prefix."""
    with pytest.raises(ValueError, match="names no bucket"):
        Bucket.at(url)


def test_wrong_settings_of_the_sdk_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that is not there, for one."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ValueError, match=r"s3://bucket: The config profile \(nobody\) could not be found"):
        Bucket.at("s3://bucket")
