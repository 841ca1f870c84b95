"""Secrets get new values by the clock, and their dependants are restarted in order.

| a tick finds                                        | it                                                          |
|-----------------------------------------------------|-------------------------------------------------------------|
| values that have lived long enough, dependants whole| moves them to -previous, and writes new ones: one patch     |
| a dependant not restarted since, those before whole | restarts it                                                 |
| all restarted and whole                             | removes -previous                                           |
| a dependant that does not get on with the new value | lets old and new change places, restarts who was restarted  |
| a Secret that it may not touch, or that is not fit  | leaves it, with the reason and the way out                  |
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from molt import marks
from molt.cluster import SECRETS, Conflict, Forbidden, Rejected, Unavailable
from molt.outcome import Done, Skipped
from rotate import restart
from rotate.fleet import muster
from tests.functions.fake_cluster import FakeClock, FakeCluster
from tests.functions.rotate.vault import DEPENDANTS, OLD, TICK, Vault, coded, handle, tick, told_of_secret, trail

OURS = {marks.REGENERATING, marks.REGENERATING_SINCE, marks.PUT_BACK_AT, marks.STAYED_SINCE, marks.STAYS}
WATCH = ["list deployments", "list statefulsets", "list daemonsets"]


@pytest.fixture
def vault() -> Vault:
    return Vault(FakeClock())


def _events(vault: FakeCluster) -> list[tuple[str, str, str, str]]:
    """Return what was told of Secrets; of restarts it is told as of any."""
    return [
        (obj["type"], obj["reason"], obj["regarding"]["kind"], obj["note"])
        for (plural, _, _), obj in vault.objects.items()
        if plural == "events" and obj["reason"] != "Rotated"
    ]


def test_a_regeneration_from_beginning_to_end(vault: Vault) -> None:
    """New value; db restarts; web restarts; the former value goes, and nobody ever ran without a valid one."""
    expected = ("db", "moving", "new values for password; next StatefulSet/db, Deployment/web restarts")
    assert [expected] == tick(vault)
    assert (OLD, coded("molt")) == (vault.former, vault.secret["data"]["user"])
    assert re.fullmatch(r"[A-Za-z0-9]{32}", vault.password)
    assert ("password", "credentials") == (vault.notes[marks.REGENERATING], vault.notes[marks.POLICY])
    assert {OLD} == vault.running("db") | vault.running("web")
    assert ("db", "moving", "StatefulSet/db restarts") in tick(vault)
    assert ({vault.password}, {OLD}) == (vault.running("db"), vault.running("web"))
    assert ("db", "moving", "Deployment/web restarts") in tick(vault)
    assert {vault.password} == vault.running("web")
    ((name, outcome, done),) = tick(vault)
    assert ("db", "acted") == (name, outcome)
    assert re.fullmatch(r"password regenerated, and the former values are gone; next at 2026-11-24T12:[45].Z", done)
    assert {"password", "user"} == vault.secret["data"].keys()
    assert set() == OURS & vault.notes.keys()
    assert "2026-11-24T12:00:00.250000Z" == vault.notes[marks.REGENERATED_AT]
    assert [("Normal", "MoltSecretRegenerated", "RotationPolicy", f"Secret db: {done}")] == _events(vault)
    assert [] == tick(vault)


def test_the_next_one_is_due_after_a_lifetime(vault: Vault) -> None:
    """Counted from when the values were made."""
    for _ in range(4):
        tick(vault)
    first = vault.password
    vault.clock.time += timedelta(minutes=40)
    assert [] == tick(vault)
    vault.clock.time += timedelta(minutes=20)
    assert 1 == len(tick(vault))
    assert first == vault.former


def test_what_it_costs(vault: Vault) -> None:
    """One get when nothing is due; then three lists a dependant with ReplicaSets, two without, and a patch."""
    start, plan = ["list rotationpolicies", "list pods", "list nodes"], ["list pods"]
    look = ["list statefulsets", "list pods", "list deployments", "list replicasets", "list pods"]
    status = ["patch rotationpolicies/status"]
    handle(TICK, vault, vault.clock)
    assert [*start, "get secrets", "get namespaces", *look, "patch secrets", *WATCH, *plan, *status] == vault.asked()
    for _ in range(3):
        tick(vault)
    vault.asked()
    handle(TICK, vault, vault.clock)
    assert [*start, "get secrets", *WATCH, *plan] == vault.asked()


@pytest.mark.parametrize(
    ("alphabet", "length", "pattern"),
    [("alphanumeric", 16, "[A-Za-z0-9]{16}"), ("hex", 128, "[0-9a-f]{128}"), ("base64", 64, "[A-Za-z0-9+/]{64}")],
)
def test_new_values_are_as_asked_for(alphabet: str, length: int, pattern: str) -> None:
    """Each key has one of its own."""
    vault = Vault(FakeClock(), alphabet=alphabet, length=length, keys=["password", "user"], dependants=[])
    assert ("moving", "new values for password, user") == told_of_secret(vault)
    values = {name: base64.b64decode(text).decode() for name, text in vault.secret["data"].items()}
    assert all(re.fullmatch(pattern, values[name]) for name in ("password", "user"))
    assert (OLD, "molt") == (values["password-previous"], values["user-previous"])
    assert values["password"] != values["user"]
    if alphabet == "base64":
        assert length * 3 // 4 == len(base64.b64decode(values["password"], validate=True))


def test_no_value_is_drawn_twice(vault: Vault) -> None:
    """Not by the same process, not for the same Secret."""
    drawn = set()
    for _ in range(3):
        while not vault.former:
            vault.clock.time += timedelta(hours=1)
            tick(vault)
        drawn.add(vault.password)
        while vault.former:
            tick(vault)
    assert 3 == len(drawn)


def test_each_dependant_waits_for_the_one_before(vault: Vault) -> None:
    """Until all of its pods are Ready."""
    tick(vault)
    vault.readiness = timedelta(minutes=3)
    tick(vault)
    for _ in range(2):
        expected = "its dependants restart: StatefulSet/db has 0 of 2 pods Ready"
        assert ("moving", expected) == told_of_secret(vault)
    assert {OLD} == vault.running("web")
    assert ("moving", "Deployment/web restarts") == told_of_secret(vault)


def test_a_dependant_in_a_rollout_of_its_own_is_waited_for(vault: Vault) -> None:
    """The former value stays until it has been restarted."""
    tick(vault)
    vault.top("db")["metadata"]["generation"] += 1
    reason = "StatefulSet/db has a change that its controller has not seen yet"
    assert ("skipped", f"its dependants restart: {reason}") == told_of_secret(vault)
    assert OLD == vault.former


@pytest.mark.parametrize(
    ("change", "name", "ready"),
    [
        ({"paused": True}, "Paused", "Paused"),
        ({"strategy": {"type": "Recreate"}}, "CannotRestart", "PodsBlocked"),
    ],
)
def test_what_holds_it_up_half_way_is_seen(vault: Vault, change: dict[str, Any], name: str, ready: str) -> None:
    """It may never end by itself, and the former value is good as long: so the status says it."""
    for _ in range(2):
        tick(vault)
    vault.top("web")["spec"] |= change
    for _ in range(12):
        told = told_of_secret(vault)
    assert ("skipped", True) == (told[0], told[1].startswith("its dependants restart: Deployment/web is"))
    status = vault.objects["rotationpolicies", "shop", "credentials"]["status"]
    (held,) = status["blocked"]["reasons"]
    assert (name, 1, "Secret/db") == (held["reason"], held["count"], held["example"])
    assert ready == next(each["reason"] for each in status["conditions"] if each["type"] == "Ready")


def test_an_overlap_is_kept_without_a_word(vault: Vault) -> None:
    """The former value goes when it is over."""
    vault.regenerate(overlap="30m")
    for _ in range(3):
        tick(vault)
    assert [] == tick(vault)
    vault.clock.time += timedelta(minutes=26)
    assert OLD == vault.former
    assert "acted" == told_of_secret(vault)[0]
    assert "" == vault.former


def test_a_dependant_that_is_gone_needs_no_restart(vault: Vault) -> None:
    """Nothing of it runs with the former value."""
    tick(vault)
    del vault.objects["statefulsets", "shop", "db"]
    for pod in [pod for pod in vault.pods() if pod["metadata"]["labels"]["app"] == "db"]:
        del vault.objects["pods", "shop", pod["metadata"]["name"]]
    assert [("moving", "Deployment/web restarts"), "acted"] == [told_of_secret(vault), told_of_secret(vault)[0]]


def test_who_does_not_get_on_with_the_new_value_gets_the_former_one_back(vault: Vault) -> None:
    """The values change places before the restart is undone; who was restarted before is restarted once more."""
    vault.broken = {"web"}
    for _ in range(3):
        tick(vault)
    new = vault.password
    assert ({new}, {new}) == (vault.running("db"), vault.running("web"))
    told = tick(vault)
    assert ["db", "Deployment/web"] == [who for who, _, _ in told]
    outcome, reason = told[0][1:]
    assert ("skipped", True) == (outcome, reason.startswith("the former values of password are back: pod web-"))
    assert (OLD, new) == (vault.password, vault.former)
    assert ({new}, {OLD}) == (vault.running("db"), vault.running("web"))
    assert ("moving", "StatefulSet/db restarts") == told_of_secret(vault)
    assert {OLD} == vault.running("db")
    assert ("skipped", "as before 2026-11-24T12:00:00.250000Z: its regeneration was undone") == told_of_secret(vault)
    assert (OLD, "") == (vault.password, vault.former)
    assert {marks.STAYED_SINCE, marks.STAYS} == OURS & vault.notes.keys()
    assert marks.REGENERATED_AT not in vault.notes
    warning = ("Warning", "MoltRegenerationUndone", "RotationPolicy", f"Secret db: {reason}")
    assert warning in _events(vault)


def test_on_the_way_back_each_is_waited_for_too(vault: Vault) -> None:
    """What was restarted again is on the move; nothing holds it up."""
    vault.broken = {"web"}
    while marks.PUT_BACK_AT not in vault.notes:
        tick(vault)
    vault.readiness = timedelta(minutes=3)
    told = [told_of_secret(vault) for _ in range(3)]
    assert ("moving", "StatefulSet/db restarts") in told
    assert ("moving", "its former values are back: StatefulSet/db has 0 of 2 pods Ready") in told


def test_what_was_put_back_in_time_needs_no_other_restart() -> None:
    """The restart was undone after that, by the same tick: its pods have read the former value."""

    class Ticking(FakeClock):
        def now(self) -> datetime:
            self.time += timedelta(milliseconds=1)
            return self.time

    vault = Vault(Ticking())
    vault.broken = {"web"}
    told = [told_of_secret(vault) for _ in range(6)]
    assert ["moving", "moving", "moving", "skipped", "moving", "skipped"] == [outcome for outcome, _ in told]
    assert ("StatefulSet/db restarts", "") == (told[4][1], vault.former)
    assert "its regeneration was undone" in told[5][1]


def test_after_a_failure_it_rests(vault: Vault) -> None:
    """An hour, then two; success forgets it."""
    vault.broken = {"web"}
    for _ in range(6):
        tick(vault)
    assert "its regeneration was undone: tried again from 2026-11-24T13:03:00" in told_of_secret(vault)[1]
    vault.clock.time += timedelta(minutes=50)
    assert "skipped" == told_of_secret(vault)[0]
    status = vault.objects["rotationpolicies", "shop", "credentials"]["status"]
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    assert ("ReplacementStuck", True) == (ready["reason"], ", 1 Secret: its regeneration was" in ready["message"])
    vault.clock.time += timedelta(minutes=10)
    for _ in range(6):
        tick(vault)
    assert "2" == vault.notes[marks.STAYS]
    vault.clock.time += timedelta(hours=1)
    assert "skipped" == told_of_secret(vault)[0]
    vault.broken = set()
    vault.clock.time += timedelta(hours=1)
    for _ in range(4):
        tick(vault)
    assert set() == OURS & vault.notes.keys()
    assert OLD != vault.password


def test_a_restart_that_was_undone_before_is_a_failure_too(vault: Vault) -> None:
    """Two instances: the one that watches restarts was faster. It may have pods with the new value: it restarts."""
    vault.broken = {"db"}
    for _ in range(2):
        tick(vault)
    new, top = vault.password, vault.top("db")
    vault.merge(restart.RESOURCES["StatefulSet"], "db", restart.back(top, vault.clock.now()), "shop")
    vault.clock.sleep(30)
    assert {new} == vault.running("db")
    outcome, reason = told_of_secret(vault)
    expected = "the former values of password are back: the restart of StatefulSet/db was undone"
    assert ("skipped", expected) == (outcome, reason)
    outcome, reason = told_of_secret(vault)
    assert "its former values are back: the last restart of StatefulSet/db was undone" == reason.partition(": tried")[0]
    vault.clock.time += timedelta(hours=1)
    assert ("moving", "StatefulSet/db restarts") == told_of_secret(vault)
    assert {OLD} == vault.running("db")
    assert ("skipped", "") == (told_of_secret(vault)[0], vault.former)


def test_a_restart_that_was_undone_by_a_clock_that_is_behind(vault: Vault) -> None:
    """It says that it was before the regeneration; but then the workload would have rested."""
    vault.broken = {"db"}
    for _ in range(2):
        tick(vault)
    earlier = restart.back(vault.top("db"), vault.clock.now() - timedelta(minutes=4))
    vault.merge(restart.RESOURCES["StatefulSet"], "db", earlier, "shop")
    vault.clock.sleep(30)
    expected = "the former values of password are back: the restart of StatefulSet/db was undone"
    assert ("skipped", expected) == told_of_secret(vault)


def test_the_way_back_is_later_than_every_restart(vault: Vault) -> None:
    """Though one was stamped by a clock that is ahead: it has read the new value, and restarts once more."""
    vault.broken = {"web"}
    for _ in range(3):
        tick(vault)
    ahead = marks.stamp(vault.clock.now().replace(microsecond=0) + timedelta(minutes=4))
    vault.top("db")["spec"]["template"]["metadata"]["annotations"][restart.STAMP] = ahead
    assert "skipped" == told_of_secret(vault)[0]
    assert vault.notes[marks.PUT_BACK_AT] > ahead
    assert ("moving", "StatefulSet/db restarts") == told_of_secret(vault)


def test_who_is_stuck_within_the_second_of_its_restart(vault: Vault) -> None:
    """What is put back then is not dated later than the restart's undoing, which follows in the same tick."""
    vault.broken = {"web"}
    for _ in range(2):
        tick(vault)
    handle(TICK, vault, vault.clock)
    vault.clock.sleep(0.5)
    for pod in vault.pods():
        if pod["metadata"]["labels"]["app"] == "web":
            pod["breaks-at"] = marks.stamp(vault.clock.now())
    told = [told_of_secret(vault) for _ in range(3)]
    assert ["skipped", "moving", "skipped"] == [outcome for outcome, _ in told]
    assert "its regeneration was undone" in told[2][1]


@pytest.mark.parametrize("theirs", ["change", "pause", "restart"])
def test_what_somebody_else_has_done_to_a_dependant_is_theirs(vault: Vault, theirs: str) -> None:
    """It may be the cause of its trouble, or the cure: the values stay, both of them."""
    vault.broken = {"db"}
    for _ in range(2):
        tick(vault)
    spec = vault.top("db")["spec"]
    match theirs:
        case "change":
            spec["template"]["spec"] = {"containers": [{"name": "main", "image": "db:2"}]}
        case "pause":
            spec["paused"] = True
        case _:
            spec["template"]["metadata"]["annotations"][restart.STAMP] = marks.stamp(vault.clock.now())
    expected = "its dependants restart: StatefulSet/db has 0 of 2 pods Ready"
    assert [("moving", expected)] * 2 == [told_of_secret(vault), told_of_secret(vault)]
    assert OLD == vault.former


@pytest.mark.parametrize("notes", [{marks.POLICY: "web"}, {}])
def test_a_later_restart_that_is_stuck_is_no_fault_of_the_secret(notes: dict[str, str]) -> None:
    """Who was whole with the new value when the clock restarted it is; of an alert's restart nobody knows."""
    vault = Vault(FakeClock(), overlap="2h")
    for _ in range(4):
        tick(vault)
    vault.broken = {"web"}
    top, new = vault.top("web"), vault.password
    (fleet,) = (one for one in muster({"Deployment": [top]}) if one.name == "web")
    restart.begin(vault, fleet, vault.clock.now(), notes)
    for _ in range(2):
        vault.clock.sleep(60)
        told = trail(handle(TICK, vault, vault.clock))
    undone = [said for name, _, said in told if name == "Deployment/web"]
    assert undone
    assert (new if notes else OLD) == vault.password
    assert (OLD if notes else new) == vault.former


@pytest.mark.parametrize("manager", ["molt", "kubectl-edit"])
@pytest.mark.parametrize("field", ["f:password", "f:password-previous", "f:user"])
def test_what_somebody_has_written_is_not_replaced(vault: Vault, manager: str, field: str) -> None:
    """The API server knows who wrote a key last; theirs would be lost in the end."""
    vault.broken = {"web"}
    for _ in range(3):
        tick(vault)
    new = vault.password
    written = [{"manager": "x"}, {"manager": manager, "fieldsV1": {"f:data": {".": {}, field: {}}}}]
    vault.secret["metadata"]["managedFields"] = written
    _, outcome, reason = tick(vault)[0]
    theirs = manager != "molt" and field != "f:user"
    said = f"{manager} has written {field[2:]} since, and nothing is put back: pod web-"
    assert ("skipped", theirs) == (outcome, reason.startswith(said)), reason
    assert (new if theirs else OLD) == vault.password


@pytest.mark.parametrize("ahead", [timedelta(minutes=4), timedelta(days=400)])
def test_a_restart_in_the_future_is_not_believed(vault: Vault, ahead: timedelta) -> None:
    """A clock that is a little ahead is; one that is far off was somebody's mistake."""
    tick(vault)
    stamp = marks.stamp(vault.clock.now() + ahead)
    vault.top("db")["spec"]["template"] = {"metadata": {"annotations": {restart.STAMP: stamp}}}
    believed = ahead < timedelta(minutes=5)
    assert ("moving", f"{'Deployment/web' if believed else 'StatefulSet/db'} restarts") == told_of_secret(vault)


def _unannotated(vault: Vault) -> None:
    vault.secret["metadata"]["annotations"][marks.REGENERABLE] = "yes"


def _owned(vault: Vault) -> None:
    owner = {"kind": "ExternalSecret", "name": "db", "uid": "x", "controller": True}
    vault.secret["metadata"]["ownerReferences"] = [owner]


def _unreadable(vault: Vault) -> None:
    vault.secret["metadata"]["annotations"] |= {marks.REGENERATING: "password", marks.REGENERATING_SINCE: "now"}


def _typed(vault: Vault) -> None:
    vault.secret["type"] = "kubernetes.io/tls"


def _keyless(vault: Vault) -> None:
    del vault.secret["data"]["password"]


def _taken(vault: Vault) -> None:
    vault.secret["data"]["password-previous"] = coded("mine")


def _gone(vault: Vault) -> None:
    del vault.objects["secrets", "shop", "db"]


def _fewer(vault: Vault) -> None:
    del vault.objects["deployments", "shop", "web"]


def _on_delete(vault: Vault) -> None:
    vault.top("db")["spec"]["updateStrategy"] = {"type": "OnDelete"}


def _partitioned(vault: Vault) -> None:
    vault.top("db")["spec"]["updateStrategy"] = {"rollingUpdate": {"partition": 1}}


def _paused_namespace(vault: Vault) -> None:
    vault.objects["namespaces", "", "shop"]["metadata"]["annotations"] = {marks.PAUSE: "true"}


def _paused_secret(vault: Vault) -> None:
    vault.secret["metadata"]["annotations"][marks.PAUSE] = "true"


def _paused_workload(vault: Vault) -> None:
    vault.top("web")["metadata"]["annotations"] = {marks.PAUSE: "true"}


def _unready(vault: Vault) -> None:
    vault.readiness = None
    vault.remove("db-0")


def _exempt(vault: Vault) -> None:
    vault.namespace("shop", **{marks.EXEMPT: "true"})


@pytest.mark.parametrize(
    ("unfit", "reason"),
    [
        (_unannotated, 'its owner does not let it: it has no annotation molt-project.io/regenerable: "true"'),
        (_owned, "it belongs to ExternalSecret/db, which would put its own values back"),
        (
            _unreadable,
            (
                "nobody can read since when it is regenerated: see its annotations molt-project.io/regenerating-since "
                "and molt-project.io/put-back-at"
            ),
        ),
        (_gone, "there is no such Secret"),
        (_fewer, "its values are old: its dependant Deployment/web is not there"),
        (
            _on_delete,
            "its values are old: StatefulSet/db is updated OnDelete: a restart would replace none of its pods",
        ),
        (
            _partitioned,
            "its values are old: a restart of StatefulSet/db would leave out the pods below its partition 1",
        ),
        (_paused_namespace, "its values are old: namespace shop is paused by molt-project.io/pause"),
        (_paused_secret, "its values are old: Secret db is paused by molt-project.io/pause"),
        (_paused_workload, "its values are old: Deployment/web is paused by molt-project.io/pause"),
        (_unready, "its values are old: StatefulSet/db has 1 of 2 pods Ready"),
        (_exempt, "namespace shop is exempt by its label molt-project.io/exempt"),
    ],
)
def test_what_is_left_as_it_is(vault: Vault, unfit: Callable[[Vault], None], reason: str) -> None:
    """With the reason; none of its values changes."""
    unfit(vault)
    before = vault.secret["data"] if ("secrets", "shop", "db") in vault.objects else None
    ((_, outcome, said),) = trail(handle(TICK, vault, vault.clock))
    assert ("skipped", reason) == (outcome, said)
    assert before is None or before == vault.secret["data"]


@pytest.mark.parametrize(
    ("unfit", "name", "ready"),
    [
        (_paused_namespace, "Paused", "Paused"),
        (_paused_secret, "Paused", "Paused"),
        (_paused_workload, "Paused", "Paused"),
        (_exempt, "Exempt", "OnSchedule"),
        (_unready, "WorkloadNotReady", "PodsBlocked"),
        (_on_delete, "CannotRestart", "PodsBlocked"),
        (_partitioned, "CannotRestart", "PodsBlocked"),
        (_fewer, "Other", "PodsBlocked"),
        (_gone, "Other", "PodsBlocked"),
    ],
)
def test_why_it_is_not_regenerated_has_a_name(
    vault: Vault, unfit: Callable[[Vault], None], name: str, ready: str
) -> None:
    """The same as that for which pods stay: what somebody wants makes no policy unready, however long it lasts."""
    unfit(vault)
    for _ in range(2):
        handle(TICK, vault, vault.clock)
        vault.clock.sleep(660)
    status = vault.objects["rotationpolicies", "shop", "credentials"]["status"]
    assert [(name, 1)] == [(each["reason"], each["count"]) for each in status["blocked"]["reasons"]]
    told = next(each for each in status["conditions"] if each["type"] == "Ready")
    assert (ready, False) == (told["reason"], "1 pod" in told["message"])
    assert ready == "OnSchedule" or "1 Secret" in told["message"]


@pytest.mark.parametrize(
    ("unfit", "reason"),
    [
        (_typed, "its type is not Opaque"),
        (_keyless, "it has no key password"),
        (_taken, "it has a key password-previous, where the former value would be kept"),
    ],
)
def test_what_the_api_server_refuses_is_explained(vault: Vault, unfit: Callable[[Vault], None], reason: str) -> None:
    """It says no more than that it refuses, and nothing of the Secret is read: so it is asked what is wrong."""
    unfit(vault)
    before = json.dumps(vault.secret["data"])
    assert [("db", "refused", reason)] == trail(handle(TICK, vault, vault.clock))
    assert before == json.dumps(vault.secret["data"])


@pytest.mark.parametrize(
    "notes",
    [
        {marks.REGENERATING_SINCE: "9999-12-31T23:59:59Z"},
        {marks.REGENERATING_SINCE: "2026-11-24T11:59:00Z", marks.PUT_BACK_AT: "9999-12-31T23:59:59Z"},
        {marks.REGENERATING_SINCE: "2026-11-24T11:59:00Z", marks.PUT_BACK_AT: "yesterday"},
    ],
)
def test_a_time_that_no_clock_says_holds_up_nobody_else(vault: Vault, notes: dict[str, str]) -> None:
    """Whoever may annotate the Secret may have written it, and what is reckoned from it may be no date."""
    vault.secret["metadata"]["annotations"] |= {marks.REGENERATING: "password", **notes}
    outcome, reason = told_of_secret(vault)
    assert ("skipped", True) == (outcome, reason.startswith("nobody can read since when it is regenerated"))
    assert OLD == vault.password


def test_values_from_a_time_that_no_clock_says_are_as_old_as_the_secret(vault: Vault) -> None:
    """So is the next time, which would be no date."""
    vault.secret["metadata"]["annotations"][marks.REGENERATED_AT] = "9999-12-31T23:59:59Z"
    assert "moving" == told_of_secret(vault)[0]


def test_a_former_value_that_somebody_has_removed_is_missed_by_nobody(vault: Vault) -> None:
    """A regeneration ends all the same, and the next one begins."""
    for _ in range(3):
        tick(vault)
    del vault.secret["data"]["password-previous"]
    assert "acted" == told_of_secret(vault)[0]
    assert set() == OURS & vault.notes.keys()


@pytest.mark.parametrize("gone", ["password", "password-previous"])
def test_what_is_gone_cannot_be_put_back(vault: Vault, gone: str) -> None:
    """It is told, with why it would be; what there is stays as it is, and no letter is dead."""
    vault.broken = {"web"}
    for _ in range(3):
        tick(vault)
    del vault.secret["data"][gone]
    left = dict(vault.secret["data"])
    told = trail(handle(TICK, vault, vault.clock))
    _, outcome, reason = next(entry for entry in told if entry[0] == "db")
    said = "nothing is put back, since one of password, password-previous is gone: pod web-"
    assert ("skipped", True) == (outcome, reason.startswith(said)), reason
    assert left == vault.secret["data"]


def test_who_lets_nobody_write_a_secret_is_quoted(vault: Vault) -> None:
    """A webhook, say; nothing is wrong with the Secret, and no more is asked."""

    def refuse(*_: Any, **__: Any) -> Any:
        vault._asked("patch", SECRETS, "shop")
        raise Rejected('admission webhook "secrets.shop" denied the request: not on Mondays')

    vault.patch_blindly = refuse  # type: ignore[method-assign]
    outcome, reason = told_of_secret(vault)
    assert ("refused", True) == (outcome, "not on Mondays" in reason)
    assert 2 == vault.asked().count("patch secrets")


def test_a_protected_namespace_is_left(vault: Vault) -> None:
    """Whatever a policy there says."""
    secret = json.loads(json.dumps(vault.secret))
    secret["metadata"]["namespace"] = "kube-system"
    vault.put(SECRETS, secret)
    policy = vault.objects["rotationpolicies", "shop", "credentials"]
    vault.policy("there", "kube-system", **policy["spec"])
    del vault.objects["rotationpolicies", "shop", "credentials"]
    assert [("db", "skipped", "namespace kube-system is protected")] == trail(handle(TICK, vault, vault.clock))


def test_without_the_right_it_says_who_gives_it(vault: Vault) -> None:
    """In the words that one types, and in the policy's status: no tick dies for what one owner left out."""
    vault.failing["get", "secrets"] = Forbidden("not allowed to get secrets")
    outcome = handle(TICK, vault, vault.clock)
    assert isinstance(outcome, Skipped)
    ((_, word, said),) = trail(outcome)
    (held,) = vault.objects["rotationpolicies", "shop", "credentials"]["status"]["blocked"]["reasons"]
    assert ("refused", "Refused", "Secret/db") == (word, held["reason"], held["example"])
    assert (
        "rotate has no right to it; give it by `kubectl -n shop create role molt-regenerate-db --verb=get,patch "
        "--resource=secrets --resource-name=db` and `kubectl -n shop create rolebinding molt-regenerate-db "
        "--role=molt-regenerate-db --serviceaccount=molt:rotate`"
    ) == said


def test_whoever_was_faster_has_it(vault: Vault) -> None:
    """The patch holds only for the Secret as it was read."""

    def touch(vault: FakeCluster) -> None:
        vault.objects["secrets", "shop", "db"]["metadata"]["resourceVersion"] += "x"

    vault.meddle = [touch]
    assert ("skipped", "resourceVersion is another") == told_of_secret(vault)
    assert OLD == vault.password


@pytest.mark.parametrize("error", [Conflict, Unavailable, Forbidden, Rejected])
def test_whatever_a_webhook_says_no_value_is_told(vault: Vault, error: Any, capfd: Any) -> None:
    """Though it quotes what it refuses."""
    drawn: list[str] = []

    def refuse(_: Any, __: str, operations: Any, *___: Any, **____: Any) -> Any:
        values = [one["value"] for one in operations if (one["op"], one["path"]) == ("add", "/data/password")]
        if not values:
            return {}  # a question
        (found,) = values
        drawn.extend((found, base64.b64decode(found).decode()))
        raise error(f"denied: {' '.join(drawn)}")

    vault.patch_blindly = refuse  # type: ignore[method-assign,assignment]
    said = json.dumps(trail(handle(TICK, vault, vault.clock)))
    said += "".join(capfd.readouterr())
    assert "denied: [a value] [a value]" in said
    assert not any(value in said for value in drawn)


def test_a_rehearsal_changes_nothing() -> None:
    """The API server has checked the patch."""
    vault = Vault(FakeClock(), mode="DryRun")
    before = json.dumps(vault.secret)
    expected = "password would get new values, and StatefulSet/db, Deployment/web restarted"
    assert ("rehearsed", expected) == told_of_secret(vault)
    assert before == json.dumps(vault.secret)
    vault.regenerate(mode="DryRun", dependants=[])
    assert ("rehearsed", "password would get new values") == told_of_secret(vault)


def test_outside_the_windows_nothing_begins_and_all_is_finished(vault: Vault) -> None:
    """As with pods."""
    policy = vault.objects["rotationpolicies", "shop", "credentials"]
    policy["spec"]["windows"] = [{"cron": "0 3 * * *", "duration": "1h"}]
    assert [] == tick(vault)
    del policy["spec"]["windows"]
    tick(vault)
    policy["spec"]["windows"] = [{"cron": "0 3 * * *", "duration": "1h"}]
    assert ("moving", "StatefulSet/db restarts") == told_of_secret(vault)


def test_of_several_policies_one_has_it(vault: Vault) -> None:
    """The first in force; whoever has begun goes on, and when that one is gone, another does."""
    vault.regenerate("a-rehearsal", mode="DryRun")
    vault.regenerate("b-later", dependants=DEPENDANTS[1:])
    tick(vault)
    assert "b-later" == vault.notes[marks.POLICY]
    vault.regenerate("a-earlier")
    assert ("moving", "Deployment/web restarts") == told_of_secret(vault)
    del vault.objects["rotationpolicies", "shop", "b-later"]
    assert ("moving", "StatefulSet/db restarts") == told_of_secret(vault)


def test_what_is_amiss_with_one_secret_holds_up_no_other(vault: Vault) -> None:
    """Each is told of; the tick is done."""
    vault.policy(
        "others",
        selector={"matchLabels": {"app": "nobody"}},
        secrets=[{"name": name, "keys": ["a"], "lifetime": {"every": "1h"}} for name in ("a", "z")],
    )
    outcome = handle(TICK, vault, vault.clock)
    assert isinstance(outcome, Done)
    assert [("a", "skipped"), ("db", "moving"), ("z", "skipped")] == sorted(entry[:2] for entry in trail(outcome))


def test_two_secrets_of_the_same_dependants_share_their_restarts(vault: Vault) -> None:
    """A restart that comes after both have new values is for both."""
    metadata = {"name": "cache", "namespace": "shop", "annotations": {marks.REGENERABLE: "true"}}
    metadata |= {"creationTimestamp": "2026-11-24T10:00:00Z"}
    vault.put(SECRETS, {"metadata": metadata, "type": "Opaque", "data": {"token": coded("old")}})
    pods: dict[str, Any] = {"selector": {"matchLabels": {"app": "nobody"}}}
    secret = {"name": "cache", "keys": ["token"], "lifetime": {"every": "1h"}, "dependants": DEPENDANTS}
    vault.policy("cache", secrets=[secret], **pods)
    stamps: dict[str, set[str]] = {"db": set(), "web": set()}
    for _ in range(4):
        tick(vault)
        for name, seen in stamps.items():
            seen.add(restart.stamped(vault.top(name)))
    cache = vault.objects["secrets", "shop", "cache"]
    assert ({"token"}, {"password", "user"}) == (cache["data"].keys(), vault.secret["data"].keys())
    assert cache["data"]["token"] != coded("old")
    assert (2, 2) == (len(stamps["db"]), len(stamps["web"])), "none, and one"


def test_a_slow_api_server_leaves_time_for_the_pods(vault: Vault, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever is left out is the first in some later minute; the log has how many are."""
    secrets = [{"name": name, "keys": ["a"], "lifetime": {"every": "1h"}} for name in ("a", "b", "c", "d")]
    vault.policy("others", selector={"matchLabels": {"app": "nobody"}}, secrets=secrets)
    metadata, seen = vault.metadata, []

    def slowly(resource: Any, name: str, namespace: str | None = None) -> Any:
        vault.clock.sleep(11)
        seen.append(name)
        return metadata(resource, name, namespace)

    vault.metadata = slowly  # type: ignore[method-assign]
    for _ in range(5):
        assert isinstance(handle(TICK, vault, vault.clock), Done | Skipped)
        vault.clock.sleep(49)
    assert ["a", "b", "c", "d", "db"] == sorted(seen)
    assert 5 == capsys.readouterr().out.count("the API server is slow: 4 Secrets wait for a later tick")


def test_a_long_name_fits_into_the_status(vault: Vault) -> None:
    """The API server refuses a whole status for one text that is longer than it lets it be."""
    vault.objects["rotationpolicies", "shop", "credentials"]["spec"]["secrets"][0]["name"] = "d" * 253
    handle(TICK, vault, vault.clock)
    (reason,) = vault.objects["rotationpolicies", "shop", "credentials"]["status"]["blocked"]["reasons"]
    assert f"Secret/{'d' * 243}..." == reason["example"]
    assert 253 == len(reason["example"])


def test_no_pods_are_counted_for_a_secret(vault: Vault) -> None:
    """The policy's status is about pods."""
    tick(vault)
    status = vault.objects["rotationpolicies", "shop", "credentials"]["status"]
    assert 0 == status["moving"]
    assert "lastRotation" not in status


def test_an_event_that_cannot_be_written_is_no_failure(vault: Vault) -> None:
    """The trail says it too."""
    for _ in range(3):
        tick(vault)
    vault.failing["create", "events"] = Unavailable("no")
    assert "acted" == told_of_secret(vault)[0]


def test_what_is_refused_in_the_middle_is_tried_again(vault: Vault) -> None:
    """Both values stay."""
    tick(vault)
    vault.failing["patch", "statefulsets"] = Forbidden("not allowed")
    assert ("refused", "not allowed") == told_of_secret(vault)
    vault.failing["patch", "statefulsets"] = Conflict("it changed")
    assert ("skipped", "it changed") == told_of_secret(vault)
    assert OLD == vault.former
    vault.failing.clear()
    assert ("moving", "StatefulSet/db restarts") == told_of_secret(vault)


@pytest.mark.parametrize("broken", [set(), {"web"}])
def test_no_value_is_told_anywhere(vault: Vault, broken: set[str], capfd: Any) -> None:
    """Not in outcomes, Events, logs, the status, or the annotations of anything."""
    vault.broken, told = broken, []
    for _ in range(8):
        told.append(repr(handle(TICK, vault, vault.clock)))
        vault.look()
        vault.clock.sleep(60)
    everything = [obj if plural != "secrets" else obj["metadata"] for (plural, _, _), obj in vault.objects.items()]
    for obj in everything:
        obj.pop("started-with", None)
    said = "".join([*told, json.dumps(everything), *capfd.readouterr()])
    assert 4 == len(vault.seen), "an old value and a new one, plain and as base64"
    assert not any(value in said for value in vault.seen)


def test_nothing_is_due_without_secrets(vault: Vault) -> None:
    """A policy without them costs no call."""
    del vault.objects["rotationpolicies", "shop", "credentials"]
    vault.policy(selector={"matchLabels": {"app": "nobody"}})
    assert Skipped("nothing is due") == handle(TICK, vault, vault.clock)
    assert "get secrets" not in vault.asked()
