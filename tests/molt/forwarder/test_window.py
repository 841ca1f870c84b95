"""Which alerts repeat each other."""

from __future__ import annotations

from typing import Any

import pytest

from molt.alert import Alert
from molt.forwarder.window import Window, key
from tests.molt.forwarder.kit import CONTAINER, alert

UID = "0b6f7a1e-1111-4222-8333-444455556666"


def _key(**changes: Any) -> str | None:
    return key(Alert.parse({**alert("1"), **changes}))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"k8s.ns.name": "shop", "k8s.pod.name": "web", "k8s.pod.uid": UID, "container.id": CONTAINER},
            f'["Reverse Shell", "pod", "{UID}"]',
        ),
        (
            {"k8s.ns.name": "shop", "k8s.pod.name": "web", "container.id": CONTAINER},
            f'["Reverse Shell", "pod", "{CONTAINER}"]',
        ),
        ({"k8s.ns.name": "shop", "k8s.pod.name": "web"}, '["Reverse Shell", "pod", "shop/web"]'),
        ({"container.id": CONTAINER}, f'["Reverse Shell", "container", "{CONTAINER}"]'),
        ({"container.id": "host", "evt.hostname": "node-1"}, '["Reverse Shell", "node", "node-1"]'),
        ({"container.id": "host"}, None),
    ],
    ids=["UID", "container", "pod's name", "container only", "node", "nothing"],
)
def test_what_an_alert_shares_with_its_repeats(fields: dict[str, str], expected: str | None) -> None:
    """The rule, and the best that the alert says of where it points."""
    assert expected == _key(output_fields=fields)


@pytest.mark.parametrize("changes", [{"source": "k8s_audit"}, {"source": "aws_cloudtrail"}, {"source": "internal"}])
def test_what_says_no_object_is_no_repeat(changes: dict[str, str]) -> None:
    """Two calls of the API by one rule may be about two objects."""
    assert _key(output_fields={}, **changes) is None


def test_text_does_not_count() -> None:
    """What an attacker writes makes neither a repeat nor none."""
    assert _key(output="one") == _key(output="another", output_fields={**alert("1")["output_fields"], "proc.name": "x"})
    assert _key(rule="another") != _key()


def test_a_window_ends_and_the_clock_may_be_set_back() -> None:
    """From its opening on, for its length; one that was opened in the future is over."""
    window = Window(100.0, 4)
    assert [True, False, False, True] == [window.is_over(now, 10.0) for now in (99.9, 100.0, 109.9, 110.0)]


def test_what_is_more_urgent_is_no_repeat() -> None:
    """A priority that is as urgent or less is held."""
    assert [False, True, True] == [Window(0.0, 4).holds(priority) for priority in (3, 4, 5)]
