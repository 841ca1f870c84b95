"""molt.guard: what nobody may touch, whatever a policy says.

namespace  protected by name, by prefix, molt's own | near misses | exempt by label, label of another value
           | object not at hand, of another namespace
pod        mirror by annotation | owned by a node, which anybody may write, or something else | labelled exempt itself
"""

from __future__ import annotations

from typing import Any

import pytest

from molt import guard


def pod(namespace: str = "shop", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web-1", "namespace": namespace, **metadata}}


def namespace(name: str = "shop", labels: dict[str, str] | None = None) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}}


@pytest.mark.parametrize(
    "name",
    [
        "kube-system",
        "kube-public",
        "kube-node-lease",
        "molt",
        "falco",
        "knative-serving",
        "knative-eventing",
        "knative-",
    ],
)
def test_the_cluster_falco_knative_and_molt_are_protected(name: str) -> None:
    """What everything else runs on is not touched, though its namespace object allows it."""
    assert f"namespace {name} is protected" == guard.first_objection(pod(name), namespace(name))


@pytest.mark.parametrize("name", ["kube-systems", "my-molt", "molt-shop", "falco-demo", "knative", "default"])
def test_names_that_are_only_alike_are_not_protected(name: str) -> None:
    """Nobody escapes by a name that resembles a protected one."""
    assert guard.first_objection(pod(name), namespace(name)) is None


def test_molt_protects_the_namespace_it_really_runs_in() -> None:
    """An installation under another name is as safe."""
    assert "namespace mtd is protected" == guard.first_objection(pod("mtd"), namespace("mtd"), own_namespace="mtd")
    assert guard.protected_namespace("mtd", own_namespace="") is None
    assert guard.protected_namespace("") is None


@pytest.mark.parametrize(
    "metadata",
    [
        {"annotations": {"kubernetes.io/config.mirror": "5f3c"}},
        {
            "annotations": {"kubernetes.io/config.mirror": "5f3c"},
            "ownerReferences": [{"kind": "Node", "name": "node-1", "controller": True}],
        },
    ],
    ids=["by annotation", "by annotation, with its owner"],
)
def test_static_pods_are_refused(metadata: dict[str, Any]) -> None:
    """A mirror pod is an image of something that the API cannot change."""
    assert "pod web-1 is static: its node runs it from a file" == guard.first_objection(pod(**metadata), namespace())


def test_an_owned_pod_is_not_static() -> None:
    """Other owners and annotations mean nothing here."""
    owned = pod(annotations={"a": "b"}, ownerReferences=[{"kind": "ReplicaSet", "name": "web"}])
    assert guard.static_pod(owned) is None
    assert guard.static_pod(pod(annotations=None, ownerReferences=None)) is None
    assert guard.static_pod({}) is None


def test_a_namespace_exempts_what_is_in_it() -> None:
    """The label with the value "true", and nothing else, exempts."""
    exempt = namespace(labels={"molt-project.io/exempt": "true"})
    assert "namespace shop is exempt by its label molt-project.io/exempt" == guard.first_objection(pod(), exempt)
    for labels in (None, {}, {"molt-project.io/exempt": "false"}, {"molt-project.io/exempt": ""}):
        assert guard.first_objection(pod(), namespace(labels=labels)) is None


def test_a_pod_cannot_exempt_itself() -> None:
    """Who has broken into a pod may be able to label it, and to name owners; that must not be a way out."""
    assert guard.first_objection(pod(labels={"molt-project.io/exempt": "true"}), namespace()) is None
    node = {"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": "n1", "controller": True}
    assert guard.first_objection(pod(ownerReferences=[node]), namespace()) is None


def test_what_cannot_be_checked_is_not_allowed() -> None:
    """Without the namespace's object, or with that of another, nothing is touched."""
    unknown = "namespace shop could not be checked for molt-project.io/exempt"
    assert unknown == guard.first_objection(pod(), None)
    assert f"{unknown}: got bank" == guard.first_objection(pod(), namespace("bank"))
