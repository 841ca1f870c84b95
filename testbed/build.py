"""Builds a control plane into a folder outside the tree: one program after the other, resumed where it was stopped.

A program is linked to `NAME.partial` and renamed when it is whole; `NAME.digest` then says what it was built from.
Go's own caches keep the packages that an interrupted build had compiled.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.recipe import Binary, Recipe, TestbedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_PROGRESS_EVERY = 10.0  # seconds
_WITHOUT_GO = "Go is not there: the real control plane is built with it (https://go.dev/dl, 1.26 or newer)"


def cache_folder(environment: Mapping[str, str], recipe: Recipe) -> Path:
    """Return the folder of a recipe's programs: $XDG_CACHE_HOME/molt/testbed/VERSION (~/.cache by default)."""
    base = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "molt" / "testbed" / recipe.kubernetes


def missing(recipe: Recipe, folder: Path) -> list[str]:
    """Return the names of what is not built, or was built from something else than what is in the tree now."""
    wanted = {binary.name: binary.digest() for binary in recipe.binaries} | {"stages.yaml": recipe.stages_digest()}
    return [name for name, digest in wanted.items() if not _is_built(folder / name, digest)]


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds one recipe into one folder and reports each step as a line of text."""

    recipe: Recipe
    folder: Path
    report: Callable[[str], None]

    def build(self) -> None:
        """Build what is missing. Raise TestbedError when Go is absent or a build fails; what is done stays."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with _alone(self.folder):
            todo = missing(self.recipe, self.folder)
            if todo and shutil.which("go") is None:
                raise TestbedError(_WITHOUT_GO)
            for binary in self.recipe.binaries:
                self._binary(binary, needed=binary.name in todo)
            if "stages.yaml" in todo:
                self._stages()

    def _binary(self, binary: Binary, *, needed: bool) -> None:
        if not needed:
            self.report(f"{binary.name}: is there")
            return
        started = time.monotonic()
        partial = self.folder / f"{binary.name}.partial"
        link = f"-s -w {binary.link}".strip()
        _go(
            binary,
            ["build", "-v", "-buildvcs=false", "-trimpath", "-ldflags", link, "-o", str(partial), binary.package],
            self.report,
        )
        partial.rename(self.folder / binary.name)
        (self.folder / f"{binary.name}.digest").write_text(binary.digest(), encoding="utf-8")
        self.report(f"{binary.name}: built in {time.monotonic() - started:.0f} s")

    def _stages(self) -> None:
        listed = ["go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"]
        where = subprocess.run(  # noqa: S603 - a fixed command
            listed, cwd=self.recipe.kwok, capture_output=True, text=True, check=False
        )
        if where.returncode != 0:
            raise TestbedError(f"kwok's own stages were not found: {where.stderr.strip()}")
        theirs = [Path(where.stdout.strip(), "kustomize/stage", f"{name}.yaml") for name in self.recipe.nodes]
        texts = [path.read_text(encoding="utf-8") for path in (*theirs, *self.recipe.stages)]
        (self.folder / "stages.yaml").write_text("---\n".join(texts), encoding="utf-8")
        (self.folder / "stages.yaml.digest").write_text(self.recipe.stages_digest(), encoding="utf-8")


def _is_built(product: Path, digest: str) -> bool:
    stamp = product.with_name(f"{product.name}.digest")
    return product.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == digest


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other build writes to this folder."""
    with (folder / ".lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _go(binary: Binary, arguments: list[str], report: Callable[[str], None]) -> None:
    """Run go in a module's folder; `go build -v` names each package it compiled, which is the progress shown."""
    command = ["env", "CGO_ENABLED=0", "GOWORK=off", "go", *arguments]
    started = shown = time.monotonic()
    compiled, said = 0, deque[str](maxlen=30)
    report(f"{binary.name}: compiling {binary.package}")
    with subprocess.Popen(  # noqa: S603 - a command of this module
        command, cwd=binary.module, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr or ():
            said.append(line)
            compiled += not line.startswith(("go: ", "#"))
            if time.monotonic() - shown > _PROGRESS_EVERY:
                shown = time.monotonic()
                report(f"{binary.name}: {shown - started:.0f} s, {compiled} packages, last {line.strip()}")
    if process.returncode != 0:
        raise TestbedError(f"{binary.name} was not built:\n{''.join(said)}")
