"""The box of dead letters: objects of the cluster, written only so often, and rid of what is too old or too much.

Whatever goes wrong here is told in the log line, which has the whole event anyway: nothing is lost for it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from dead_letter.allowance import OF_A_KIND, Allowance
from dead_letter.kind import kind_of
from dead_letter.surplus import Kept, surplus
from molt import marks
from molt.cluster import AlreadyExists, Conflict, NotFound
from molt.cluster.resources import DEAD_LETTERS
from molt.dead_letters import NAMESPACE
from molt.outcome import MoltError, PermanentError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from molt.cluster import Cluster
    from molt.outcome import Clock

PAUSE = 2.0  # seconds before the second try
EVERY = 50  # letters between two looks at how many there are


class Box:
    """Keeps letters, from any thread."""

    def __init__(self) -> None:
        """Begin with nothing written."""
        self._allowance = Allowance()
        self._turn = threading.Lock()
        self._written = 0

    def keep(self, letter: Mapping[str, Any], cluster: Cluster, clock: Clock) -> dict[str, str]:
        """Write a letter, and return what is to be told: `kept` and its name, or `notKept` and why."""
        kind = kind_of(letter["spec"]["function"], letter["spec"]["code"])
        if over := self._allowance.take(kind, clock.now()):
            return {"notKept": f"more than {OF_A_KIND} of a kind, or too many in all, in a minute: {over} so far"}
        try:
            _write(letter, cluster, clock)
        except MoltError as error:
            return {"notKept": error.reason}
        told = {"kept": letter["metadata"]["name"]}
        return told | (_emptied(cluster, clock) if self._is_time() else {})

    def _is_time(self) -> bool:
        with self._turn:
            self._written += 1
            return self._written % EVERY == 1


def _write(letter: Mapping[str, Any], cluster: Cluster, clock: Clock) -> None:
    """Try twice, for an API server that is away is what events die of; both are within the time-out of 30 s."""
    try:
        _put(letter, cluster, clock)
    except TemporaryError:
        clock.sleep(PAUSE)
        _put(letter, cluster, clock)


def _put(letter: Mapping[str, Any], cluster: Cluster, clock: Clock) -> None:
    """Make the object, or note on the one that is there that its event is dead once more.

    That changes its resourceVersion, so that who has just sent its event again does not delete it.
    """
    try:
        cluster.create(DEAD_LETTERS, letter, NAMESPACE)
    except AlreadyExists as error:
        again = {"spec": {"last": marks.stamp(clock.now())}}
        try:
            cluster.merge(DEAD_LETTERS, letter["metadata"]["name"], again, NAMESPACE)
        except NotFound:  # deleted in between
            raise Conflict(error.reason) from None


def _emptied(cluster: Cluster, clock: Clock) -> dict[str, str]:
    """Delete what is too old or too much; return what is to be told of it."""
    now = clock.now()
    try:
        kept = cluster.list(DEAD_LETTERS, NAMESPACE, trim=_outline)
        gone = surplus(_known(kept), now)
        for one in gone:
            _delete(one, cluster)
    except (PermanentError, TemporaryError) as error:
        return {"notEmptied": error.reason}
    return {"removed": str(len(gone))} if gone else {}


def _delete(one: Kept, cluster: Cluster) -> None:
    try:
        cluster.delete(DEAD_LETTERS, one.name, NAMESPACE, uid=one.uid)
    except (NotFound, Conflict):  # it is gone
        return


def _outline(obj: dict[str, Any]) -> dict[str, Any]:
    """Return what of a letter matters here: not its event, for there is no room for a thousand of them."""
    spec = obj.get("spec") or {}
    return {"metadata": obj["metadata"], "spec": {key: spec.get(key) for key in ("function", "code", "first", "last")}}


def _known(kept: list[dict[str, Any]]) -> Iterator[Kept]:
    for obj in kept:
        metadata, spec = obj["metadata"], obj["spec"]
        times = (spec["last"], spec["first"], metadata.get("creationTimestamp"))
        at = next((time for text in times if (time := marks.time_of(text))), None)
        if at is not None:
            yield Kept(metadata["name"], metadata["uid"], kind_of(spec["function"] or "", spec["code"] or ""), at)
