"""What the documents tell people to type: kubectl installs the tree, explains the kinds and shows their columns."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dead_letter.drops import TOLD as DROPPED
from dead_letter.refusal import REFUSED
from testbed.control_plane import ControlPlane
from tests.control_plane import binaries
from tests.real.knative import NAMES, stand_ins
from tests.real.kubectl import Kubectl
from tests.real.manifests import ROOT, crds, policies

pytestmark = pytest.mark.real

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def fresh(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """Return kubectl for a cluster that has Knative's kinds, and that nobody has installed molt in before."""
    folder = tmp_path_factory.mktemp("fresh")
    assert control_plane.version
    with ControlPlane.running(binaries(), folder) as plane:
        kubectl = Kubectl(plane.kubectl, plane.kubeconfig(folder / "kubectl.kubeconfig"))
        kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(stand_ins()))
        kubectl("wait", "--for=condition=Established", *(f"crd/{name}" for name in NAMES), "--timeout=30s")
        yield kubectl


@pytest.fixture(scope="module")
def installed(fresh: Kubectl) -> Kubectl:
    """Do what the README says under "On a cluster", word by word."""
    for command in _commands(_section("On a cluster")):
        fresh(*command)
    return fresh


def _section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def _commands(text: str) -> list[list[str]]:
    """Return the kubectl commands of the indented lines; what a shell would make, a secret and a UID, is put in."""
    made = re.sub(r"\$\(kubectl get [^)]+\)", "a-uid", text.replace("$(openssl rand -hex 32)", "0f" * 32))
    lines = re.findall(r"^    kubectl (.+)$", re.sub(r"\\\n +", "", made), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def test_the_readme_installs(installed: Kubectl) -> None:
    """After its commands everything that kustomize renders is there, Knative's kinds included."""
    rendered = list(yaml.safe_load_all(installed("kustomize", "knative/overlays/dev")))
    there = installed("get", "-f", "-", "-o", "name", stdin=yaml.safe_dump_all(rendered))
    assert len(rendered) == len(there.split())
    assert {"Service", "Broker", "Trigger", "PingSource", "ResponsePolicy"} < {each["kind"] for each in rendered}


@pytest.mark.parametrize("overlay", ["base", "overlays/dev", "overlays/warm"])
def test_server_side_apply(installed: Kubectl, overlay: str) -> None:
    """Each overlay is accepted by a server-side apply with strict validation, and a second one finds no difference."""
    apply = ("apply", "--server-side", "--force-conflicts", "--validate=strict", "-k", f"knative/{overlay}")
    said = installed(*apply).splitlines()
    assert all(line.endswith("serverside-applied") for line in said), said
    assert "" == installed("diff", "--server-side", "--force-conflicts", "-k", f"knative/{overlay}")


@pytest.mark.parametrize("crd", crds(), ids=lambda crd: crd["spec"]["names"]["singular"])
def test_explain(installed: Kubectl, crd: dict[str, Any]) -> None:
    """`kubectl explain` prints the description of the kind and of every field, however deep."""
    singular = crd["spec"]["names"]["singular"]
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert _words(schema["description"]) in _words(installed("explain", singular))
    missing = [
        path
        for path, description in _described(schema["properties"]["spec"], f"{singular}.spec")
        if _words(description) not in _words(installed("explain", path))
    ]
    assert [] == missing


def _described(schema: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the description of each field of a schema."""
    yield path, schema["description"]
    inner = schema.get("items", schema)
    for name, field in inner.get("properties", {}).items():
        yield from _described(field, f"{path}.{name}")


def _words(text: str) -> str:
    return " ".join(text.split())


def test_get_response_policies(installed: Kubectl) -> None:
    """`kubectl get rsp` prints mode and order of every default policy; -o wide prints no less."""
    heading, *rows = [line.split() for line in installed("get", "rsp").splitlines()]
    assert ["NAME", "MODE", "ORDER", "ACCEPTED", "AGE"] == heading
    told = {row[0]: row[1:3] for row in rows}
    assert {each["metadata"]["name"]: ["DryRun", str(each["spec"]["order"])] for each in policies()} == told
    assert heading == installed("get", "responsepolicies", "-o", "wide").splitlines()[0].split()


def test_get_rotation_policies(installed: Kubectl, tmp_path: Path) -> None:
    """`kubectl get rtp` prints how it stands, and -o wide the lifetime too."""
    file = tmp_path / "policy.yaml"
    file.write_text(
        "apiVersion: molt-project.io/v1alpha1\n"
        "kind: RotationPolicy\n"
        "metadata: {name: web, namespace: default}\n"
        "spec: {selector: {}, lifetime: {min: 30m, max: 1h}}\n"
        "status:\n"
        "  managed: 3\n"
        "  due: 2\n"
        "  moving: 1\n"
        "  blocked: {count: 2, reasons: [{reason: NodeCordoned, count: 2}]}\n"
        "  exposedSince: '2026-11-24T11:00:00Z'\n"
        "  lastRotation: '2026-11-24T12:00:00Z'\n"
        "  nextRotation: '2026-11-24T12:30:00Z'\n"
        "  conditions: [{type: Ready, status: 'False', reason: PodsBlocked, message: '', "
        "lastTransitionTime: '2026-11-24T12:00:00Z'}]\n",
        encoding="utf-8",
    )
    installed("apply", "-f", str(file))
    installed("apply", "--server-side", "--subresource=status", "-f", str(file))
    heading, row = installed("get", "rtp", "-n", "default").splitlines()
    columns = ["NAME", "MODE", "STRATEGY", "READY", "MANAGED", "DUE", "MOVING", "BLOCKED", "EXPOSED", "NEXT", "AGE"]
    assert columns == heading.split()
    assert ["web", "DryRun", "Replace", "False", "3", "2", "1", "2"] == row.split()[:8]
    assert "2026-11-24T12:30:00Z" == row.split()[9]
    wide = [line.split() for line in installed("get", "rtp", "-n", "default", "-o", "wide").splitlines()]
    before, after = [*columns[:3], "EVERY", "MIN", "MAX", "READY", "ATTACKED"], ["LAST", "NEXT", "REASON", "AGE"]
    assert [*before, *columns[4:9], *after] == wide[0]
    assert ["web", "DryRun", "Replace", "30m", "1h", "False", "3", "2", "1", "2"] == wide[1][:10]
    assert "PodsBlocked" in wide[1]


def test_the_molt_category(installed: Kubectl) -> None:
    """`kubectl get molt` lists the policies of both kinds."""
    names = installed("get", "molt", "-A", "-o", "name").split()
    assert {f"responsepolicy.molt-project.io/{each['metadata']['name']}" for each in policies()} <= set(names)


def test_the_commands_of_three_in_the_morning(installed: Kubectl) -> None:
    """Each kubectl command of "At 3 a.m." is one that kubectl takes, on an object that is there."""
    installed("apply", "-k", "examples/shop")
    installed("wait", "--for=create", "serviceaccount/default", "-n", "shop", "--timeout=30s")
    labels = "--labels=molt-project.io/compromised=true,molt-project.io/suspect=true"
    installed("run", "-n", "shop", "web-6d4cf56db6-x2x9z", "--image=web:1", labels)
    node = installed("get", "nodes", "-o", "name").split()[0]
    installed("label", node, "molt-project.io/cordoned=true")
    for reason in (REFUSED, DROPPED):
        told = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": reason.lower(), "namespace": "molt"},
            "involvedObject": {"kind": "Service", "namespace": "molt", "name": "evidence"},
            "type": "Warning",
            "reason": reason,
        }
        installed("apply", "-f", "-", stdin=yaml.safe_dump(told))
    for command in _commands(_section("At 3 a.m.")):
        assert installed(*command)
