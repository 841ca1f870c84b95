"""kubectl as an installer and a user run it, against one control plane."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.real.manifests import ROOT


@dataclass(frozen=True, slots=True)
class Kubectl:
    """A kubectl that speaks to one API server as its administrator."""

    program: Path
    kubeconfig: Path

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """Run it in the root of the tree and return what it prints; an AssertionError that quotes it when it fails."""
        done = self.run(*arguments, stdin=stdin)
        assert 0 == done.returncode, done.stderr
        return done.stdout

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run it and return what became of it."""
        environ = {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.kubeconfig.parent), "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            [self.program, *arguments], cwd=ROOT, env=environ, input=stdin, capture_output=True, text=True, check=False
        )
