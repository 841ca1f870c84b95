"""`molt status`: who is quarantined or moving, why, since when, and what comes next."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import typer

from molt import ledger, marks
from molt.cli import affected, dead_letters, standing
from molt.cli.affected import Affected
from molt.cli.age import lasting, relative, seconds
from molt.cli.options import ContextOption, JsonOption, StateOption, folder
from molt.cli.output import say, show_json, show_table
from molt.cli.reach import cluster as reach
from molt.cli.standing import Answering, Rotating
from molt.cluster import PODS, RESPONSE_POLICIES, ROTATION_POLICIES
from molt.outcome import SystemClock


def status(
    context: typer.Context, cluster: ContextOption = "", state: StateOption = None, json_: JsonOption = False
) -> None:
    """Show who is quarantined or moving, why, since when and what comes next; and how the policies stand."""
    api, now = reach(context.obj, folder(context, state), cluster), SystemClock().now()
    pods = [affected.quarantined(pod) for pod in api.list(PODS, labels=affected.SELECTOR_OF_QUARANTINED)]
    pods += [affected.moving(pod) for pod in api.list(PODS, labels=affected.SELECTOR_OF_MOVING)]
    responses = standing.answering(api.list(RESPONSE_POLICIES))
    rotations = standing.rotating(api.list(ROTATION_POLICIES))
    breakers, letters = ledger.opened(api, now), dead_letters.count(api)
    if json_:
        aged = [{**asdict(pod), "age_seconds": seconds(pod.since, now)} for pod in pods]
        exposed = [{**asdict(one), "exposure_seconds": seconds(one.exposed_since, now)} for one in rotations]
        policies = {"response": [asdict(one) for one in responses], "rotation": exposed}
        show_json(
            {
                "pods": aged,
                "policies": policies,
                "breakers": {policy: marks.stamp(end) for policy, end in breakers.items()},
                "deadLetters": letters,
            }
        )
        return
    _show_pods(pods, now)
    for policy, end in breakers.items():
        say(f"The breaker of {policy} is open until {end:%H:%M:%S}Z. To close it: molt breaker reset {policy}")
    if letters:
        say(f"Dead letters: {letters}. What could not be done, and why: molt dead-letters list")
    _show_policies(responses, rotations, now)


def _show_pods(pods: list[Affected], now: datetime) -> None:
    if not pods:
        say("No pod is quarantined or moving.")
        return
    columns = ("Pod", "State", "Workload", "Since", "Why", "Next")
    rows = [
        (f"{pod.namespace}/{pod.pod}", pod.state, pod.workload, relative(pod.since, now), _why(pod), pod.next)
        for pod in pods
    ]
    show_table(columns, rows, "Pods")
    _show_leaks(pods)
    first = next((pod for pod in pods if pod.state == "quarantined"), None)
    if first:
        say(f"The way back from quarantine: molt release -n {first.namespace} {first.pod}")


def _show_leaks(pods: list[Affected]) -> None:
    leaks = [(f"{pod.namespace}/{pod.pod}", *_halves(leak)) for pod in pods for leak in pod.leaks]
    if leaks:
        show_table(("Pod", "Leak", "Particulars"), leaks, "What still leaks from quarantine")


def _halves(leak: str) -> tuple[str, str]:
    kind, _, particulars = leak.partition(": ")
    return kind, particulars


def _why(pod: Affected) -> str:
    return f"{pod.why} (policy {pod.policy})" if pod.policy else pod.why


def _show_policies(responses: list[Answering], rotations: list[Rotating], now: datetime) -> None:
    if responses:
        answers = [
            (_number(one.order), one.policy, one.mode, one.problem or ", then ".join(one.remedies) or "nothing")
            for one in responses
        ]
        title = "What is done about an alert, by the first of these that matches"
        show_table(("Order", "ResponsePolicy", "Mode", "Remedies"), answers, title)
    if rotations:
        columns = ("RotationPolicy", "Mode", "Managed", "Due", "Moving", "Blocked", "Exposure", "Last", "Next")
        show_table(columns, [_rotation(one, now) for one in rotations], "Who is moved by the clock")
        _show_attacked(rotations, now)
        _show_blocking(rotations, now)
    if not responses and not rotations:
        say("There is no policy: nothing is done about any alert.")


def _rotation(one: Rotating, now: datetime) -> tuple[str, ...]:
    counts = map(_number, (one.managed, one.due, one.moving, one.blocked))
    following = one.problem or relative(one.next, now)
    return one.policy, one.mode, *counts, lasting(one.exposed_since, now), relative(one.last, now), following


def _show_attacked(rotations: list[Rotating], now: datetime) -> None:
    for one in rotations:
        until = marks.time_of(one.under_attack_until)
        if until and until > now:
            say(f"{one.policy} is under attack until {one.under_attack_until}: lifetimes are shorter, and grow back")


def _show_blocking(rotations: list[Rotating], now: datetime) -> None:
    rows = [
        (one.policy, why.reason, _number(why.count), lasting(why.since, now), f"{why.example}: {why.message}")
        for one in rotations
        for why in one.reasons
    ]
    if rows:
        show_table(("RotationPolicy", "Reason", "Pods", "For", "One of them"), rows, "What holds pods up that are due")


def _number(number: int | None) -> str:
    return "" if number is None else str(number)
