"""Policies, each version of each read from JSON once: the list comes anew with every alert, what it says does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from molt.policy import PolicyError, response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molt.policy import ResponsePolicy

MOST: Final = 4_096
"""Policies kept: more than a cluster has, and a bound for one in which they come and go."""


class Parsed:
    """What the policies of one process said, by UID; safe to share between threads."""

    def __init__(self) -> None:
        """Begin without any."""
        self._known: dict[str, tuple[str, ResponsePolicy | PolicyError]] = {}

    def parse(self, obj: Mapping[str, Any]) -> ResponsePolicy:
        """Return the policy as `response.parse` does, or raise its PolicyError; a version seen before costs nothing."""
        metadata = obj["metadata"]
        uid, version = metadata.get("uid"), metadata.get("resourceVersion")
        known = self._known.get(uid)
        if known and version and known[0] == version:
            said = known[1]
        else:
            said = _said(obj)
            if len(self._known) >= MOST:
                self._known = {}
            if uid and version:
                self._known[uid] = version, said
        if isinstance(said, PolicyError):
            raise PolicyError(said.problems)  # a new one: each raise of one and the same adds to its traceback
        return said


def _said(obj: Mapping[str, Any]) -> ResponsePolicy | PolicyError:
    try:
        return response.parse(obj)
    except PolicyError as error:
        return PolicyError(error.problems)  # without the traceback, whose frames would be kept with it
