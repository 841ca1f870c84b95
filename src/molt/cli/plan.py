"""`molt plan`: which pods move when, and which Secrets get new values; what holds them up; a picture of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from molt import marks, pause
from molt.cli import combinations, plot, regenerations, rotation_key, timeline
from molt.cli.age import relative
from molt.cli.combinations import Standing
from molt.cli.coming import Coming, Place, Span, foretell, shades
from molt.cli.options import ContextOption, JsonOption, StateOption, folder
from molt.cli.output import EXIT_NO, EXIT_USAGE, complain, say, show_chart, show_json, show_table
from molt.cli.policy import load
from molt.cli.reach import cluster as reach
from molt.cli.regenerations import Renewal
from molt.cluster import (
    DAEMON_SETS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    ROTATION_POLICIES,
    STATEFUL_SETS,
    Cluster,
    NotFound,
)
from molt.lifetime import Keys
from molt.outcome import SystemClock
from molt.policy import PolicyError, RotationPolicy, rotation
from molt.workload import top

_WORKLOADS = (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, REPLICA_SETS)
_MOST = 50  # pods of one policy that are shown; JSON has them all
_SECRET_COLUMNS = ("Secret", "Keys", "Then restarts", "Due", "Begins", "Held up by")
_COLUMNS = ("Pod", "Workload", "Due", "Begins", "Held up by", "Its successor's move")


@dataclass(frozen=True, slots=True)
class Plan:
    """A policy's moves: those that begin, or are held up, within the time that was asked for, and how many later."""

    policy: RotationPolicy
    moves: list[Coming]
    later: int
    standings: list[Standing]
    """The combinations of its workloads, where it reconfigures them."""
    secrets: list[Renewal]


def plan(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="[FILE|NAME]", help="A file of policies; with -n the name of one in the cluster.")
    ] = "",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="The policy's namespace.")] = "",
    hours: Annotated[int, typer.Option(min=1, max=8760, help="How far to look.")] = 24,
    picture: Annotated[Path | None, typer.Option("--plot", help="Write a picture to this file: .png or .svg.")] = None,
    cluster: ContextOption = "",
    state: StateOption = None,
    json_: JsonOption = False,
) -> None:
    """Show the coming moves of rotation policies: of a file, of one by -n and name, else of all that the cluster has.

    Of a policy that reconfigures, the combination that each workload has now, who chose it, and what is pinned.

    Times need the key: of the Secret molt/rotation-key, if you may read it, else of MOLT_ROTATION_KEY. Without it, and
    for the pods that come after, only ranges can be told. Nothing is changed. Exit code 1: a policy is wrong.
    """
    if picture and picture.suffix not in plot.SUFFIXES:
        complain(f"{picture}: a picture ends in {' or '.join(plot.SUFFIXES)}")
        raise typer.Exit(EXIT_USAGE)
    api = reach(context.obj, folder(context, state), cluster)
    now, length = SystemClock().now().replace(microsecond=0), timedelta(hours=hours)
    policies, wrong = _policies(api, source, namespace)
    keys, where = rotation_key.find(api, context.obj)
    plans = [_plan(api, policy, keys, now, now + length) for policy in policies]
    if json_:
        show_json(
            {"from": marks.stamp(now), "hours": hours, "key": where, "exact": keys is not None}
            | {"policies": [_as_json(one, now) for one in plans]}
        )
    else:
        _show(plans, now, length, "" if keys else where)
    if picture and plans:
        _draw(picture, plans, now, length)
    for line in wrong:
        complain(line)
    if wrong:
        raise typer.Exit(EXIT_NO)


def _policies(api: Cluster, source: str, namespace: str) -> tuple[list[RotationPolicy], list[str]]:
    """Return the policies that are asked for, and what is wrong with others. Raises NotFound, and the like."""
    if source and not namespace:
        read = [(one.source, one.policy) for one in load(Path(source))]
    else:
        named = [api.get(ROTATION_POLICIES, source, namespace)] if source else None
        found = api.list(ROTATION_POLICIES, namespace or None) if named is None else named
        read = [(f"{obj['metadata']['namespace']}/{obj['metadata']['name']}", _parsed(obj)) for obj in found]
    valid = [policy for _, policy in read if isinstance(policy, RotationPolicy)]
    return valid, [f"{name}: {policy.reason}" for name, policy in read if isinstance(policy, PolicyError)]


def _parsed(obj: dict[str, Any]) -> RotationPolicy | PolicyError:
    try:
        return rotation.parse(obj)
    except PolicyError as error:
        return error


def _plan(api: Cluster, policy: RotationPolicy, keys: Keys | None, now: datetime, end: datetime) -> Plan:
    pods = api.list(PODS, policy.namespace, labels=policy.selector.query())
    owners = [owner for pod in pods if (owner := top(pod))]
    workloads = {
        f"{resource.kind}/{obj['metadata']['name']}": obj
        for resource in _WORKLOADS
        if resource.kind in {owner.kind for owner in owners}
        for obj in api.list(resource, policy.namespace)
    }
    pauses = {name: pause.of(obj) for name, obj in workloads.items()}
    space = _namespace(api, policy.namespace)
    coming = foretell(policy, pods, keys, Place(space, pauses), now)
    near = [one for one in coming if (one.begin or one.due).earliest <= end]
    names = sorted({f"{owner.kind}/{owner.name}" for owner in owners} & workloads.keys() if policy.dimensions else ())
    found = [combinations.standing(policy, name, workloads[name]) for name in names]
    return Plan(policy, near, len(coming) - len(near), found, regenerations.foretell(api, policy, keys, space, now))


def _namespace(api: Cluster, name: str) -> dict[str, Any] | None:
    try:
        return api.get(NAMESPACES, name)
    except NotFound:
        return None


def _show(plans: list[Plan], now: datetime, length: timedelta, keyless: str) -> None:
    if not plans:
        say("There is no rotation policy: no pod moves by the clock.")
        return
    for one in plans:
        policy, shown = one.policy, one.moves[:_MOST]
        say(f"{policy.namespace}/{policy.name}  ({policy.mode}, {policy.strategy})", "bold")
        if until := _under_attack(policy, now):
            say(f"under attack until {until}: lifetimes are shorter, and grow back", "yellow")
        if shown:
            show_table(_COLUMNS, [_row(move, now) for move in shown])
            _show_bars(policy, shown, now, length)
        others = [f"{len(one.moves) - len(shown)} more pods begin to move in this time"] * (len(one.moves) > len(shown))
        others += [f"{one.later} later"] * bool(one.later)
        say("; ".join(others) or ("" if shown else "no pod is to move"))
        if one.standings:
            show_table(combinations.COLUMNS, combinations.rows(policy, one.standings, now))
        if one.secrets:
            show_table(_SECRET_COLUMNS, [_secret_row(renewal, now) for renewal in one.secrets])
    if keyless:
        say(f"Without the key only ranges can be told: {keyless}.", "yellow")
    say("A move waits besides until its workload is whole, and for maxMoving.")


def _under_attack(policy: RotationPolicy, now: datetime) -> str | None:
    """Return until when lifetimes are shorter since an alert; None when they are not."""
    alarm = policy.alarm
    return _stamp(alarm.until) if alarm and alarm.since <= now < alarm.until else None


def _show_bars(policy: RotationPolicy, moves: list[Coming], now: datetime, length: timedelta) -> None:
    def bars(width: int) -> list[str]:
        closed = shades(policy, now, length, width)
        return [*(timeline.bar(one, closed, now, length) for one in moves), timeline.axis(now, length, width)]

    show_chart([*(one.pod for one in moves), "UTC"], bars)
    say(timeline.LEGEND, "dim")


def _row(one: Coming, now: datetime) -> tuple[str, ...]:
    begin, successor = (_said(span, now) if span else "" for span in (one.begin, one.successor))
    return one.pod, one.workload, _said(one.due, now), begin, one.held, successor


def _secret_row(one: Renewal, now: datetime) -> tuple[str, ...]:
    due, begin = (_said(span, now) if span else "" for span in (one.due, one.begin))
    return one.secret.name, ", ".join(one.secret.keys), ", ".join(one.dependants), due, begin, one.held


def _said(span: Span, now: datetime) -> str:
    ends = [relative(_stamp(end), now) for end in (span.earliest, span.latest)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def _stamp(time: datetime) -> str:
    return marks.stamp(time.replace(microsecond=0))


def _as_json(one: Plan, now: datetime) -> dict[str, Any]:
    policy = one.policy
    spans = ("due", "begin", "successor")
    pods = [
        {"pod": move.pod, "workload": move.workload, "heldBy": move.held}
        | {name: _span(getattr(move, name)) for name in spans}
        for move in one.moves
    ]
    said = {"policy": f"{policy.namespace}/{policy.name}", "mode": policy.mode, "strategy": policy.strategy}
    said |= {"underAttackUntil": until} if (until := _under_attack(policy, now)) else {}
    workloads = {"workloads": combinations.as_json(policy, one.standings)} if policy.dimensions else {}
    secrets = [
        {"secret": renewal.secret.name, "keys": renewal.secret.keys, "dependants": renewal.dependants}
        | {"heldBy": renewal.held, "due": _span(renewal.due), "begin": _span(renewal.begin)}
        for renewal in one.secrets
    ]
    return {**said, "pods": pods, "later": one.later, "secrets": secrets, **workloads}


def _span(span: Span | None) -> dict[str, str] | None:
    return {"earliest": _stamp(span.earliest), "latest": _stamp(span.latest)} if span else None


def _draw(picture: Path, plans: list[Plan], now: datetime, length: timedelta) -> None:
    try:
        plot.draw(picture, [(one.policy, one.moves) for one in plans], now, length)
    except OSError as error:
        complain(f"{picture}: {error.strerror}")
        raise typer.Exit(EXIT_USAGE) from None
