"""What each function's process gets: a kubeconfig of its own account, never the administrator's, and its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt.embedded.runtime import install, kubeconfig
from molt.embedded.runtime.child import Child
from molt.embedded.runtime.door import HOST
from molt.embedded.runtime.services import FunctionService, SecretKey
from molt.embedded.runtime.state import write_private
from molt.outcome import PermanentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from molt.cluster import Cluster
    from molt.embedded.runtime.state import StateFolder

TOKEN_LIFE = 24 * 3600  # seconds


def child_maker(
    function: FunctionService,
    admin: Cluster,
    target: Mapping[str, Any],
    state: StateFolder,
    environment: Mapping[str, str],
) -> Callable[[], Child]:
    """Return what makes the function's process, as its own ServiceAccount in the cluster `target` (of a kubeconfig)."""

    def prepare() -> dict[str, str]:
        token = admin.request_token(function.account, function.namespace, TOKEN_LIFE)
        config = state.accounts / f"{function.name}.kubeconfig"
        write_private(config, kubeconfig.render(target, token))
        values = {name: _value(admin, function.namespace, value) for name, value in function.settings.items()}
        settings = {name: value for name, value in values.items() if value is not None}
        settings |= {name: place for name, place in _places(state).items() if _is_file(settings.get(name, ""))}
        return {**environment, **settings, "HOST": HOST, "PORT": "0", "KUBECONFIG": str(config)}

    def make() -> Child:
        return Child(function.name, lambda _: [function.package], prepare, state.log(function.name))

    return make


def _places(state: StateFolder) -> dict[str, str]:
    """Return the settings that name a volume's mount in a container, and where that is on this machine."""
    return {"EVIDENCE_STORE": state.evidence.as_uri()}


def _is_file(url: str) -> bool:
    return url.startswith("file:")


def _value(admin: Cluster, namespace: str, value: str | SecretKey) -> str | None:
    """Return the setting's value; None for what is in no Secret and need not be."""
    if not isinstance(value, SecretKey):
        return value
    try:
        return install.secret_value(admin, namespace, value.name, value.key)
    except PermanentError:
        if value.optional:
            return None
        raise
