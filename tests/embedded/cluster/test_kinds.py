"""What each built-in kind is completed with and refused for."""

from __future__ import annotations

from typing import Any

import pytest

from molt.embedded.cluster.poddefaults import quality
from molt.embedded.cluster.podrules import UPDATABLE
from tests.embedded.cluster.caller import APPS, DEFAULT, Caller, deployment, object_of, pod, refusal

PODS = f"{DEFAULT}/pods"
NET = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
PDBS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
RBAC = "/apis/rbac.authorization.k8s.io/v1"

Object = dict[str, Any]


def named(spec: Object | None = None, **more: Any) -> Object:
    return {"metadata": {"name": "x"}, **({} if spec is None else {"spec": spec}), **more}


def test_pods_are_completed(admin: Caller) -> None:
    """A new pod has its account, tolerations, policies, probes and first status."""
    container = {
        "name": "web",
        "image": "registry:5000/nginx",
        "ports": [{"containerPort": 80}],
        "livenessProbe": {"httpGet": {"port": 80}},
        "readinessProbe": {"exec": {"command": ["true"]}, "timeoutSeconds": 5},
        "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}, {"name": "B", "value": "b"}],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
    }
    spec = {
        "containers": [container],
        "initContainers": [{"name": "init", "image": "busybox@sha256:aa"}],
        "volumes": [{"name": "v", "secret": {"secretName": "s"}}, {"name": "e", "emptyDir": {}}],
        "tolerations": [{"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "operator": "Exists"}],
        "serviceAccountName": "me",
    }
    made = admin.post(PODS, pod(spec=spec))
    spec, [container] = made["spec"], made["spec"]["containers"]
    assert ("Always", 30, "me", "me", 0) == tuple(
        spec[key]
        for key in (
            "restartPolicy",
            "terminationGracePeriodSeconds",
            "serviceAccount",
            "serviceAccountName",
            "priority",
        )
    )
    assert ("Always", "IfNotPresent") == (container["imagePullPolicy"], spec["initContainers"][0]["imagePullPolicy"])
    assert {"port": 80, "path": "/", "scheme": "HTTP"} == container["livenessProbe"]["httpGet"]
    assert (5, 10) == (container["readinessProbe"]["timeoutSeconds"], container["readinessProbe"]["periodSeconds"])
    assert ("TCP", "v1") == (
        container["ports"][0]["protocol"],
        container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"],
    )
    assert container["resources"]["limits"] == container["resources"]["requests"]
    assert 0o644 == spec["volumes"][0]["secret"]["defaultMode"]
    assert ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] == [
        one["key"] for one in spec["tolerations"]
    ]
    assert {"phase": "Pending", "qosClass": "Burstable"} == made["status"]


@pytest.mark.parametrize(
    ("resources", "wanted"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1"}, "requests": {"cpu": "1", "memory": "2"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1"}, "requests": {"cpu": "1", "memory": "1"}}, "Guaranteed"),
    ],
)
def test_quality_of_service(resources: Object, wanted: str) -> None:
    """The class follows from limits and requests."""
    assert wanted == quality({"containers": [{"resources": resources}]})


BAD_PODS: list[tuple[Object, str]] = [
    ({"containers": None}, "spec.containers: Required value"),
    ({"containers": [{"image": "a"}]}, "spec.containers[0].name: Required value"),
    ({"containers": [{"name": "a"}]}, "spec.containers[0].image: Required value"),
    ({"containers": [{"name": "A", "image": "a"}]}, 'spec.containers[0].name: Invalid value: "A"'),
    ({"containers": [{"name": "a", "image": "a"}] * 2}, 'spec.containers[1].name: Duplicate value: "a"'),
    (
        {"restartPolicy": "x"},
        'spec.restartPolicy: Unsupported value: "x": supported values: "Always", "OnFailure", "Never"',
    ),
]


@pytest.mark.parametrize(("spec", "text"), BAD_PODS, ids=[text for _, text in BAD_PODS])
def test_bad_pods(admin: Caller, spec: Object, text: str) -> None:
    """A pod needs containers with names and images."""
    code, _, message = refusal(admin.ask("POST", PODS, pod(spec=spec)))
    assert (422, True) == (code, text in message)


ALLOWED: list[Object] = [
    {"spec": {"containers": [{"name": "web", "image": "nginx:2"}]}},
    {"spec": {"activeDeadlineSeconds": 5}},
    {"spec": {"tolerations": [{"key": "extra"}, *[
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
        for key in ("not-ready", "unreachable")]]}},
    {"metadata": {"labels": {"a": "b"}}},
]  # fmt: skip
FORBIDDEN: list[tuple[Object, str]] = [
    ({"nodeName": "other"}, f"spec: Forbidden: pod updates may not change fields other than {UPDATABLE}"),
    ({"containers": [{"name": "new", "image": "x"}]}, "spec.containers: Forbidden: pod updates may not add or remove"),
    (
        {"activeDeadlineSeconds": 11},
        "spec.activeDeadlineSeconds: Invalid value: 11: must be less than or equal to previous",
    ),
    ({"activeDeadlineSeconds": -1}, "spec.activeDeadlineSeconds: Invalid value: -1: must be between 0 and 2147483647"),
    (
        {"activeDeadlineSeconds": None},
        "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive",
    ),
    (
        {"tolerations": []},
        "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationS",
    ),
]


@pytest.mark.parametrize("patch", ALLOWED, ids=str)
def test_what_may_change_in_a_pod(admin: Caller, patch: Object) -> None:
    """Images, a first deadline, added tolerations and metadata may change."""
    admin.post(PODS, pod(spec={"initContainers": [{"name": "init", "image": "busybox"}]}))
    assert 200 == admin.patch("strategic", f"{PODS}/web", patch).code


@pytest.mark.parametrize(("spec", "text"), FORBIDDEN, ids=[text[:60] for _, text in FORBIDDEN])
def test_what_may_not_change_in_a_pod(admin: Caller, spec: Object, text: str) -> None:
    """All else in a pod's spec is fixed."""
    admin.post(PODS, pod(spec={"activeDeadlineSeconds": 10}))
    code, _, message = refusal(admin.patch("strategic", f"{PODS}/web", {"spec": spec}))
    assert (422, True) == (code, text in message)


WORKLOADS: list[tuple[str, Object, Object]] = [
    ("deployments", {}, {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
                         "strategy": {"type": "RollingUpdate",
                                      "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}}),
    ("deployments", {"strategy": {"type": "Recreate"}}, {"strategy": {"type": "Recreate"}}),
    ("replicasets", {}, {"replicas": 1}),
    ("statefulsets", {}, {"replicas": 1, "podManagementPolicy": "OrderedReady",
                          "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}}),
    ("statefulsets", {"updateStrategy": {"type": "OnDelete"}}, {"updateStrategy": {"type": "OnDelete"}}),
    ("daemonsets", {}, {"updateStrategy": {"type": "RollingUpdate",
                                           "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}),
    ("daemonsets", {"updateStrategy": {"type": "OnDelete"}}, {"updateStrategy": {"type": "OnDelete"}}),
]  # fmt: skip
KINDS = {
    "deployments": "Deployment",
    "replicasets": "ReplicaSet",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
}


@pytest.mark.parametrize(("plural", "spec", "wanted"), WORKLOADS, ids=str)
def test_workloads_are_completed(admin: Caller, plural: str, spec: Object, wanted: Object) -> None:
    """Workloads get their strategy, their history and a completed template; status starts empty."""
    made = admin.post(f"{APPS}/{plural}", deployment(**spec) | {"kind": KINDS[plural]})
    assert wanted == {key: made["spec"][key] for key in wanted}
    assert ("Always", {}) == (made["spec"]["template"]["spec"]["restartPolicy"], made["status"])


def test_jobs_are_completed(admin: Caller) -> None:
    """A Job runs once unless it says otherwise."""
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}}
    made = admin.post("/apis/batch/v1/namespaces/default/jobs", named({"template": template}))
    assert (1, 6) == (made["spec"]["completions"], made["spec"]["backoffLimit"])


SELECTOR = {"matchLabels": {"app": "web"}}
BAD_WORKLOADS: list[tuple[Object, str]] = [
    ({"replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
    ({"selector": None}, "spec.selector: Required value"),
    ({"selector": {}}, "spec.selector: Invalid value: {}: empty selector is invalid for deployment"),
    (
        {"selector": {"matchLabels": {"app": "x"}}},
        'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector`',
    ),
    ({"selector": {"matchLabels": {"a b": "x"}}}, 'spec.selector.matchLabels: Invalid value: "a b"'),
    (
        {"selector": SELECTOR | {"matchExpressions": [{"key": "a", "operator": "Is"}]}},
        'spec.selector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator',
    ),
    (
        {"selector": SELECTOR | {"matchExpressions": [{"key": "a", "operator": "In"}]}},
        "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In'",
    ),
    (
        {"selector": SELECTOR | {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}},
        "spec.selector.matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists'",
    ),
    (
        {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"restartPolicy": "Never"}}},
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ),
    ({"template": None}, "spec.template.spec.containers: Required value"),
]


@pytest.mark.parametrize(("spec", "text"), BAD_WORKLOADS, ids=[text[:60] for _, text in BAD_WORKLOADS])
def test_bad_workloads(admin: Caller, spec: Object, text: str) -> None:
    """A workload needs a selector that selects what its template makes."""
    code, _, message = refusal(admin.ask("POST", f"{APPS}/deployments", deployment(**spec)))
    assert (422, True) == (code, text in message), message


def test_expressions_select_too(admin: Caller) -> None:
    """A selector may have expressions besides labels."""
    expressions = [{"key": "app", "operator": "Exists"}, {"key": "app", "operator": "In", "values": ["web"]}]
    selector = SELECTOR | {"matchExpressions": expressions}
    assert selector == admin.post(f"{APPS}/deployments", deployment(selector=selector))["spec"]["selector"]


def test_selectors_stay(admin: Caller) -> None:
    """The selector of a workload is fixed, and most of a StatefulSet."""
    admin.post(f"{APPS}/deployments", deployment())
    labels = {"app": "web", "b": "c"}
    patch = {"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}}
    message = refusal(admin.patch("merge", f"{APPS}/deployments/web", patch))[2]
    assert message.endswith("field is immutable")
    admin.post(f"{APPS}/statefulsets", deployment() | {"kind": "StatefulSet"})
    path = f"{APPS}/statefulsets/web"
    assert 200 == admin.patch("merge", path, {"spec": {"replicas": 3}}).code
    assert (
        "updates to statefulset spec for fields other than"
        in refusal(admin.patch("merge", path, {"spec": {"serviceName": "x"}}))[2]
    )


def test_services(admin: Caller) -> None:
    """A Service gets an address, which stays, and completed ports; an external name needs neither."""
    path = f"{DEFAULT}/services"
    assert "spec.ports: Required value" in refusal(admin.ask("POST", path, named()))[2]
    made = admin.post(path, named({"ports": [{"port": 80}], "selector": {"app": "web"}}))["spec"]
    assert (made["clusterIP"], 80, "TCP") == (
        made["clusterIPs"][0],
        made["ports"][0]["targetPort"],
        made["ports"][0]["protocol"],
    )
    assert made["clusterIP"] == admin.put(f"{path}/x", named({"ports": [{"port": 81}]}))["spec"]["clusterIP"]
    other = named({"ports": [{"port": 81}], "clusterIP": "10.1.1.1"})
    assert "may not change once set" in refusal(admin.ask("PUT", f"{path}/x", other))[2]
    external = {"metadata": {"name": "y"}, "spec": {"type": "ExternalName", "externalName": "z"}}
    assert "clusterIP" not in admin.post(path, external)["spec"]
    assert "None" == admin.post(path, {"metadata": {"name": "z"}, "spec": {"clusterIP": "None"}})["spec"]["clusterIP"]


def test_network_policies(admin: Caller) -> None:
    """A policy says which directions it is for, or it is for what it has rules for."""
    assert ["Ingress"] == admin.post(NET, named({}))["spec"]["policyTypes"]
    rules = {"egress": [{"ports": [{"port": 53}]}], "ingress": [{"ports": [{"port": 80, "protocol": "UDP"}]}]}
    made = admin.post(NET, {"metadata": {"name": "y"}, "spec": rules})["spec"]
    assert (["Ingress", "Egress"], "TCP", "UDP") == (
        made["policyTypes"],
        made["egress"][0]["ports"][0]["protocol"],
        made["ingress"][0]["ports"][0]["protocol"],
    )
    bad = {"metadata": {"name": "z"}, "spec": {"policyTypes": ["Up"], "podSelector": {}}}
    assert 'spec.policyTypes[0]: Unsupported value: "Up"' in refusal(admin.ask("POST", NET, bad))[2]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"minAvailable": 1, "maxUnavailable": 1}, "minAvailable and maxUnavailable cannot be both set"),
        ({"minAvailable": "x"}, 'spec.minAvailable: Invalid value: "x": a valid percent string must be'),
        ({"maxUnavailable": -1}, "spec.maxUnavailable: Invalid value: -1: must be greater than or equal to 0"),
        ({"minAvailable": "50%"}, ""),
    ],
)
def test_disruption_budgets(admin: Caller, spec: Object, text: str) -> None:
    """A budget is one number or one percentage."""
    answer = admin.ask("POST", PDBS, named(spec | {"selector": SELECTOR}))
    assert not text or text in refusal(answer)[2]
    assert (422 if text else 201) == answer.code


def test_secrets_and_namespaces(admin: Caller) -> None:
    """Text in a secret becomes data; a namespace carries its name as a label."""
    secret = admin.post(f"{DEFAULT}/secrets", named(stringData={"a": "b"}))
    assert ({"a": "Yg=="}, "Opaque", False) == (secret["data"], secret["type"], "stringData" in secret)
    made = admin.post("/api/v1/namespaces", named())
    assert ({"kubernetes.io/metadata.name": "x"}, "Active") == (made["metadata"]["labels"], made["status"]["phase"])
    assert 200 == admin.patch("merge", "/api/v1/namespaces/x", {"metadata": {"labels": {"a": "b"}}}).code


def test_roles_and_bindings(admin: Caller) -> None:
    """Rules need verbs and resources; a binding's role is fixed."""
    path = f"{RBAC}/clusterroles"
    message = refusal(admin.ask("POST", path, named(rules=[{}, {"verbs": ["get"], "nonResourceURLs": ["/"]}])))[2]
    assert "rules[0].verbs: Required value" in message
    assert "rules[0].resources: Required value" in message
    assert "rules[1]" not in message
    bindings = f"{RBAC}/clusterrolebindings"
    subjects = [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}]
    made = admin.post(bindings, named(roleRef={"kind": "ClusterRole", "name": "r"}, subjects=subjects))
    assert ["rbac.authorization.k8s.io", None] == [one.get("apiGroup") for one in made["subjects"]]
    changed = admin.patch("merge", f"{bindings}/x", {"roleRef": {"name": "other"}})
    assert "cannot change roleRef" in refusal(changed)[2]
    bad = {"metadata": {"name": "y"}, "roleRef": {"kind": "Group", "name": "r"}}
    assert "roleRef.kind: Unsupported value" in refusal(admin.ask("POST", bindings, bad))[2]


def test_nodes_keep_their_first_status(admin: Caller) -> None:
    """A node is created with its status, as by a kubelet."""
    assert {"phase": "x"} == admin.post("/api/v1/nodes", named(status={"phase": "x"}))["status"]


def test_scale(admin: Caller) -> None:
    """A workload's Scale can be read, replaced and patched; what cannot be is refused."""
    admin.post(f"{APPS}/deployments", deployment())
    path = f"{APPS}/deployments/web/scale"
    shown = admin.get(path)
    assert ("Scale", 1, "app=web") == (shown["kind"], shown["spec"]["replicas"], shown["status"]["selector"])
    shown["spec"]["replicas"] = 3
    assert 3 == admin.put(path, shown)["spec"]["replicas"]
    assert 409 == admin.ask("PUT", path, shown).code
    assert 2 == object_of(admin.patch("merge", path, {"spec": {"replicas": 2}}))["spec"]["replicas"]
    assert 4 == object_of(admin.patch("strategic", path, {"spec": {"replicas": 4}}, dryRun="All"))["spec"]["replicas"]
    assert 2 == admin.get(f"{APPS}/deployments/web")["spec"]["replicas"]
    message = 'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'
    assert message == refusal(admin.patch("merge", path, {"spec": {"replicas": -1}}))[2]
    assert 405 == admin.ask("DELETE", path).code
    assert 404 == admin.ask("GET", path.replace("web", "gone")).code


def test_binding(admin: Caller) -> None:
    """A pod is bound to a node once."""
    admin.post(PODS, pod(spec={"nodeName": None}))
    path = f"{PODS}/web/binding"
    assert 201 == admin.ask("POST", path, {"target": {"kind": "Node", "name": "n1"}}).code
    bound = admin.get(f"{PODS}/web")
    assert ("n1", "PodScheduled") == (bound["spec"]["nodeName"], bound["status"]["conditions"][0]["type"])
    message = 'Operation cannot be fulfilled on pods/binding "web": pod web is already assigned to node "n1"'
    assert message == refusal(admin.ask("POST", path, {"target": {"name": "n2"}}))[2]
