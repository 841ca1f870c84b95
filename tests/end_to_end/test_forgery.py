"""Whoever can post to the broker, or to a function itself, gives nobody orders: see docs/threat-model.md.

On the embedded cluster: every part is a process of its own, with the keys that the runtime made.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3

from molt import events
from molt.cluster import DEPLOYMENTS, EVENTS
from molt.embedded.runtime import install, ledger
from molt.embedded.runtime.runtime import Runtime
from molt.embedded.runtime.state import StateFolder
from molt.events import Event
from molt.itinerary import Step
from molt.seal import Seal
from tests.end_to_end.conftest import kept
from tests.end_to_end.shop import Shop, uids, until
from tests.end_to_end.test_accounting import no_traceback, post
from tests.functions.slips import event_of, slip_for

TERMINATE = Step("terminate", {"force": True})
UNSIGNED = "it has no signature"
ALTERED = "its signature does not belong to it"
FOREIGN = "it was signed in another cluster"
UNKNOWN = "it was signed with a key that is not known here"
EXPIRED = "its signature has expired"


@pytest.fixture
def runtime(folder: Path) -> Iterator[Runtime]:
    """Run a runtime on the embedded cluster, whose clock stands still."""
    with kept(folder) as started:
        yield started


def seal_of(runtime: Runtime) -> Seal:
    """Return the seal of the runtime's functions."""
    key, cluster = (install.secret_value(runtime.admin, "molt", "signing-key", name) for name in ("key", "cluster"))
    return Seal((key.encode(),), cluster)


def order(pod: Mapping[str, Any], name: str) -> Event:
    """Return the order to end a pod at once, as the router would give it, unsigned."""
    slip = slip_for(pod, TERMINATE, alert={"id": name})
    return event_of(
        slip, id=name, subject=f"shop/pod/{name}", extensions={"remedy": "terminate"}, time=datetime.now(UTC)
    )


def forgeries(pod: Mapping[str, Any], seal: Seal, now: datetime) -> dict[str, Event]:
    """Return orders that no function of this cluster gave, by the reason for which each is refused."""
    rehearsal = event_of(
        replace(slip_for(pod, TERMINATE, alert={"id": "altered"}), mode="DryRun"),
        id="altered",
        extensions={"remedy": "terminate"},
    )
    signed = seal.sign(rehearsal, now)
    return {
        UNSIGNED: order(pod, "unsigned"),
        ALTERED: replace(signed, data={**signed.data, "mode": "Enforce"}),
        FOREIGN: Seal(seal.keys, "elsewhere").sign(order(pod, "foreign"), now),
        UNKNOWN: Seal((b"a key that somebody made up himself",), seal.cluster).sign(order(pod, "unknown"), now),
        EXPIRED: seal.sign(order(pod, "expired"), now - timedelta(hours=2)),
    }


def ends(folder: Path, count: int) -> dict[str, str]:
    """Wait for as many dead letters, and return the reason of each alert."""
    deadline = time.monotonic() + 60
    while True:
        found = {
            str(line["alert"]): str(line["reason"])
            for line in ledger.lines(StateFolder(folder).logs)
            if line.get("fate") == "dead-lettered"
        }
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def test_a_forged_order_ends_in_the_dead_letter_and_nothing_is_touched(runtime: Runtime, folder: Path) -> None:
    """Unsigned, altered, foreign, with another key, too late: 403, once, with the reason; a true one is done."""
    with Shop.opened(runtime.admin) as shop:
        pod, other = shop.workload(DEPLOYMENTS, 2)
        seal = seal_of(runtime)
        forged = forgeries(pod, seal, datetime.now(UTC))
        for event in forged.values():
            post(runtime, *events.render(event))
        found = ends(folder, len(forged))
        assert {event.data["alert"]["id"] for event in forged.values()} == set(found)
        for reason, event in forged.items():
            assert found[event.data["alert"]["id"]].startswith(f"403 {reason}")
        refused = [line for line in ledger.lines(StateFolder(folder).logs) if line.get("outcome") == "refused"]
        assert [("terminate", 403, 0)] * 5 == [(one["function"], one["status"], one["api_calls"]) for one in refused]
        assert uids([pod, other]) == uids(shop.pods("web"))
        told = [one for one in runtime.admin.list(EVENTS, "molt") if one["reason"] == "MoltEventRefused"]
        assert ["terminate"] * 5 == [one["regarding"]["name"] for one in told]
        assert sorted(forged) == sorted(one["note"].rpartition(": ")[2] for one in told)
        post(runtime, *events.render(seal.sign(order(other, "true"), datetime.now(UTC))))
        until(lambda: other["metadata"]["uid"] not in uids(shop.pods("web")))
        assert pod["metadata"]["uid"] in uids(shop.pods("web"))
    no_traceback(folder)


def test_who_reaches_a_function_itself_gives_it_no_order_either(runtime: Runtime) -> None:
    """Past the broker, by its own address; nor does the router take a slip. The others: their test_main."""
    with Shop.opened(runtime.admin) as shop:
        (pod,) = shop.workload(DEPLOYMENTS, 1)
        for function in ("detect-router", "terminate"):
            headers, body = events.render(replace(order(pod, "direct"), extensions={"remedy": function}))
            assert (403, b"it has no signature\n") == straight(runtime, function, headers, body)
        assert uids([pod]) == uids(shop.pods("web"))


def test_a_forged_tick_is_an_early_look_and_no_more(runtime: Runtime, folder: Path) -> None:
    """Whatever it carries: a remedy, a slip, another source. Who lives by the clock looks, and finds nothing due."""
    with Shop.opened(runtime.admin) as shop:
        (pod,) = shop.workload(DEPLOYMENTS, 1)
        for function in ("quarantine", "rotate"):
            forged = replace(order(pod, "tick"), type=ledger.TICK, extensions={"remedy": function})
            status, said = straight(runtime, function, *events.render(forged))
            assert status in {200, 204}, said
        (same,) = shop.pods("web")
        assert pod["metadata"]["labels"] == same["metadata"]["labels"]
        assert uids([pod]) == uids([same])
    no_traceback(folder)


def straight(runtime: Runtime, function: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
    """Post to a function itself; return status and body of its answer."""
    door = runtime.addresses.falco.replace("/falco", f"/functions/molt/{function}")
    answer = urllib3.request("POST", door, headers=headers, body=body, retries=False, timeout=60)
    return answer.status, answer.data
