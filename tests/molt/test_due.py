"""Who has lived long enough, and the roll that finds pods by label and controller."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molt import marks
from molt.due import AHEAD, REST, Roll, begins, born, due_at, due_between, managed, rests_until
from molt.lifetime import LONG_AGO, Keys
from molt.policy import Lifetime, RotationPolicy, rotation
from molt.policy.selector import Requirement, Selector

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEYS = Keys(b"the new key's bytes", b"the old key's bytes", NOW - HOUR)


def _policy(status: Any = None, /, **spec: Any) -> RotationPolicy:
    spec = {"selector": {}, "lifetime": {"every": "1h"}, **spec}
    envelope = {"apiVersion": "molt-project.io/v1alpha1", "kind": "RotationPolicy", "metadata": {"name": "web"}}
    return rotation.parse({**envelope, "spec": spec, "status": status})


def _pod(name: str = "web-0", hours: float = 2, owner: str = "", **metadata: Any) -> dict[str, Any]:
    owners = [{"kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}] if owner else []
    created = {"creationTimestamp": f"{NOW - hours * HOUR:%Y-%m-%dT%H:%M:%SZ}"}
    return {"metadata": {"name": name, "uid": name, "ownerReferences": owners, **created, **metadata}}


@pytest.mark.parametrize(
    ("spec", "low", "high"),
    [
        ({}, 0.8, 1.0),
        ({"lifetime": {"min": "2h", "max": "6h"}}, 2.0, 6.0),
        ({"minAge": "54m"}, 0.9, 1.0),
        ({"minAge": "3h"}, 3.0, 3.0),
    ],
)
@pytest.mark.parametrize("hours", [0.5, 2])
def test_a_pod_is_due_between_the_ends_of_its_lifetime(
    spec: dict[str, Any], low: float, high: float, hours: float
) -> None:
    """Whichever key draws; without a key the ends are all that can be told."""
    policy, pod = _policy(**spec), _pod(hours=hours)
    ends = due_between(policy, pod, NOW)
    assert (born(pod) + low * HOUR, born(pod) + high * HOUR) == ends
    assert ends[0] <= due_at(policy, pod, KEYS, NOW) <= ends[1]
    assert due_at(policy, pod, KEYS, NOW) == due_at(policy, pod, Keys(KEYS.of(born(pod))), NOW)


def test_a_pod_whose_move_was_undone_rests() -> None:
    """It is due again an hour later, with and without a key."""
    pod = _pod(annotations={marks.STAYED_SINCE: marks.stamp(NOW)})
    assert NOW + REST == due_at(_policy(), pod, KEYS, NOW)
    assert (NOW + REST, NOW + REST) == due_between(_policy(), pod, NOW)


def test_a_rest_that_begins_in_time_to_come_is_none() -> None:
    """Whoever may annotate a pod would keep it for ever; clocks that are minutes apart are believed."""
    pod = _pod(annotations={marks.STAYED_SINCE: marks.stamp(NOW + AHEAD)})
    assert NOW + AHEAD + REST == rests_until(pod, NOW)
    pod["metadata"]["annotations"][marks.STAYED_SINCE] = marks.stamp(NOW + AHEAD + timedelta(seconds=1))
    assert rests_until(pod, NOW) is None
    assert due_at(_policy(), pod, KEYS, NOW) < NOW + REST


@pytest.mark.parametrize(
    ("spec", "since", "low", "high"),
    [
        ({}, 0, 0, 0),
        ({"lifetime": {"min": "4h30m", "max": "7h"}}, -1, 0, 6),
        ({"underAttack": None}, 0, 3, 6),
        ({}, None, 3, 6),
        ({"minAge": "3h"}, 0, 2, 2),
        ({"lifetime": {"min": "4h", "max": "60h"}}, 0, 0, 59),
    ],
)
def test_a_pod_is_due_sooner_in_an_alarm(spec: dict[str, Any], since: float | None, low: float, high: float) -> None:
    """An hour old at noon; by the policy's status, and never below minAge. All in hours from noon."""
    spec = {"lifetime": {"min": "4h", "max": "7h"}, "underAttack": {"factor": 8, "for": "2h"}, **spec}
    status = {} if since is None else {"underAttackSince": marks.stamp(NOW + since * HOUR)}
    policy, pod = _policy(status, **spec), _pod(hours=1)
    assert (NOW + low * HOUR, NOW + high * HOUR) == due_between(policy, pod, NOW)
    assert low <= (due_at(policy, pod, KEYS, NOW) - NOW) / HOUR <= high


@pytest.mark.parametrize("status", [None, "x", {"underAttackSince": 5}, {"underAttackSince": "soon"}])
def test_a_status_that_nobody_can_read_is_no_alarm(status: Any) -> None:
    """Its lifetimes are as ever."""
    assert _policy(status, underAttack={"factor": 8, "for": "2h"}).alarm is None


def test_a_pod_that_does_not_say_when_it_was_made_is_due() -> None:
    """It is older than any."""
    pod = _pod(creationTimestamp=None)
    assert LONG_AGO == born(pod)
    assert due_at(_policy(), pod, KEYS, NOW) < NOW


NIGHTS = [{"cron": "0 22 * * *", "duration": "4h"}]


@pytest.mark.parametrize(
    ("spec", "due", "expected"),
    [
        ({}, 1, 1),
        ({}, -1, -1),
        ({"windows": NIGHTS}, 1, 10),
        ({"windows": NIGHTS}, -1, 10),
        ({"windows": NIGHTS}, 11, 11),
        ({"windows": NIGHTS}, 15, 34),
        ({"blackouts": NIGHTS}, 11, 14),
        ({"windows": NIGHTS, "blackouts": NIGHTS}, 1, None),
    ],
)
def test_a_move_begins_when_it_is_due_or_when_windows_let_it(
    spec: dict[str, Any], due: int, expected: int | None
) -> None:
    """All in hours from now; what is overdue does not begin in the past of a window."""
    found = begins(_policy(**spec), NOW + due * HOUR, NOW)
    assert (None if expected is None else NOW + expected * HOUR) == found


_labels = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"))
_requirements = st.builds(
    Requirement,
    st.sampled_from("abc"),
    st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
    st.lists(st.sampled_from("xyz"), min_size=1).map(tuple),
)


@given(st.lists(_labels), st.lists(_requirements, max_size=3))
def test_the_roll_misses_no_pod(labels: list[dict[str, str]], requirements: list[Requirement]) -> None:
    """Among the pods that are near a selector are all that it selects, each once; the words agree with the verdict."""
    pods = [_pod(str(index), labels=given) for index, given in enumerate(labels)]
    selector = Selector(tuple(requirements))
    policy = RotationPolicy("p", "n", "", 0, "Enforce", selector, Lifetime(HOUR, HOUR), "Evict", None, HOUR)  # type: ignore[arg-type]
    expected = {pod["metadata"]["uid"] for pod in pods if selector.explain(marks.labels_of(pod)) is None}
    found = [pod["metadata"]["uid"] for pod in managed(policy, Roll(pods).near(selector))]
    assert expected == set(found)
    assert len(expected) == len(found)


def test_the_roll_knows_whose_pods_they_are() -> None:
    """By controller; a pod without one is nobody's."""
    pods = [_pod("1", owner="a"), _pod("2", owner="b"), _pod("3"), _pod("4", owner="a"), _pod("5", owner="c")]
    assert ["1", "4", "2"] == [pod["metadata"]["name"] for pod in Roll(pods).owned({"b", "a", "z"})]
