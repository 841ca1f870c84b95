"""The manifests agree with each other, with the code and with the README."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from molt import events, forward, listener, marks
from molt.cluster import access, window
from molt.embedded import manifests
from molt.forwarder import notice
from molt.forwarder.outbox import Drops
from molt.policy import PolicyError, load
from tests.control_plane import kubectl

ROOT = Path(__file__).resolve().parents[1]
BASE = ROOT / "knative" / "base"
OVERLAYS = sorted(path.parent for path in (ROOT / "knative" / "overlays").glob("*/kustomization.yaml"))
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/service.yaml"))
TICK = "dev.knative.sources.ping"
ADDED = {
    "cluster-network-policy": {("ClusterNetworkPolicy", "molt-quarantine")},
    "event-policy": {("EventPolicy", name) for name in ("alerts", "answers", "clock")},
    "kafka": {("ConfigMap", "kafka-broker-config")},
}
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _base() -> list[dict[str, Any]]:
    return [document.body for document in manifests.load(BASE)]


def _of(kind: str) -> list[dict[str, Any]]:
    return [doc for doc in _base() if doc["kind"] == kind]


def _render(folder: Path) -> list[dict[str, Any]]:
    program = kubectl()
    if program is None:
        if os.environ.get("MOLT_REQUIRE_KUBECTL") == "1":
            pytest.fail("kubectl is required here and is not there")
        pytest.skip("kubectl is not there, and `make testbed` has not built one")
    done = subprocess.run([program, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    return list(yaml.safe_load_all(done.stdout))


def _events() -> list[dict[str, str]]:
    """Return the attributes of every event that somebody emits: Falco, the forwarder, the clock, and the router."""
    alert = events.render(forward.event_of(b'{"rule": "R", "priority": "Notice"}'))[0]
    tick = {"type": TICK, "source": "/apis/v1/namespaces/molt/pingsources/rotation"}
    dropped, _ = notice.render(Drops(1, "s", 1, 0.0, 1.0, {"Notice": 1}), "node-1")
    routed = [{"type": "io.molt-project.alert.routed.v1", "remedy": remedy} for remedy in _remedies()]
    said = [{name.removeprefix("ce-"): value for name, value in headers.items()} for headers in (alert, dropped)]
    return [*said, tick, *routed]


def _remedies() -> list[str]:
    """Return the remedies that a ResponsePolicy may name."""
    crd = next(doc for doc in _of("CustomResourceDefinition") if doc["spec"]["names"]["kind"] == "ResponsePolicy")
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return list(schema["properties"]["spec"]["properties"]["remedies"]["items"]["properties"])


def test_every_trigger_matches_an_event_that_somebody_emits() -> None:
    """A Trigger that no event can match is an error in one of the two."""
    emitted = _events()
    deaf = [t["metadata"]["name"] for t in _of("Trigger") if not any(_matches(t, event) for event in emitted)]
    assert [] == deaf


def test_every_emitted_event_reaches_one_function() -> None:
    """Each alert and remedy is for exactly one Trigger: order is kept and nothing is done twice."""
    for event in _events():
        if event["type"] != TICK:
            assert len([t for t in _of("Trigger") if _matches(t, event)]) == 1, event


def test_ticks_reach_everyone_who_lives_by_the_clock() -> None:
    """A tick says only that time has passed, so it may reach several, once each: those whose Triggers say so."""
    ticks = [event for event in _events() if event["type"] == TICK]
    by_name = [t["metadata"]["name"] for t in _of("Trigger") if t["metadata"]["name"].startswith("tick-to-")]
    assert [sorted(by_name)] == [
        sorted(t["metadata"]["name"] for t in _of("Trigger") if _matches(t, tick)) for tick in ticks
    ]
    assert {"tick-to-cordon", "tick-to-rotate"} <= set(by_name)


def _matches(trigger: dict[str, Any], event: dict[str, str]) -> bool:
    attributes: dict[str, str] = trigger["spec"]["filter"]["attributes"]
    return all(event.get(name) == value for name, value in attributes.items())


def test_triggers_name_functions_and_are_named_for_them() -> None:
    """A Trigger is called <event>-to-<function>, in a file of its name, and its function is there."""
    for trigger in _of("Trigger"):
        name, function = trigger["metadata"]["name"], trigger["spec"]["subscriber"]["ref"]["name"]
        assert name.endswith(f"-to-{function}")
        assert (BASE / "triggers" / f"{name}.yaml").is_file()
        assert function in FUNCTIONS


def test_a_delivery_of_its_own_says_everything() -> None:
    """A Trigger's delivery replaces the Broker's: retries, backoff, time-out and dead letter stand in both."""
    fields = {"retry", "backoffPolicy", "backoffDelay", "timeout", "deadLetterSink"}
    assert {} == {
        doc["metadata"]["name"]: fields ^ set(doc["spec"].get("delivery", {}))
        for doc in [*_of("Broker"), *_of("Trigger")]
        if fields != set(doc["spec"].get("delivery", {}))
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_run_without_privileges(function: str) -> None:
    """Non-root, read-only, no capabilities, no escalation, seccomp RuntimeDefault, under an account of its own."""
    service = yaml.safe_load((ROOT / "functions" / function / "service.yaml").read_text())
    pod = service["spec"]["template"]["spec"]
    assert function == pod["serviceAccountName"] == service["metadata"]["name"]
    for container in pod["containers"]:
        security = container["securityContext"]
        assert {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        } == security
        assert f"molt/{function}:0.1.0" == container["image"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_events_and_probes_have_threads_and_threads_have_connections(function: str) -> None:
    """What Knative lets in at once is worked on at once, and no thread waits for a place at the API server."""
    service = yaml.safe_load((ROOT / "functions" / function / "service.yaml").read_text())
    assert service["spec"]["template"]["spec"]["containerConcurrency"] + 2 <= listener.THREADS <= window.MOST
    assert window.MOST == access.POOL


@pytest.mark.parametrize("overlay", [BASE, *OVERLAYS], ids=lambda path: path.name)
def test_overlays_render(overlay: Path) -> None:
    """Every overlay is what kustomize takes, and has everything that the base has, and what it says it adds."""
    rendered = {(doc["kind"], doc["metadata"]["name"]) for doc in _render(overlay)}
    assert {(doc["kind"], doc["metadata"]["name"]) for doc in _base()} | ADDED.get(overlay.name, set()) == rendered


def test_the_admin_tier_denies_all_to_the_pods_in_quarantine_and_to_no_other() -> None:
    """Both ways, before every other policy, for the pods that the namespaces' deny-all selects, too."""
    policy = yaml.safe_load((ROOT / "knative/overlays/cluster-network-policy/quarantine.yaml").read_text("utf-8"))
    spec = policy["spec"]
    marked = {"matchLabels": {marks.COMPROMISED: marks.TRUE}}
    assert "policy.networking.k8s.io/v1alpha2" == policy["apiVersion"]
    assert ("Admin", 0) == (spec["tier"], spec["priority"])
    assert {"pods": {"namespaceSelector": {}, "podSelector": marked}} == spec["subject"]
    assert {"Deny"} == {rule["action"] for rule in (*spec["ingress"], *spec["egress"])}
    assert [{"namespaces": {}}] == [peer for rule in spec["ingress"] for peer in rule["from"]]
    peers = [peer for rule in spec["egress"] for peer in rule["to"]]
    assert [{"namespaces": {}}, {"networks": ["0.0.0.0/0", "::/0"]}] == peers


def test_dev_takes_local_images_and_ticks_often() -> None:
    """The dev overlay changes the images of every function and the clock, and nothing else of them."""
    rendered = _render(ROOT / "knative" / "overlays" / "dev")
    images = [
        container["image"]
        for doc in rendered
        if doc["apiVersion"].startswith("serving.knative.dev/")
        for container in doc["spec"]["template"]["spec"]["containers"]
    ]
    assert sorted(f"dev.local/molt/{function}:0.1.0" for function in FUNCTIONS) == sorted(images)
    assert ["*/10 * * * * *"] == [doc["spec"]["schedule"] for doc in rendered if doc["kind"] == "PingSource"]


def test_warm_keeps_the_alerts_path_warm() -> None:
    """Router, quarantine and rotate have one instance always; the others may wait."""
    scales = {
        doc["metadata"]["name"]: doc["spec"]["template"]["metadata"]["annotations"]["autoscaling.knative.dev/min-scale"]
        for doc in _render(ROOT / "knative" / "overlays" / "warm")
        if doc["apiVersion"].startswith("serving.knative.dev/")
    }
    warm = {"detect-router", "quarantine", "rotate"}
    assert {function: "1" if function in warm else "0" for function in FUNCTIONS} == scales


def test_the_demos_shop_is_valid() -> None:
    """The example's policies are what a cluster takes."""
    for folder in ("shop", "policies"):
        loaded = load.read(ROOT / "examples" / folder)
        assert [] == [str(one.policy) for one in loaded if isinstance(one.policy, PolicyError)]
        assert {"ResponsePolicy", "RotationPolicy"} == {type(one.policy).__name__ for one in loaded}


DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "functions").glob("*/README.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    """Every path that a document links to is there."""
    links = re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
    assert [] == [link for link in links if not (document.parent / link).exists()]


def test_the_readme_starts_with_the_two_commands() -> None:
    """The first commands of the README are make demo and make test."""
    commands = re.findall(r"^    (\S+ \S+)", README, re.MULTILINE)
    assert ["make demo", "make test"] == commands[:2]


def test_every_make_target_of_the_documents_is_there() -> None:
    """What the documents say to type is in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {word for document in DOCUMENTS for word in re.findall(r"make ([a-z]+)", document.read_text("utf-8"))}
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert named & targets >= {"demo", "test", "up", "lint", "lock", "quick"}
    assert re.findall(r"^    make ([a-z]+)", README, re.MULTILINE) == ["demo", "test"]
