"""`molt status`: who is quarantined or moving, why, since when, and what comes next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import typer

from molt import marks
from molt.cli.app import ContextOption, JsonOption, StateOption, app, folder
from molt.cli.output import console, show_json, table
from molt.cli.reach import cluster as reach
from molt.cluster.resources import PODS, RESPONSE_POLICIES, ROTATION_POLICIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molt.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Affected:
    """A pod that molt has changed."""

    pod: str
    state: str
    workload: str
    since: str
    why: str
    next: str


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy and where it stands."""

    policy: str
    mode: str
    stands: str
    next: str


@app.command()
def status(
    context: typer.Context, cluster: ContextOption = "", state: StateOption = None, json_: JsonOption = False
) -> None:
    """Show who is quarantined or moving, why, since when and what comes next; and the policies."""
    api = reach(context.obj, folder(context, state), cluster)
    pods, policies = affected(api), standing(api)
    if json_:
        show_json({"pods": [asdict(pod) for pod in pods], "policies": [asdict(policy) for policy in policies]})
        return
    columns = ("Pod", "State", "Workload", "Since", "Why", "Next")
    console().print(table("Pods", columns, [tuple(asdict(pod).values()) for pod in pods]))
    if not pods:
        typer.echo("No pod is quarantined or moving.")
    rows = [tuple(asdict(policy).values()) for policy in policies]
    console().print(table("Policies", ("Policy", "Mode", "Stands", "Next"), rows))


def affected(api: Cluster) -> list[Affected]:
    """Return the pods in quarantine and those that are being replaced, of all namespaces."""
    found = [_quarantined(pod) for pod in api.list(PODS, labels=f"{marks.COMPROMISED}={marks.TRUE}")]
    return found + [_retiring(pod) for pod in api.list(PODS, labels=f"{marks.RETIRING}={marks.TRUE}")]


def standing(api: Cluster) -> list[Policy]:
    """Return every policy, those of response in the order in which they are tried."""
    responses = sorted(api.list(RESPONSE_POLICIES), key=lambda policy: (policy["spec"]["order"], _name(policy)))
    return [_response(policy) for policy in responses] + [_rotation(policy) for policy in api.list(ROTATION_POLICIES)]


def _quarantined(pod: Mapping[str, Any]) -> Affected:
    notes = marks.annotations_of(pod)
    why = f"{notes.get(marks.RULE, '?')} (policy {notes.get(marks.POLICY, '?')}, alert {notes.get(marks.ALERT, '?')})"
    place, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    return Affected(
        pod=f"{place}/{name}",
        state="quarantined",
        workload=notes.get(marks.WORKLOAD, ""),
        since=notes.get(marks.QUARANTINED_AT, ""),
        why=why,
        next=f"stays until `molt release -n {place} {name}`",
    )


def _retiring(pod: Mapping[str, Any]) -> Affected:
    notes = marks.annotations_of(pod)
    return Affected(
        pod=f"{pod['metadata']['namespace']}/{pod['metadata']['name']}",
        state="moving",
        workload=notes.get(marks.OWNER, ""),
        since=notes.get(marks.RETIRING_SINCE, ""),
        why=notes.get(marks.REASON, ""),
        next="serves until its replacement is Ready, then is evicted",
    )


def _response(policy: Mapping[str, Any]) -> Policy:
    remedies = [name for remedy in policy["spec"].get("remedies", []) for name in remedy]
    return Policy(f"ResponsePolicy/{_name(policy)}", policy["spec"]["mode"], _accepted(policy), " then ".join(remedies))


def _rotation(policy: Mapping[str, Any]) -> Policy:
    state = policy.get("status") or {}
    stands = f"{state.get('managed', '?')} managed, {state.get('moving', '?')} moving"
    name = f"RotationPolicy/{policy['metadata']['namespace']}/{_name(policy)}"
    return Policy(name, policy["spec"]["mode"], stands, state.get("nextRotation", ""))


def _accepted(policy: Mapping[str, Any]) -> str:
    conditions = (policy.get("status") or {}).get("conditions") or []
    wrong = [
        entry.get("message", "") for entry in conditions if (entry["type"], entry["status"]) == ("Accepted", "False")
    ]
    return wrong[0] if wrong else f"order {policy['spec']['order']}"


def _name(policy: Mapping[str, Any]) -> str:
    return str(policy["metadata"]["name"])
