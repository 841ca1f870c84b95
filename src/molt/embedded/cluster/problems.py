"""The API server's refusals, as errors that carry the Status object it answers, in its own words.

Source of codes, reasons and wording: k8s.io/apimachinery v0.36.3, pkg/api/errors and pkg/util/validation/field.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from molt.embedded.cluster.errors import AlreadyExists, StoreConflict, StoreError, StoreNotFound

REQUIRED: Final = "FieldValueRequired"
INVALID: Final = "FieldValueInvalid"
TYPE_INVALID: Final = "FieldValueTypeInvalid"
NOT_SUPPORTED: Final = "FieldValueNotSupported"
FORBIDDEN: Final = "FieldValueForbidden"
TOO_LONG: Final = "FieldValueTooLong"
TOO_MANY: Final = "FieldValueTooMany"
DUPLICATE: Final = "FieldValueDuplicate"

TITLES: Final = {
    REQUIRED: "Required value",
    INVALID: "Invalid value",
    TYPE_INVALID: "Invalid value",
    NOT_SUPPORTED: "Unsupported value",
    FORBIDDEN: "Forbidden",
    TOO_LONG: "Too long",
    TOO_MANY: "Too many",
    DUPLICATE: "Duplicate value",
}
VALUELESS: Final = (REQUIRED, FORBIDDEN, TOO_LONG)
OMIT: Final = object()  # the value of a fault that does not show it


def quoted(text: str) -> str:
    """Return `text` as Go's %q prints it, near enough: JSON's quoting with non-ASCII letters left."""
    return json.dumps(text, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a field: where, what kind, the value, and more words."""

    field: str
    type: str
    value: Any = None
    detail: str = ""

    @property
    def body(self) -> str:
        """Return the sentence without the field's name, as in a Status' causes."""
        text = TITLES[self.type]
        if self.type not in VALUELESS and self.value is not OMIT:
            text += f": {_shown(self.value)}"
        return f"{text}: {self.detail}" if self.detail else text

    def __str__(self) -> str:
        """Return the whole sentence."""
        return f"{self.field}: {self.body}"


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


class Refused(Exception):
    """A request is answered with a Status of this code, reason and message; `details` and `retry_after` if any."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        """Keep what is to be answered."""
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.retry_after = retry_after

    def status(self) -> dict[str, Any]:
        """Return the Status object."""
        body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        body["message"] = self.message
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body


def details(key: str, name: str = "") -> dict[str, Any]:
    """Return a Status' details of the object `name` of a qualified kind or plural (`pods`, `deployments.apps`)."""
    plural, _, group = key.partition(".")
    found = {"name": name, "group": group, "kind": plural}
    return {field: value for field, value in found.items() if value}


def not_found(key: str, name: str) -> Refused:
    """Return 404: there is no such object."""
    return Refused(404, "NotFound", f"{key} {quoted(name)} not found", details(key, name))


def no_such_path() -> Refused:
    """Return 404: there is no such resource."""
    return Refused(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(key: str, name: str) -> Refused:
    """Return 409: the name is taken."""
    return Refused(409, "AlreadyExists", f"{key} {quoted(name)} already exists", details(key, name))


def conflict(key: str, name: str, reason: str) -> Refused:
    """Return 409: the object is not in the state that the request names."""
    message = f"Operation cannot be fulfilled on {key} {quoted(name)}: {reason}"
    return Refused(409, "Conflict", message, details(key, name))


def forbidden(key: str, name: str, reason: str) -> Refused:
    """Return 403: who asks may not do that, or nobody may now."""
    if not key:
        return Refused(403, "Forbidden", f"forbidden: {reason}", {})
    subject = f"{key} {quoted(name)}" if name else key
    return Refused(403, "Forbidden", f"{subject} is forbidden: {reason}", details(key, name))


def unauthorized() -> Refused:
    """Return 401: nobody knows who asks."""
    return Refused(401, "Unauthorized", "Unauthorized")


def bad_request(message: str) -> Refused:
    """Return 400: the request cannot be read."""
    return Refused(400, "BadRequest", message)


def unprocessable() -> Refused:
    """Return 422 for a JSON patch that cannot be applied; the API server keeps to itself what failed."""
    return Refused(422, "Invalid", "the server rejected our request due to an error in our request", {})


def invalid(kind: str, name: str, faults: list[Fault]) -> Refused:
    """Return 422: the object of this qualified kind (`Deployment.apps`) has these faults."""
    sentences = list(dict.fromkeys(str(fault) for fault in faults))
    joined = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
    causes = [{"reason": fault.type, "message": fault.body, "field": fault.field} for fault in faults]
    message = f"{kind} {quoted(name)} is invalid: {joined}"
    return Refused(422, "Invalid", message, details(kind, name) | {"causes": causes})


def method_not_allowed() -> Refused:
    """Return 405: the resource does not have this verb."""
    return Refused(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def too_many_requests(message: str, causes: list[dict[str, str]], retry_after: int = 0) -> Refused:
    """Return 429, with the seconds after which to try again when there are any."""
    hint = {"retryAfterSeconds": retry_after} if retry_after else {}
    return Refused(429, "TooManyRequests", message, {"causes": causes} | hint, retry_after or None)


def unsupported_media_type(accepted: str) -> Refused:
    """Return 415: the body is of no type that is accepted here."""
    message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    return Refused(415, "UnsupportedMediaType", message)


def gone(reason: str) -> Refused:
    """Return 410: the history does not reach back that far."""
    return Refused(410, "Expired", reason)


def of_store(error: StoreError) -> Refused:
    """Return the answer to what the store refused."""
    if isinstance(error, StoreNotFound):
        return not_found(error.plural, error.name)
    if isinstance(error, AlreadyExists):
        return already_exists(error.plural, error.name)
    if isinstance(error, StoreConflict):
        return conflict(error.plural, error.name, error.reason)
    return gone(error.reason)
