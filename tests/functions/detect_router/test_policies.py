"""The policies of the cluster: valid ones are matched, invalid ones are told so once."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from detect_router import policies
from detect_router.parsed import Parsed
from detect_router.policies import Policies
from molt.cluster import Conflict, Forbidden
from tests.functions.detect_router.world import StillClock, World, policy

BROKEN = {"rules": ["*"], "expression": "alert.priority =="}
LISTED, WRITTEN = "list responsepolicies", "patch responsepolicies/status"


def read(world: World) -> list[str]:
    return [known.name for known in policies.read(world, StillClock(), Parsed(), cached=False)]


def conditions(world: World, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.objects["ResponsePolicy", "", name]["status"]["conditions"]
    return found


def test_an_invalid_policy_is_left_out_and_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    """It does not stand in the way of others, and the next alert does not write again."""
    world = World(policy("broken", match=BROKEN), policy("good"))
    assert [["good"], ["good"]] == [read(world), read(world)]
    assert [LISTED, WRITTEN, LISTED] == world.asked
    (condition,) = conditions(world, "broken")
    message = condition.pop("message")
    assert message.startswith("spec.match.expression: ")
    assert {
        "type": "Accepted",
        "status": "False",
        "reason": "Invalid",
        "observedGeneration": 3,
        "lastTransitionTime": "2026-11-01T10:00:31Z",
    } == condition
    (line,) = capsys.readouterr().out.splitlines()
    assert ("warning", "detect-router", f"policy broken: Accepted=False: {message}") == tuple(
        json.loads(line)[name] for name in ("level", "function", "message")
    )


def test_a_policy_that_was_changed_and_is_still_invalid_says_so_anew() -> None:
    """The condition keeps the time since when it holds, and other conditions stay."""
    world = World(policy("broken", match=BROKEN))
    other = {"type": "Other", "status": "True"}
    old = {"type": "Accepted", "status": "False", "observedGeneration": 2, "lastTransitionTime": "2026-10-01T00:00:00Z"}
    world.objects["ResponsePolicy", "", "broken"]["status"] = {"conditions": [old, other]}
    read(world)
    assert [other, "2026-10-01T00:00:00Z", 3] == [
        conditions(world, "broken")[0],
        conditions(world, "broken")[1]["lastTransitionTime"],
        conditions(world, "broken")[1]["observedGeneration"],
    ]


def test_a_policy_that_is_valid_again_hears_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Once; one that was never refused has no condition and needs none."""
    world = World(policy("mended"), policy("good"))
    mended = world.objects["ResponsePolicy", "", "mended"]
    mended["status"] = {"conditions": [{"type": "Accepted", "status": "False", "observedGeneration": 2}]}
    read(world)
    read(world)
    assert [LISTED, WRITTEN, LISTED] == world.asked
    (condition,) = conditions(world, "mended")
    assert ("True", "Valid", "2026-11-01T10:00:31Z") == (
        condition["status"],
        condition["reason"],
        condition["lastTransitionTime"],
    )
    assert "info" == json.loads(capsys.readouterr().out)["level"]


@pytest.mark.parametrize("failure", [Forbidden("no"), Conflict("changed")])
def test_a_status_that_cannot_be_written_loses_no_alert(
    failure: Forbidden | Conflict, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is logged, and the next alert tries again."""
    world = World(policy("broken", match=BROKEN), policy("good"), failure=failure)
    assert ["good"] == read(world)
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert ("warning", f"policy broken: status not written: {failure}") == (last["level"], last["message"])


class SlowWorld(World):
    """A world whose first list takes as long as others wait for it."""

    wait: Any = None

    def list(self, *asked: Any, **more: Any) -> Any:
        """Return the list as it is before the wait."""
        found = super().list(*asked, **more)
        wait, self.wait = self.wait, None
        if wait:
            wait()
        return found


def test_alerts_that_come_at_once_share_a_list_that_is_read_after_they_came() -> None:
    """A policy that was made while another alert's list was read is in theirs."""
    world, known = SlowWorld(policy("old")), Policies()

    def read_now() -> list[str]:
        return [one.name for one in known.read(world, StillClock())]

    with ThreadPoolExecutor(5) as pool:

        def wait() -> None:
            others.extend(pool.submit(read_now) for _ in range(4))
            while len(known._readers._waiting) < 4:
                time.sleep(0.001)
            world.objects["ResponsePolicy", "", "new"] = policy("new")

        others: list[Any] = []
        world.wait = wait
        assert ["old"] == read_now()
        assert {("new", "old")} == {tuple(sorted(other.result())) for other in others}
    assert [LISTED] * 2 == world.asked
