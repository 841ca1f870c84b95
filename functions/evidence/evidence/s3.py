"""A bucket as a store: Amazon's S3, or any server that speaks its API and honours If-None-Match on writes.

Every object is created with `If-None-Match: *`, so that nobody, this function included, writes over one: the index has
an object an entry, and of two writers the server lets one have the number.
"""

from __future__ import annotations

import base64
import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from molt.outcome import PermanentError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Iterator

# The SDK's own retries, with backoff, stay well below what the broker waits for the function.
_CONFIG: Final = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 3},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
_ABSENT: Final = frozenset({"404", "NoSuchKey", "NotFound"})
_TAKEN: Final = frozenset({"412", "PreconditionFailed"})
_RACING: Final = frozenset({"409", "ConditionalRequestConflict", "OperationAborted"})
_REFUSED: Final = frozenset(
    {"401", "403", "AccessDenied", "InvalidAccessKeyId", "NoSuchBucket", "SignatureDoesNotMatch"}
)


class Bucket:
    """The objects of a bucket below a prefix."""

    def __init__(self, bucket: str, prefix: str) -> None:
        """Connect lazily, with the region, credentials and endpoint that the SDK finds."""
        self._bucket, self._prefix = bucket, prefix
        self._client: Any = boto3.session.Session().client("s3", config=_CONFIG)

    @classmethod
    def at(cls, url: str) -> Bucket:
        """Return the bucket of an s3:// URL. Raises ValueError when it names none, or the SDK's settings are wrong."""
        parts = urlsplit(url)
        if not parts.netloc or parts.query or parts.fragment:
            raise ValueError(f"{url!r} names no bucket: s3://bucket/prefix")
        prefix = parts.path.strip("/")
        try:
            return cls(parts.netloc, f"{prefix}/" if prefix else "")
        except BotoCoreError as error:
            raise ValueError(f"{url}: {error}") from error

    def read(self, key: str) -> bytes | None:
        """Return an object's content, None when it is not there."""
        with self._failing():
            try:
                data: bytes = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"].read()
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return None
                raise
            return data

    def create(self, key: str, data: bytes) -> bool:
        """Write an object that is not there yet; False when it is."""
        name = self._prefix + key
        with self._failing():
            try:
                # Content-MD5: the server refuses what was damaged on the way; object lock asks for it, too.
                digest = hashlib.md5(data, usedforsecurity=False).digest()
                checked = {"ContentMD5": base64.b64encode(digest).decode(), "IfNoneMatch": "*"}
                self._client.put_object(Bucket=self._bucket, Key=name, Body=data, **checked)
            except ClientError as error:
                if _code(error) in _TAKEN:
                    # A lost answer to a write of ours is sent again by the SDK, and then finds itself.
                    return self.read(key) == data
                raise
        return True

    def keys(self, prefix: str) -> list[str]:
        """Return the sorted keys that start with `prefix`."""
        pages = self._client.get_paginator("list_objects_v2")
        with self._failing():
            found = [
                str(one["Key"]).removeprefix(self._prefix)
                for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix)
                for one in page.get("Contents") or ()
            ]
        return sorted(found)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Turn the SDK's errors into ours: what a setting must change is permanent, all else may pass."""
        where = f"evidence store s3://{self._bucket}/{self._prefix}"
        try:
            yield
        except ClientError as error:
            code = _code(error)
            if code in _REFUSED:
                raise PermanentError(f"{where}: {error}") from error
            raise TemporaryError(f"{where}: {error}", 1.0 if code in _RACING else None) from error
        except BotoCoreError as error:
            raise TemporaryError(f"{where}: {error}") from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
