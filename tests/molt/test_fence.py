"""The list of fenced pods: one call to change, nothing lost between two writers, mended after the labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from molt import fence, guard, marks
from molt.cluster import AlreadyExists, NotFound, Unavailable
from molt.cluster.resources import ADMISSION_BINDINGS, ADMISSION_POLICIES, FENCES
from tests.functions.fake_cluster import FakeClock, FakeCluster

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = list(yaml.safe_load_all((ROOT / "functions/quarantine/fence.yaml").read_text(encoding="utf-8")))


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster(FakeClock())


def fenced(cluster: FakeCluster) -> dict[str, str]:
    """Return the whole list."""
    shards = [obj for (plural, _, _), obj in cluster.objects.items() if plural == "fences"]
    return {uid: pod for obj in shards for uid, pod in obj["spec"]["pods"].items()}


def test_the_first_makes_the_object_and_others_patch_it(cluster: FakeCluster) -> None:
    """One call for each pod, and one more for the first of its object; a repetition changes nothing."""
    fence.put_up(cluster, "uid-1", "shop/web")
    assert ["patch fences", "create fences"] == cluster.asked()
    state = cluster.objects["fences", "", fence.shard("uid-1")]["spec"]
    fence.put_up(cluster, "uid-1", "shop/web")
    assert (["patch fences"], state) == (cluster.asked(), cluster.objects["fences", "", fence.shard("uid-1")]["spec"])
    assert {"uid-1": "shop/web"} == fenced(cluster)


def test_two_that_make_the_object_at_once_are_both_in(cluster: FakeCluster) -> None:
    """Whoever comes second patches."""

    def other(cluster: FakeCluster) -> None:
        del cluster.failing["create", "fences"]
        cluster.put(FENCES, {"metadata": {"name": fence.shard("uid-1")}, "spec": {"pods": {"uid-2": "shop/api"}}})

    cluster.failing["create", "fences"] = AlreadyExists("it exists")
    cluster.meddle = [lambda _: None, other]
    fence.put_up(cluster, "uid-1", "shop/web")
    assert ["patch fences", "create fences", "patch fences"] == cluster.asked()
    assert {"uid-1": "shop/web", "uid-2": "shop/api"} == fenced(cluster)


def test_a_fence_is_taken_down_by_one_call(cluster: FakeCluster) -> None:
    """Others stay; one that is not there is well, too."""
    fence.take_down(cluster, "uid-1")
    for uid in ("uid-1", "uid-2"):
        fence.put_up(cluster, uid, "shop/web")
    cluster.asked()
    fence.take_down(cluster, "uid-1")
    fence.take_down(cluster, "uid-1")
    assert (["patch fences"] * 2, {"uid-2": "shop/web"}) == (cluster.asked(), fenced(cluster))


def test_pods_are_spread_over_the_objects() -> None:
    """All names are used, and the role names the very same."""
    assert set(fence.SHARD_NAMES) == {fence.shard(str(number)) for number in range(999)}
    rules = next(yaml.safe_load_all((ROOT / "functions/quarantine/rbac.yaml").read_text().partition("---\n")[2]))
    named = [
        rule["resourceNames"] for rule in rules["rules"] if rule["resources"] == ["fences"] and "resourceNames" in rule
    ]
    assert [list(fence.SHARD_NAMES)] == named


def test_it_is_told_which_part_of_the_policy_is_missing(cluster: FakeCluster) -> None:
    """The list alone fences nobody."""
    assert "ValidatingAdmissionPolicy molt-fence is not there" == fence.missing(cluster)
    cluster.put(ADMISSION_POLICIES, {"metadata": {"name": fence.NAME}})
    assert "ValidatingAdmissionPolicyBinding molt-fence is not there" == fence.missing(cluster)
    cluster.put(ADMISSION_BINDINGS, {"metadata": {"name": fence.NAME}})
    assert fence.missing(cluster) is None


def _quarantined(cluster: FakeCluster, name: str) -> dict[str, Any]:
    pod = cluster.bare_pod(name)
    pod["metadata"]["labels"] = {marks.COMPROMISED: "true"}
    return pod


def test_it_is_mended_after_the_labels(cluster: FakeCluster) -> None:
    """Pods that are gone or released go, those that are missing come, the others stay; then there is nothing to do."""
    kept, missed = _quarantined(cluster, "kept"), _quarantined(cluster, "missed")
    free = cluster.bare_pod("free")
    for uid in (kept["metadata"]["uid"], free["metadata"]["uid"], "gone"):
        fence.put_up(cluster, uid, "shop/x")
    assert fence.Mended(1, 2) == fence.mend(cluster)
    assert {kept["metadata"]["uid"], missed["metadata"]["uid"]} == set(fenced(cluster))
    cluster.asked()
    assert fence.Mended(0, 0) == fence.mend(cluster)
    assert ["list fences", "list pods"] == cluster.asked()


def test_an_object_without_content_is_an_empty_list(cluster: FakeCluster) -> None:
    """Whoever emptied it by hand has only emptied it."""
    cluster.put(FENCES, {"metadata": {"name": "pods-0"}})
    assert fence.Mended(0, 0) == fence.mend(cluster)


def test_no_fence_is_mended_without_its_kind(cluster: FakeCluster) -> None:
    """What cannot be listed raises what the API said."""
    for error in (NotFound("no such kind"), Unavailable("busy")):
        cluster.failing["list", "fences"] = error
        with pytest.raises(type(error)):
            fence.mend(cluster)


def test_the_policy_spares_the_namespaces_that_molt_never_touches() -> None:
    """The condition names the namespaces that molt.guard protects."""
    conditions = {one["name"]: one["expression"] for one in MANIFESTS[0]["spec"]["matchConditions"]}
    named = conditions["not-protected"].partition("(")[2].partition("(")[2].partition(")")[0].split("|")
    assert {*guard.PROTECTED_NAMESPACES, f"{guard.PROTECTED_PREFIX}[^:]*"} == set(named)


def test_errors_and_absence_let_pass() -> None:
    """What is broken refuses nobody."""
    policy, binding = MANIFESTS
    assert ("Ignore", "Allow") == (
        policy["spec"]["failurePolicy"],
        binding["spec"]["paramRef"]["parameterNotFoundAction"],
    )
    assert (fence.NAME, fence.NAME, fence.NAME) == (
        policy["metadata"]["name"],
        binding["metadata"]["name"],
        binding["spec"]["policyName"],
    )
