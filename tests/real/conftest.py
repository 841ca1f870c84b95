"""The real API server with what `kubectl apply` would have put there: namespace, kinds, accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.real.kubectl import Kubectl
from tests.real.manifests import ROOT, accounts, apply_all, documents, establish, functions

if TYPE_CHECKING:
    from testbed.api import Api
    from testbed.control_plane import ControlPlane


@pytest.fixture(scope="session")
def installed(control_plane: ControlPlane) -> Api:
    """Return the administrator's API server after molt's own objects, as in knative/base and functions/."""
    api = control_plane.api
    apply_all(api, documents(ROOT / "knative/base/namespace.yaml"))
    establish(api)
    for function in functions():
        apply_all(api, accounts(function))
    return api


@pytest.fixture(scope="session")
def kubectl(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """Return the testbed's kubectl, as administrator."""
    return Kubectl(control_plane.kubectl, control_plane.kubeconfig(tmp_path_factory.mktemp("kubectl") / "config"))
