"""`molt explain`: which policy answers an alert, why, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from molt.alert import Alert
from molt.cli import alerts, explanation, lookup
from molt.cli.explanation import Explanation, Found
from molt.cli.options import ContextOption, JsonOption, StateOption, folder
from molt.cli.output import EXIT_USAGE, complain, say, show_json, show_table
from molt.cli.policy import load
from molt.cli.reach import cluster as reach
from molt.cluster import Cluster
from molt.outcome import BadEvent
from molt.workload import top


@dataclass(frozen=True, slots=True)
class Explained:
    """One alert of the input, its pod (None: no cluster was asked), and what would be decided."""

    line: int
    alert: Alert
    found: Found | None
    explanation: Explanation


def explain(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FILE|-", help="Alerts as JSON, one or many; - is standard input.")],
    policies: Annotated[
        Path | None, typer.Option(help="Use the policies of this file or folder, and no cluster unless one is named.")
    ] = None,
    cluster: ContextOption = "",
    state: StateOption = None,
    json_: JsonOption = False,
) -> None:
    """Say which policy answers an alert, why, and why the others do not; nothing is done. Exit code 2: one is no alert.

    Policies and pod are those of the local runtime's cluster, or of --context. With --policies and no cluster named
    (--context, --state) the pod is taken to be as the alert says.
    """
    try:
        given = alerts.read(source)
    except alerts.UnreadableAlerts as error:
        complain(error.reason)
        raise typer.Exit(EXIT_USAGE) from None
    where, api = folder(context, state), None
    if policies is None:
        known = lookup.of_cluster(api := reach(context.obj, where, cluster))
    else:
        known = lookup.of_files(load(policies))
        api = reach(context.obj, where, cluster) if cluster or state else None
    shown = list(_explained(source, given, known, api))
    if json_:
        show_json([_as_json(one) for one in shown])
    else:
        for one in shown:
            _show(one)
    if len(shown) < len(given):
        raise typer.Exit(EXIT_USAGE)


def _explained(
    source: str, given: Iterable[alerts.Given], known: lookup.Policies, api: Cluster | None
) -> Iterable[Explained]:
    """Yield what there is to say about each alert; complain about what is none."""
    for one in given:
        try:
            alert = Alert.parse(one.data)
        except BadEvent as error:
            complain(f"{source}: line {one.line}: no alert: {error.reason}")
            continue
        found = lookup.pod_of(alert, api) if api else None
        yield Explained(one.line, alert, found, explanation.explain(alert, known.valid, known.invalid, found))


def _show(one: Explained) -> None:
    alert = one.alert
    say(f"{alert.rule}  ({alert.priority}, alert {alert.id})", "bold")
    say(str(one.explanation), "yellow" if one.explanation.ignored else "green", indent=2)
    say(_target(one), indent=2)
    rows = [
        (_order(verdict.order), verdict.policy, verdict.mode, verdict.answers, verdict.why)
        for verdict in one.explanation.verdicts
    ]
    show_table(("Order", "Policy", "Mode", "Answers", "Why"), rows)


def _target(one: Explained) -> str:
    named = f"{one.alert.namespace or '?'}/{one.alert.pod_name}" if one.alert.pod_name else f"a {one.alert.scope}"
    if one.found is None:
        return f"target: {named}, as the alert says; no cluster was asked"
    if one.found.pod is None:
        return f"no target: {one.found.problem}"
    metadata, workload = one.found.pod["metadata"], top(one.found.pod)
    of = f" of {workload.kind}/{workload.name}" if workload else ""
    return f"target: pod {metadata['namespace']}/{metadata['name']}{of}, UID {metadata['uid']}"


def _order(order: int | None) -> str:
    return "" if order is None else str(order)


def _as_json(one: Explained) -> dict[str, Any]:
    policy, pod = one.explanation.policy, one.found.pod if one.found else None
    workload = top(pod) if pod else None
    return {
        "line": one.line,
        "alert": one.alert.to_dict(),
        "decision": str(one.explanation),
        "policy": policy.name if policy else None,
        "mode": policy.mode if policy else None,
        "remedies": list(one.explanation.remedies),
        "ignored": one.explanation.ignored or None,
        "target": {
            "namespace": pod["metadata"]["namespace"],
            "name": pod["metadata"]["name"],
            "uid": pod["metadata"]["uid"],
            "workload": f"{workload.kind}/{workload.name}" if workload else None,
        }
        if pod
        else None,
        "no_target": one.found.problem if one.found and not pod else None,
        "policies": [asdict(verdict) for verdict in one.explanation.verdicts],
    }
