"""The function's settings, and the store that they name.

EVIDENCE_STORE     file:///folder, or s3://bucket/prefix (with the extra `s3`, and the SDK's own settings: region,
                   credentials, AWS_ENDPOINT_URL_S3 for a server that is not Amazon's)
EVIDENCE_ACCOUNT   who collects, for the chain of custody; the ServiceAccount of the manifests by default
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evidence.handler import handler
from molt.evidence.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molt.evidence.archive import Objects
    from molt.server import Handler

STORE: Final = "EVIDENCE_STORE"
ACCOUNT: Final = "EVIDENCE_ACCOUNT"
DEFAULT_ACCOUNT: Final = "system:serviceaccount:molt:evidence"


def wire(environ: Mapping[str, str]) -> Handler:
    """Return the handler. Raises ValueError, one line, when the settings name no store that can be used."""
    return handler(store(environ.get(STORE, "")), environ.get(ACCOUNT) or DEFAULT_ACCOUNT)


def store(url: str) -> Objects:
    """Return the store at a URL; nothing is read or written."""
    if url.startswith("file:"):
        return Folder.at(url)
    if not url.startswith("s3:"):
        raise ValueError(f"{STORE} is {url!r}, and must be file:///folder or s3://bucket/prefix")
    try:
        from evidence.s3 import Bucket  # noqa: PLC0415 - boto3 is an extra, and 0.3 s: only who asks for it pays
    except ModuleNotFoundError as error:
        raise ValueError(f"{STORE} is {url!r}, and {error.name} is not installed: build with the extra s3") from None
    return Bucket.at(url)
