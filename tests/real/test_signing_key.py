"""The commands of docs/threat-model.md that make, change and replace the signing key, word by word, in a shell."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from datetime import UTC, datetime

import pytest

from molt import seal
from molt.events import Event
from molt.outcome import RefusedEvent
from molt.seal import Seal
from tests.real.kubectl import Kubectl
from tests.real.manifests import ROOT

pytestmark = pytest.mark.real

PAGE = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8").partition("\n## The key\n")[2]
BLOCKS = re.findall(r"(?:^    .*\n|^\n(?=    ))+", PAGE.partition("\n## ")[0], re.MULTILINE)
SETTINGS = {"key": seal.KEY, "previous-key": seal.PREVIOUS, "cluster": seal.CLUSTER}
NOW = datetime(2026, 11, 30, tzinfo=UTC)
EVENT = Event("1", "/molt/detect-router", "io.molt-project.alert.routed.v1", {})


def _shell(kubectl: Kubectl, script: str) -> None:
    environ = {
        "KUBECONFIG": str(kubectl.kubeconfig),
        "HOME": str(kubectl.kubeconfig.parent),
        "PATH": f"{kubectl.program.parent}:/usr/bin:/bin",
    }
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script], env=environ, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stderr


def _seal(kubectl: Kubectl) -> Seal:
    """Return the seal of a function that starts now."""
    data = json.loads(kubectl("-n", "molt", "get", "secret", "signing-key", "-o", "json"))["data"]
    return seal.of({SETTINGS[name]: base64.b64decode(value).decode() for name, value in data.items()})


def _takes(by: Seal, signer: Seal) -> bool:
    try:
        by.check(signer.sign(EVENT, NOW), NOW)
    except RefusedEvent:
        return False
    return True


@pytest.mark.usefixtures("installed")
def test_the_key_is_made_changed_and_replaced(kubectl: Kubectl) -> None:
    """Between two steps of a change every instance takes what any signs; after a theft, none takes what was signed."""
    make, change, forget, replace = BLOCKS
    first_step, second_step = (line for line in change.splitlines() if line.lstrip().startswith("put "))
    set_up = change[: change.index(first_step)]
    kubectl("-n", "molt", "delete", "secret", "signing-key", "--ignore-not-found")
    _shell(kubectl, make)
    old = _seal(kubectl)
    uid = json.loads(kubectl("get", "namespace", "kube-system", "-o", "json"))["metadata"]["uid"]
    assert (1, uid) == (len(old.keys), old.cluster)

    _shell(kubectl, set_up + first_step)
    both = _seal(kubectl)
    assert (old.keys[0], 2, uid) == (both.keys[0], len(both.keys), both.cluster)
    assert _takes(old, both)
    assert _takes(both, old)

    put = set_up.replace(re.findall(r"new=.*", set_up)[0], f"new={both.keys[1].decode()}")
    _shell(kubectl, put + second_step)
    new = _seal(kubectl)
    assert both.keys == new.keys[::-1]
    assert _takes(both, new)
    assert _takes(new, both)

    _shell(kubectl, set_up + forget)
    last = _seal(kubectl)
    assert new.keys[:1] == last.keys
    assert _takes(new, last)
    assert not _takes(last, old)

    _shell(kubectl, set_up + first_step)
    _shell(kubectl, replace)
    fresh = _seal(kubectl)
    assert 1 == len(fresh.keys)
    assert not any(_takes(fresh, stolen) for stolen in (old, both, new, last))
    kubectl("-n", "molt", "delete", "secret", "signing-key")
