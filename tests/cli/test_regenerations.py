"""`molt plan` of Secrets: when they get new values, who is restarted then, and what holds it up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from molt import marks
from molt.cli import regenerations
from molt.cli.coming import Span
from molt.cluster import NAMESPACES, ROTATION_POLICIES, Forbidden
from molt.lifetime import Keys
from molt.policy import rotation
from molt.regenerable import due_at
from tests.cli import objects
from tests.cli.conftest import Molt
from tests.embedded_cluster import RunningCluster
from tests.functions.fake_cluster import FakeClock
from tests.functions.rotate.vault import DEPENDANTS, KEY, Vault, tick

HOUR = timedelta(hours=1)
SECRET = {"name": "db", "keys": ["password"], "lifetime": {"every": "2h"}, "dependants": DEPENDANTS}


@pytest.fixture
def vault() -> Vault:
    vault = Vault(FakeClock())
    vault.regenerate(lifetime={"every": "3h"})
    return vault


def _foretell(vault: Vault, keys: Keys | None = KEY) -> regenerations.Renewal:
    policy = rotation.parse(vault.objects["rotationpolicies", "shop", "credentials"])
    space = vault.objects.get(("namespaces", "", "shop"))
    (found,) = regenerations.foretell(vault, policy, keys, space, vault.clock.now())
    return found


def test_with_the_key_the_time_is_known(vault: Vault) -> None:
    """It is the function's; without, a range: the last fifth of the lifetime."""
    found = _foretell(vault)
    at = due_at(found.secret, vault.secret, KEY, vault.clock.now())
    assert (Span(at, at), Span(at, at), "") == (found.due, found.begin, found.held)
    assert ("StatefulSet/db", "Deployment/web") == found.dependants
    made = vault.clock.now().replace(microsecond=0) - 2 * HOUR
    assert Span(made + 2.4 * HOUR, made + 3 * HOUR) == _foretell(vault, None).due


def test_the_function_begins_when_it_was_foretold(vault: Vault) -> None:
    """Not a second earlier."""
    found = _foretell(vault)
    assert found.begin
    vault.clock.time = found.begin.earliest - timedelta(seconds=1)
    assert [] == tick(vault)
    vault.clock.time = found.begin.earliest
    assert 1 == len(tick(vault))


def test_a_regeneration_under_way(vault: Vault) -> None:
    """Since when, and whether it goes back."""
    vault.regenerate()
    vault.broken = {"web"}
    tick(vault)
    since = vault.notes[marks.REGENERATING_SINCE]
    assert (None, f"under way since {since}") == (_foretell(vault).begin, _foretell(vault).held)
    for _ in range(3):
        tick(vault)
    assert f"under way since {since}; the former values are back" == _foretell(vault).held


def test_what_holds_it_up(vault: Vault) -> None:
    """A pause of the Secret or of the namespace, its owner, the guards, and that it cannot be seen."""
    notes = vault.secret["metadata"]["annotations"]
    until = vault.clock.now() + 5 * HOUR
    notes[marks.PAUSE] = marks.stamp(until)
    found = _foretell(vault)
    expected = f"Secret db is paused by molt-project.io/pause until {notes[marks.PAUSE]}"
    assert (Span(until, until), expected) == (found.begin, found.held)
    vault.put(NAMESPACES, {"metadata": {"name": "shop", "annotations": {marks.PAUSE: "true"}}})
    assert (None, "namespace shop is paused by molt-project.io/pause") == (
        _foretell(vault).begin,
        _foretell(vault).held,
    )
    del notes[marks.REGENERABLE]
    assert _foretell(vault).held.startswith("its owner does not let it")
    vault.namespace("shop", **{marks.EXEMPT: "true"})
    assert "namespace shop is exempt by its label molt-project.io/exempt" == _foretell(vault).held
    vault.failing["get", "secrets"] = Forbidden("not allowed to get secrets")
    found = _foretell(vault)
    assert (None, None, "not allowed to get secrets") == (found.due, found.begin, found.held)


@pytest.fixture
def policy(cluster: RunningCluster) -> Iterator[None]:
    """Make a policy for a Secret that is not there."""
    cluster.admin.create(ROTATION_POLICIES, objects.rotation(secrets=[SECRET]), "shop")
    yield
    cluster.admin.delete(ROTATION_POLICIES, "web", "shop")


@pytest.mark.usefixtures("policy")
def test_it_is_shown(molt: Molt, context: str) -> None:
    """As a table, and as JSON."""
    shown = molt("plan", "--context", context)
    assert 0 == shown.code
    assert "Then restarts" in shown.out
    (found,) = molt("plan", "--context", context, "--json").json["policies"]
    (secret,) = found["secrets"]
    expected: dict[str, Any] = {
        "secret": "db",
        "keys": ["password"],
        "dependants": ["StatefulSet/db", "Deployment/web"],
    }
    assert expected | {"due": None, "begin": None} == {name: secret[name] for name in secret if name != "heldBy"}
    assert 'secrets "db" not found' in secret["heldBy"]
