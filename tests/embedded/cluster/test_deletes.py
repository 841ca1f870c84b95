"""Deletion: preconditions, policies, grace, what is answered, and evictions under budgets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.embedded.cluster.caller import (
    APPS,
    CRD_PATH,
    DEFAULT,
    THINGS,
    Caller,
    config_map,
    definition,
    deployment,
    object_of,
    pod,
    refusal,
    thing,
)

MAPS = f"{DEFAULT}/configmaps"
PODS = f"{DEFAULT}/pods"
PDBS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
VIOLATION = "Cannot evict pod as it would violate the pod's disruption budget."


def test_what_a_deletion_answers(admin: Caller) -> None:
    """Most kinds answer a Status that names what went; pods, and what has to wait, answer the object."""
    made = admin.post(MAPS, config_map())
    status = object_of(admin.ask("DELETE", f"{MAPS}/one"))
    assert ("Success", {"name": "one", "kind": "configmaps", "uid": made["metadata"]["uid"]}) == (
        status["status"],
        status["details"],
    )
    admin.post(PODS, pod())
    assert (
        3
        == object_of(admin.ask("DELETE", f"{PODS}/web", None, None, gracePeriodSeconds="3"))["metadata"][
            "deletionGracePeriodSeconds"
        ]
    )
    admin.post(MAPS, config_map(finalizers=["a/b"]))
    assert "deletionTimestamp" in object_of(admin.ask("DELETE", f"{MAPS}/one"))["metadata"]
    assert 404 == admin.ask("DELETE", f"{MAPS}/two").code


def test_namespaces(admin: Caller) -> None:
    """Some namespaces may not be deleted; others become Terminating until their content is gone."""
    assert (403, "Forbidden", 'namespaces "default" is forbidden: this namespace may not be deleted') == refusal(
        admin.ask("DELETE", "/api/v1/namespaces/default")
    )
    admin.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    assert "Terminating" == object_of(admin.ask("DELETE", "/api/v1/namespaces/shop"))["status"]["phase"]
    found = admin.store.get("namespaces", None, "shop")
    admin.store.update("namespaces", found | {"spec": {"finalizers": []}})
    assert 404 == admin.ask("GET", "/api/v1/namespaces/shop").code


def test_preconditions(admin: Caller) -> None:
    """A deletion that names another uid or version is 409, and the object stays."""
    made = admin.post(f"{APPS}/deployments", deployment())["metadata"]
    path = f"{APPS}/deployments/web"
    for field, shown in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        code, reason, message = refusal(admin.ask("DELETE", path, {"preconditions": {field: "x"}}))
        assert (409, "Conflict") == (code, reason)
        start = f'Operation cannot be fulfilled on Deployment.apps "web": the {shown} in the precondition (x) does not'
        assert message.startswith(start)
    body = {"preconditions": {"uid": made["uid"], "resourceVersion": made["resourceVersion"]}, "dryRun": ["All"]}
    assert 200 == admin.ask("DELETE", path, body).code
    assert 200 == admin.ask("DELETE", path, None, None, dryRun="All").code
    assert "web" == admin.get(path)["metadata"]["name"]


def test_policies(admin: Caller) -> None:
    """Orphan and Foreground leave the object to the garbage collector by their finalizers."""
    path = f"{APPS}/deployments"
    for policy, finalizer in (("Orphan", "orphan"), ("Foreground", "foregroundDeletion")):
        admin.post(path, deployment(policy.lower()))
        held = object_of(admin.ask("DELETE", f"{path}/{policy.lower()}", {"propagationPolicy": policy}))
        assert [finalizer] == held["metadata"]["finalizers"]
    admin.post(path, deployment())
    background = admin.ask("DELETE", f"{path}/web", None, None, propagationPolicy="Background")
    assert "Status" == object_of(background)["kind"]
    refused = refusal(admin.ask("DELETE", f"{path}/web", {"propagationPolicy": "x", "dryRun": ["y"]}))
    assert (422, True, True) == (
        refused[0],
        "propagationPolicy: Unsupported" in refused[2],
        "dryRun: Uns" in refused[2],
    )


def test_collections(admin: Caller) -> None:
    """A collection is deleted as far as the selectors select, and answered as a list."""
    admin.post(MAPS, config_map("a", labels={"x": "1"}))
    admin.post(MAPS, config_map("b"))
    gone = object_of(admin.ask("DELETE", MAPS, None, None, labelSelector="x"))
    assert ["a"] == [one["metadata"]["name"] for one in gone["items"]]
    assert ["b"] == [one["metadata"]["name"] for one in admin.get(MAPS)["items"]]


def test_a_definition_takes_its_objects_along(admin: Caller) -> None:
    """When a CustomResourceDefinition goes, its objects do, finalizers or not; a dry run takes nothing."""
    admin.post(CRD_PATH, definition())
    admin.post(THINGS, thing())
    held = thing("two")
    held["metadata"]["finalizers"] = ["a/b"]
    admin.post(THINGS, held)
    admin.ask("DELETE", f"{THINGS}/two")
    admin.ask("DELETE", f"{CRD_PATH}/things.test.io", None, None, dryRun="All")
    assert 2 == len(admin.get(THINGS)["items"])
    admin.ask("DELETE", f"{CRD_PATH}/things.test.io")
    assert (404, []) == (admin.ask("GET", THINGS).code, admin.store.list("things.test.io"))


def budget(name: str = "pdb", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": "web"}}} | spec}


def owned(kind: str, name: str, uid: str) -> dict[str, Any]:
    return {"ownerReferences": [{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": True}]}


def fill(admin: Caller, ready: int, unready: int = 0, owner: dict[str, Any] | None = None) -> None:
    """Put running pods into the store: r0, r1, ... and u0, u1, ..."""
    for prefix, count in (("r", ready), ("u", unready)):
        for number in range(count):
            body = pod(f"{prefix}{number}", ready=prefix == "r", labels={"app": "web"}, **(owner or {}))
            admin.store.create("pods", body)


def evict(admin: Caller, name: str, **options: Any) -> tuple[int, str]:
    body = {"metadata": {"name": name, "namespace": "default"}, "deleteOptions": options}
    answer = admin.ask("POST", f"{PODS}/{name}/eviction", body)
    assert isinstance(answer.body, dict)
    causes = answer.body.get("details", {}).get("causes", [{}])
    return answer.code, causes[0].get("message", "")


def test_evictions_without_a_budget(admin: Caller) -> None:
    """A pod without budget goes gracefully, marked as disrupted; a dry run changes nothing."""
    fill(admin, 2)
    status = object_of(admin.ask("POST", f"{PODS}/r0/eviction", {}, None, dryRun="All"))
    assert {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201} == status
    assert 201 == evict(admin, "r0", dryRun=["All"])[0]
    assert "deletionTimestamp" not in admin.get(f"{PODS}/r0")["metadata"]
    assert 201 == evict(admin, "r0", gracePeriodSeconds=7)[0]
    gone = admin.get(f"{PODS}/r0")
    assert (7, ["Ready", "DisruptionTarget"]) == (
        gone["metadata"]["deletionGracePeriodSeconds"],
        [one["type"] for one in gone["status"]["conditions"]],
    )
    assert 201 == evict(admin, "r0")[0]


def test_eviction_preconditions(admin: Caller) -> None:
    """An eviction of another pod of that name is 409; the name of the body must be the path's."""
    fill(admin, 1)
    for field in ("uid", "resourceVersion"):
        assert 409 == evict(admin, "r0", preconditions={field: "x"})[0]
    assert 404 == evict(admin, "other")[0]
    refused = admin.ask("POST", f"{PODS}/r0/eviction", {"metadata": {"name": "r1"}})
    assert "name in URL does not match name in Eviction object" == refusal(refused)[2]
    assert 405 == admin.ask("GET", f"{PODS}/r0/eviction").code


def test_a_budget_forbids(admin: Caller) -> None:
    """What would leave too few healthy pods is refused with 429 and the reason."""
    fill(admin, 3)
    admin.post(PDBS, budget(minAvailable=2))
    assert 201 == evict(admin, "r0")[0]
    answer = admin.ask("POST", f"{PODS}/r1/eviction", {})
    assert (429, "TooManyRequests", VIOLATION) == refusal(answer)
    assert isinstance(answer.body, dict)
    text = "The disruption budget pdb needs 2 healthy pods and has 2 currently"
    assert {"causes": [{"reason": "DisruptionBudget", "message": text}]} == answer.body["details"]
    assert answer.retry_after is None


def test_two_budgets(admin: Caller) -> None:
    """A pod under two budgets cannot be evicted at all."""
    fill(admin, 3)
    admin.post(PDBS, budget(minAvailable=1))
    admin.post(PDBS, budget("second", minAvailable=1))
    code, reason, message = refusal(admin.ask("POST", f"{PODS}/r1/eviction", {}))
    assert (500, "", True) == (code, reason, message.startswith("This pod has more than one PodDisruptionBudget"))


def test_a_budget_without_selector(admin: Caller) -> None:
    """A budget that selects nothing forbids nothing."""
    fill(admin, 1)
    admin.post(PDBS, {"metadata": {"name": "none"}, "spec": {"minAvailable": 5}})
    assert 201 == evict(admin, "r0")[0]


def test_unready_pods(admin: Caller) -> None:
    """An unready pod may go while enough are healthy, always if the budget says so, and else counts as any other."""
    fill(admin, 1, 1)
    admin.post(PDBS, budget(minAvailable=2))
    assert 429 == evict(admin, "u0")[0]
    admin.patch("merge", f"{PDBS}/pdb", {"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}})
    assert 201 == evict(admin, "u0")[0]
    admin.store.create("pods", pod("u1", ready=False, labels={"app": "web"}))
    admin.patch("merge", f"{PDBS}/pdb", {"spec": {"unhealthyPodEvictionPolicy": None, "minAvailable": 1}})
    assert 201 == evict(admin, "u1")[0]


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({"maxUnavailable": 1}, [201, 429]),
        ({"maxUnavailable": "50%"}, [201, 201, 429]),
        ({"minAvailable": "60%"}, [201, 429]),
        ({"maxUnavailable": 0}, [429]),
    ],
    ids=str,
)
def test_shares_of_the_owners_replicas(admin: Caller, spec: dict[str, Any], wanted: list[int]) -> None:
    """Percentages and maxUnavailable are of what the owners want, rounded up."""
    top = admin.post(f"{APPS}/deployments", deployment(replicas=3))
    body = deployment(replicas=3) | {"kind": "ReplicaSet"}
    body["metadata"] |= owned("Deployment", "web", top["metadata"]["uid"])
    middle = admin.post(f"{APPS}/replicasets", body)
    fill(admin, 3, owner=owned("ReplicaSet", "web", middle["metadata"]["uid"]))
    admin.post(PDBS, budget(**spec))
    assert wanted == [evict(admin, f"r{number}")[0] for number in range(len(wanted))]


def test_pods_that_nobody_owns_have_no_share(admin: Caller) -> None:
    """Without owners (or with lost ones) a share is of nothing: no disruption is allowed."""
    fill(admin, 1)
    admin.store.create("pods", pod("lost", ready=True, labels={"app": "web"}, **owned("ReplicaSet", "gone", "u")))
    admin.store.create("pods", pod("job", ready=True, labels={"app": "web"}, **owned("Job", "j", "u")))
    admin.post(PDBS, budget(maxUnavailable=1))
    assert (429, "The disruption budget pdb does not allow evicting pods currently") == evict(admin, "r0")
