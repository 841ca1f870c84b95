"""The forwarder's manifests agree with each other, with the code and with what a cautious cluster lets in."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from molt.forwarder import settings
from molt.forwarder.settings import PREFIX, Settings, read
from molt.forwarder.wire import LIMIT
from tests.test_manifests import _render

DEPLOY = Path(__file__).resolve().parents[1] / "deploy" / "forwarder"
UNITS = {"Mi": 2**20, "Gi": 2**30}


def _yaml(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def _values() -> dict[str, Any]:
    found: dict[str, Any] = _yaml("falco-values.yaml")
    return found


def _sidecar() -> dict[str, Any]:
    (found,) = _values()["extra"]["initContainers"]
    return dict(found)


def _standalone() -> dict[str, Any]:
    (found,) = _yaml("standalone/statefulset.yaml")["spec"]["template"]["spec"]["containers"]
    return dict(found)


CONTAINERS = pytest.mark.parametrize("container", [_sidecar(), _standalone()], ids=["sidecar", "standalone"])


def _settings(container: dict[str, Any]) -> Settings:
    """Return what the code makes of a container's environment. Raises ValueError."""
    return read({one["name"]: one.get("value", "node-1") for one in container["env"]})


@CONTAINERS
def test_the_settings_are_known_and_right(container: dict[str, Any]) -> None:
    """Every variable is one that the code documents, and their values are taken."""
    known = set(re.findall(rf"{PREFIX}\w+", settings.__doc__ or ""))
    assert {one["name"] for one in container["env"]} <= known
    found = _settings(container)
    assert "http://broker-ingress.knative-eventing.svc.cluster.local/molt/default" == found.broker


@CONTAINERS
def test_it_runs_without_privileges(container: dict[str, Any]) -> None:
    """Non-root, read-only, no capabilities, no escalation, seccomp RuntimeDefault; only the spool may be written."""
    assert {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    } == container["securityContext"]
    (writable,) = [mount for mount in container["volumeMounts"] if not mount.get("readOnly")]
    assert Path(writable["mountPath"]) == _settings(container).spool.parent


def test_the_sidecar_is_one_and_is_reached_by_falco_alone() -> None:
    """It starts before Falco and ends after it; the door is on loopback, where Falco posts."""
    found = _settings(_sidecar())
    assert found.listen
    assert ("Always", "127.0.0.1") == (_sidecar()["restartPolicy"], found.listen[0])
    falco = _values()["falco"]
    assert (True, True) == (falco["json_output"], falco["http_output"]["enabled"])
    assert f"http://127.0.0.1:{found.listen[1]}/" == falco["http_output"]["url"]
    assert {"suggested_output": True} in falco["append_output"]


def test_the_component_has_the_same_container_as_the_values() -> None:
    """One truth for Helm and for kustomize."""
    pod = _yaml("sidecar/container.yaml")["spec"]["template"]["spec"]
    assert [_sidecar()] == pod["initContainers"]
    assert _values()["mounts"]["volumes"] == pod["volumes"]
    given = [one["value"] for one in _yaml("sidecar/arguments.yaml")]
    assert f"-ohttp_output.url={_values()['falco']['http_output']['url']}" in given


def test_the_spool_fits_its_volume() -> None:
    """With what SQLite needs beside the alerts: as much again at worst, and the log of its last writes."""
    (volume,) = _values()["mounts"]["volumes"]
    claim = _yaml("standalone/statefulset.yaml")["spec"]["volumeClaimTemplates"][0]["spec"]
    sizes = [volume["emptyDir"]["sizeLimit"], claim["resources"]["requests"]["storage"]]
    for container, size in zip((_sidecar(), _standalone()), sizes, strict=True):
        bytes_ = int(size[:-2]) * UNITS[size[-2:]]
        assert 2 * _settings(container).limits.bytes + 32 * LIMIT <= bytes_
    assert "medium" not in volume["emptyDir"], "memory is gone with a restart of the node"


def test_standalone_lets_nobody_in_without_the_token() -> None:
    """Its Service, its Secret and Falcosidekick's values name the same things; it has no right at the API server."""
    stateful, service = _yaml("standalone/statefulset.yaml"), _yaml("standalone/service.yaml")
    sidekick, found = _yaml("falcosidekick-values.yaml")["config"], _settings(_standalone())
    spec = stateful["spec"]["template"]["spec"]
    assert found.token
    assert found.listen
    assert not spec["automountServiceAccountToken"]
    assert service["spec"]["selector"] == stateful["spec"]["template"]["metadata"]["labels"]
    meta, port = service["metadata"], service["spec"]["ports"][0]["port"]
    assert f"http://{meta['name']}.{meta['namespace']}.svc.cluster.local:{port}/" == sidekick["webhook"]["address"]
    assert port == found.listen[1] == _standalone()["ports"][0]["containerPort"]
    (secret,) = spec["volumes"]
    mounted = next(one for one in _standalone()["volumeMounts"] if one["name"] == secret["name"])
    assert found.token == Path(mounted["mountPath"]) / secret["secret"]["items"][0]["path"]
    (header,) = sidekick["extraEnv"]
    assert secret["secret"]["secretName"] == header["valueFrom"]["secretKeyRef"]["name"]
    assert found.grace < spec["terminationGracePeriodSeconds"]


def test_standalone_renders() -> None:
    """It is what kustomize takes."""
    assert {"StatefulSet", "Service"} == {doc["kind"] for doc in _render(DEPLOY / "standalone")}


def test_the_component_renders_into_a_falco(tmp_path: Path) -> None:
    """The sidecar is there once, and Falco's own arguments stay."""
    container = {"name": "falco", "image": "falco", "args": ["/usr/bin/falco"]}
    pod = {"spec": {"containers": [container]}}
    falco = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "falco"}, "spec": {"template": pod}}
    (tmp_path / "falco.yaml").write_text(yaml.safe_dump(falco))
    (tmp_path / "sidecar").mkdir()
    for file in (DEPLOY / "sidecar").iterdir():
        (tmp_path / "sidecar" / file.name).write_text(file.read_text(encoding="utf-8"))
    (tmp_path / "kustomization.yaml").write_text("resources: [falco.yaml]\ncomponents: [sidecar]\n")
    (rendered,) = _render(tmp_path)
    spec = rendered["spec"]["template"]["spec"]
    assert [_sidecar()] == spec["initContainers"]
    assert "/usr/bin/falco" == spec["containers"][0]["args"][0]
    assert 4 == len(spec["containers"][0]["args"])


def test_the_image_is_made_of_what_is_pinned() -> None:
    """The installer and what builds the core, too: nothing comes in unchecked."""
    recipe = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
    runs = [line.removeprefix("RUN ") for line in recipe.splitlines() if line.startswith("RUN ")]
    installs = [part.split() for run in runs for part in run.split("&&") if re.search(r"install|build", part)]
    assert ["pip", "uv", "uv", "uv"] == [words[0] for words in installs]
    for words in installs:
        checked = {"--require-hashes", "--verify-hashes", "--no-index"} & set(words)
        pinned = {"image/installer.txt", "requirements.lock", "/wheels/*.whl"} & set(words)
        assert (1, 1) == (len(checked), len(pinned)), words
    assert "COPY image/installer.txt image/" in recipe


def test_the_image_has_what_the_forwarder_imports() -> None:
    """Only cloudevents is installed beside the core, and some of the core is taken away."""
    recipe = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    gone = re.search(r"rm -rf ([\w ]+) /app", recipe)
    assert gone
    script = "import sys, molt.forwarder.process; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "cloudevents" in loaded
    assert not loaded & {*(f"molt.{name}" for name in gone[1].split()), "kubernetes", "flask", "waitress", "yaml"}
