"""A tick's work on the Secrets that policies regenerate: one step of each, from what the cluster says.

Of a Secret only metadata is read, and its patches are answered by metadata alone: of all its values only the new ones
are ever here, between their drawing and their patch, and they stand in no log, Event, status, annotation or error.
Right to do any of this has only who was given it for that very Secret, by its owner.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from molt import due, guard, log, marks, pause, regenerable
from molt.cluster import SECRETS, Forbidden, NotFound, Rejected
from molt.outcome import MoltError, PermanentError, TemporaryError
from molt.policy.regeneration import PREVIOUS
from rotate import claims, course, exchange, notice, restart, survey
from rotate.course import Standing
from rotate.diary import FUNCTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.lifetime import Keys
    from molt.outcome import Clock
    from molt.policy import RotationPolicy
    from molt.regenerable import UnderWay
    from molt.turns import Turns
    from rotate.claims import Claim
    from rotate.diary import Diary

Object = dict[str, Any]
Told = tuple[str, str]
"""An outcome and its reason."""

LONGEST = timedelta(seconds=10)
"""How long one tick sees to Secrets, so that there is time for the pods."""


def run(  # noqa: PLR0913 - what a tick has
    cluster: Cluster,
    policies: Iterable[RotationPolicy],
    keys: Keys,
    clock: Clock,
    now: datetime,
    *,
    turns: Turns,
    diary: Diary,
) -> None:
    """Do for each Secret of the policies what it needs next; what stands in the way of one holds up no other.

    `now` is the tick's, so that the restarts that it undoes afterwards are no older than what is put back here. No
    Secret is begun with after LONGEST: where the API server is slow, later ticks see to the others.
    """
    end = clock.now() + LONGEST
    found = claims.gathered(policies)
    for seen, (namespace, name) in enumerate(claims.in_turn(found, now)):
        if clock.now() > end:
            log.write(
                "warning",
                FUNCTION,
                message=f"the API server is slow: {len(found) - seen} Secrets wait for a later tick",
            )
            return
        work = Work(cluster, found[namespace, name][0], keys, now)
        try:
            with turns.of(f"namespace {namespace}"):
                told = work.do(found[namespace, name])
        except TemporaryError as error:
            told = "skipped", error.reason
        except PermanentError as error:
            told = "refused", error.reason
        if told:
            diary.note(told[0], work.policy, name, told[1])


def _unentitled(namespace: str, name: str) -> str:
    """Return how the owner of a Secret gives the right that is missing."""
    role = f"molt-regenerate-{name}"
    return (
        f"rotate has no right to it; give it by `kubectl -n {namespace} create role {role} --verb=get,patch "
        f"--resource=secrets --resource-name={name}` and `kubectl -n {namespace} create rolebinding {role} "
        f"--role={role} --serviceaccount=molt:rotate`"
    )


class Work:
    """One step of one Secret's regeneration."""

    def __init__(self, cluster: Cluster, claim: Claim, keys: Keys, now: datetime) -> None:
        """Begin with the first policy that names the Secret; nothing is read yet."""
        self._cluster, self._keys, self._now = cluster, keys, now
        self.policy, self._one = claim.policy, claim.secret

    def do(self, those: Sequence[Claim]) -> Told | None:
        """Do what is needed next and return what became of it; None when there is nothing to tell.

        Raises what molt.cluster raises.
        """
        name, namespace = self._one.name, self.policy.namespace
        try:
            self._secret = self._cluster.metadata(SECRETS, name, namespace)
        except NotFound:
            return "skipped", "there is no such Secret"
        except Forbidden:
            return "refused", _unentitled(namespace, name)
        claim = claims.responsible(self._secret, those)
        self.policy, self._one = claim.policy, claim.secret
        return self._step()

    def _step(self) -> Told | None:
        way = regenerable.under_way(self._secret)
        if reason := regenerable.objection(self._secret):
            return "skipped", reason
        if way is None and not self._is_due():
            return self._rest()
        namespace = self.policy.namespace
        space = survey.namespace(self._cluster, namespace)
        if reason := guard.protected_namespace(namespace) or guard.exempt_namespace(namespace, space):
            return "skipped", reason
        if way:
            return self._go_on(way)
        paused = pause.reason(pause.of(space or {"metadata": {}}), f"namespace {namespace}", self._now)
        paused = paused or pause.reason(pause.of(self._secret), f"Secret {self._one.name}", self._now)
        standings = self._standings()
        if reason := paused or course.lack(standings, self._now):
            return "skipped", f"its values are old: {reason}"
        return self._begin(course.moment(standings, self._now))

    def _is_due(self) -> bool:
        is_due = regenerable.due_at(self._one, self._secret, self._keys, self._now) <= self._now
        return is_due and not self.policy.hours.closed(self._now)

    def _rest(self) -> Told | None:
        """Return that the Secret rests after a regeneration that was undone; None when its values are just young."""
        until = due.rests_until(self._secret, self._now)
        if until is None or until <= self._now:
            return None
        return "skipped", f"its regeneration was undone: tried again from {marks.stamp(until)} on"

    def _standings(self) -> list[Standing]:
        """Return the dependants as they are now."""
        found = []
        for dependant in self._one.dependants:
            resource, fields = restart.RESOURCES[dependant.kind], f"metadata.name={dependant.name}"
            named = self._cluster.list(resource, self.policy.namespace, fields=fields)
            fleet = survey.fleet_with(self._cluster, dependant.kind, named[0]) if named else None
            found.append(Standing(dependant, fleet, survey.pods(self._cluster, fleet) if fleet else ()))
        return found

    def _begin(self, at: datetime) -> Told:
        """Give the keys new values."""
        values, rehearsal = exchange.draw(self._one), self.policy.mode == claims.DRY_RUN
        operations = exchange.begin(self._secret, values, self.policy.name, at)
        try:
            self._patch(operations, dry_run=rehearsal)
        except MoltError as error:
            # Whatever the API server, or a webhook of somebody's, has to say: not the values.
            fault = self._fault() if isinstance(error, Rejected) else None
            outcome = "skipped" if isinstance(error, TemporaryError) else "refused"
            return outcome, fault or exchange.without(error.reason, values.values())
        named, then = _listed(values), _listed(map(str, self._one.dependants))
        restarts = f", and {then} restarted" if then else ""
        if rehearsal:
            return "rehearsed", f"{named} would get new values{restarts}"
        return "moving", f"new values for {named}" + (f"; next {then} restarts" if then else "")

    def _fault(self) -> str | None:
        """Ask the API server what is wrong with the Secret: it does not say, and nothing of it is read."""
        for operations, fault in exchange.questions(self._secret, self._one.keys):
            try:
                self._send(operations, dry_run=True)
            except Rejected:
                return fault
        return None

    def _go_on(self, way: UnderWay) -> Told | None:
        standings = self._standings()
        step = course.next_step(way, self._one.overlap, standings, self._now)
        if step.action == "keep":
            return None
        if step.fleet:
            return self._restart(step.fleet, way.put_back_at or way.since)
        if step.action in ("wait", "held"):
            return "moving" if step.action == "wait" else "skipped", step.reason
        if step.action == "put back":
            return self._put_back(way, course.moment(standings, self._now), step.reason)
        return self._end(way)

    def _restart(self, fleet: Any, since: datetime) -> Told:
        why = f"Secret {self._one.name} has other values since {marks.stamp(since)}"
        notes = {marks.REASON: why, marks.POLICY: self.policy.name}
        restart.begin(self._cluster, fleet, course.stamp(since, self._now), notes)
        return "moving", f"{fleet} restarts"

    def _put_back(self, way: UnderWay, at: datetime, cause: str) -> Told:
        if theirs := regenerable.changed_by(self._secret, way.keys):
            return "skipped", f"{theirs}, and nothing is put back: {cause}"
        try:
            self._patch(exchange.put_back(self._secret, way, at, self._now))
        except Rejected:  # it does not say why; that somebody has removed a key is what may be
            kept = _listed(key + PREVIOUS for key in way.keys)
            return "skipped", f"nothing is put back, since one of {_listed(way.keys)}, {kept} is gone: {cause}"
        reason = f"the former values of {_listed(way.keys)} are back: {cause}"
        self._tell(notice.PUT_BACK, reason)
        return "skipped", reason

    def _end(self, way: UnderWay) -> Told:
        self._patch(exchange.end(self._secret, way))
        if way.put_back_at:
            return "skipped", f"as before {marks.stamp(way.since)}: its regeneration was undone"
        following = regenerable.due_after(self._one, self._secret, way.since, self._keys)
        reason = f"{_listed(way.keys)} regenerated, and the former values are gone; next at {following:%Y-%m-%dT%H:%MZ}"
        self._tell(notice.REGENERATED, reason)
        return "acted", reason

    def _tell(self, event: str, reason: str) -> None:
        text = f"Secret {self._one.name}: {reason}"
        notice.regenerated(self._cluster, self.policy, self._secret, event, text, self._now)

    def _patch(self, operations: Sequence[exchange.Operation], *, dry_run: bool = False) -> None:
        """Send a patch. Raises Conflict when the Secret has changed, be it that the patch cannot be done for that.

        Raises Forbidden when the API server, or a webhook, does not even let through what changes nothing.
        """
        try:
            self._send(operations, dry_run=dry_run)
        except Rejected:
            try:
                self._send(exchange.exactly(self._secret), dry_run=True)
            except Rejected as error:
                raise Forbidden(error.reason) from None
            raise

    def _send(self, operations: Sequence[exchange.Operation], *, dry_run: bool) -> None:
        name, namespace = self._one.name, self.policy.namespace
        self._cluster.patch_blindly(SECRETS, name, operations, namespace, dry_run=dry_run)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
