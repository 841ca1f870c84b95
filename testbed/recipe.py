"""What is built: eight programs and one file of kwok stages, each from a module folder beside this file.

The versions stand in the go.mod files and nowhere else. A second supported minor is a second folder `kubernetes-MINOR`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
_VERSION = "k8s.io/component-base/version"


class TestbedError(Exception):
    """The control plane cannot be built or started; the text says why and what helps."""

    __test__ = False  # pytest: not a test, whatever its name


@dataclass(frozen=True, slots=True)
class Binary:
    """A program, the folder of the module that pins it, its Go package and what its linker is told."""

    name: str
    module: Path
    package: str
    link: str = ""

    def digest(self) -> str:
        """Return what changes exactly when this program must be built anew."""
        sources = sorted(path for pattern in ("go.mod", "go.sum", "*.go") for path in self.module.glob(pattern))
        return _digest(self.package, self.link, *(path.read_text(encoding="utf-8") for path in sources))


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that makes the control plane of one Kubernetes version, and the S3 server beside it.

    `nodes` are stages that kwok brings, `stages` our own, for pods. None ends the pod of a Job: its test does.
    """

    kubernetes: str
    binaries: tuple[Binary, ...]
    stages: tuple[Path, ...] = tuple(sorted((HERE / "stages").glob("*.yaml")))
    nodes: tuple[str, ...] = ("node/fast/node-initialize", "node/heartbeat/node-heartbeat")
    kwok: Path = HERE / "kwok"

    def stages_digest(self) -> str:
        """Return what changes exactly when the file of kwok stages must be put together anew."""
        pinned = (self.kwok / "go.mod").read_text(encoding="utf-8")
        return _digest(pinned, *self.nodes, *(path.read_text(encoding="utf-8") for path in self.stages))

    def digest(self) -> str:
        """Return what changes exactly when anything of this control plane changes."""
        return _digest(*(binary.digest() for binary in self.binaries), self.stages_digest())


def supported() -> dict[str, Path]:
    """Return the Kubernetes versions that can be built, newest first, with the module folder of each."""
    folders = {pinned(folder / "go.mod", "k8s.io/kubernetes"): folder for folder in HERE.glob("kubernetes*")}
    return dict(sorted(folders.items(), key=lambda item: _key(item[0]), reverse=True))


def recipe(wanted: str = "") -> Recipe:
    """Return the recipe of a version ("1.34.10") or a minor ("1.34"); the newest when none is named."""
    versions = supported()
    version = next((each for each in versions if not wanted or each == wanted or each.startswith(f"{wanted}.")), None)
    if version is None:
        raise TestbedError(f"Kubernetes {wanted} cannot be built here: only {', '.join(versions)}")
    major, minor, _ = version.split(".")
    stamp = f"-X {_VERSION}.gitVersion=v{version} -X {_VERSION}.gitMajor={major} -X {_VERSION}.gitMinor={minor}"
    parts = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
    return Recipe(
        version,
        (
            Binary("keys", HERE / "keys", "molt-project.io/testbed/keys"),
            Binary("etcd", HERE / "etcd", "go.etcd.io/etcd/server/v3"),
            *(Binary(part, versions[version], f"k8s.io/kubernetes/cmd/{part}", stamp) for part in parts),
            Binary("kwok", HERE / "kwok", "sigs.k8s.io/kwok/cmd/kwok"),
            Binary("versitygw", HERE / "versitygw", "github.com/versity/versitygw/cmd/versitygw"),
        ),
    )


def pinned(go_mod: Path, module: str) -> str:
    """Return the version of a module that a go.mod requires, without its "v"."""
    found = re.search(rf"^(?:require )?\s*{re.escape(module)} v(\S+)", go_mod.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise TestbedError(f"{go_mod} requires no {module}")
    return found[1]


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
