"""What the Kubernetes API may answer instead of the object, as errors that say whether a later try can help.

PermanentError
+-- Misconfigured   no usable address or credentials (raised while connecting only)
+-- NotFound        404
+-- Unauthorized    401: the token is not accepted
+-- Forbidden       403: names the verb, the resource and what the API said
+-- Rejected        400, 422 and any other 4xx
+-- TooLarge        the answer is larger than the caller has room for
TemporaryError
+-- Conflict        409, or 422 about the UID: a precondition (uid, resourceVersion) does not hold
|   +-- AlreadyExists
+-- Expired         410: the resourceVersion or `continue` is too old; list again
+-- Blocked         429 by a PodDisruptionBudget
+-- Unavailable     429, 5xx, no answer or an unreadable one, after all tries
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from molt.outcome import MoltError, PermanentError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Misconfigured(PermanentError):
    """There is no usable address of, or no credentials for, a cluster."""


class NotFound(PermanentError):
    """The object is not there."""


class Unauthorized(PermanentError):
    """The API does not know who is asking."""


class Forbidden(PermanentError):
    """The account may not do this."""


class Rejected(PermanentError):
    """The API read the request and refuses it as it stands."""


class TooLarge(PermanentError):
    """The answer is larger than the caller has room for; it was not read to its end."""


class Conflict(TemporaryError):
    """The object is not as the request presumes: read it again and decide anew."""


class AlreadyExists(Conflict):
    """An object of this name is there already."""


class Expired(TemporaryError):
    """The resourceVersion to go on from is too old: list again."""


class Blocked(TemporaryError):
    """A PodDisruptionBudget does not let the pod go now."""


class Unavailable(TemporaryError):
    """The API cannot answer now.

    `untouched`: certainly nothing was done, so that any request may be repeated. `throttled`: 429, too many at once.
    """

    def __init__(
        self, reason: str, retry_after: float | None = None, *, untouched: bool = False, throttled: bool = False
    ) -> None:
        """Keep the reason, the server's hint in seconds, and what the refusal tells."""
        super().__init__(reason, retry_after)
        self.untouched, self.throttled = untouched, throttled


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked of the API, in the words of RBAC; `resource` includes the subresource, as `pods/eviction`."""

    verb: str
    group: str
    resource: str
    namespace: str | None = None

    def __str__(self) -> str:
        """Return e.g. `patch networkpolicies.networking.k8s.io in namespace shop`."""
        name = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {name}" + (f" in namespace {self.namespace}" if self.namespace else "")


REFUSALS: Final[Mapping[int, Callable[[str], MoltError]]] = MappingProxyType(
    {401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 410: Expired}
)


def refusal(asked: Request, code: int, body: bytes, retry_after: float | None = None) -> MoltError:
    """Return the error for an answer outside 2xx; `body` may hold a Status object or anything else."""
    status = _status(body)
    details = status.get("details") or {}
    reason = f"{asked}: {status.get('message') or f'the API answered {code}'}"
    if retry_after is None and isinstance(seconds := details.get("retryAfterSeconds"), int) and seconds > 0:
        retry_after = float(seconds)
    causes = details.get("causes") or ()
    match code:
        case 422 if any(cause.get("field") == "metadata.uid" for cause in causes):
            return Conflict(reason)  # a merge patch with another object's UID: to the API an attempt to change it
        case 409 if status.get("reason") == "AlreadyExists":
            return AlreadyExists(reason)
        case 429 if any(cause.get("reason") == "DisruptionBudget" for cause in causes):
            return Blocked(reason, retry_after)
        case 429:
            return Unavailable(reason, retry_after, untouched=True, throttled=True)
        case _ if 400 <= code < 500:  # noqa: PLR2004 - the class of refusals
            return REFUSALS.get(code, Rejected)(f"not allowed to {reason}" if code == HTTPStatus.FORBIDDEN else reason)
        case _:
            # As client-go: a server that says when to come back has not begun (rest/with_retry.go).
            return Unavailable(reason, retry_after, untouched=retry_after is not None)


def _status(body: bytes) -> dict[str, Any]:
    """Return the Status object in `body`, or {}: proxies answer in HTML."""
    try:
        status = json.loads(body)
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}
