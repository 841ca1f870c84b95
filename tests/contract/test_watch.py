"""Lists and watches: pages, resuming where one left off, selectors that objects move in and out of, and "too old"."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

import pytest

from tests.contract.space import CRDS, Object, config_map, events, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.space import Space

GROUP = "contract.molt-project.io"


def _version(space: Space) -> str:
    return str(space.api.get(space.path("configmaps")).object()["metadata"]["resourceVersion"])


def test_pages(space: Space) -> None:
    """A list with a limit comes in pages of one version, each object once, though the collection changes meanwhile."""
    wanted = [f"map-{number}" for number in range(5)]
    for name in wanted:
        space.create("configmaps", config_map(name, app="page")).object()
    path, seen, token = space.path("configmaps"), [], ""
    versions = set()
    while True:
        page = space.api.get(path, limit="2", labelSelector="app=page", **{"continue": token}).object()
        seen += [item["metadata"]["name"] for item in page["items"]]
        versions.add(page["metadata"]["resourceVersion"])
        space.api.delete(space.path("configmaps", "map-4"))
        if not (token := page["metadata"].get("continue", "")):
            break
    assert (wanted, 1) == (seen, len(versions))


def test_unreadable_page(space: Space) -> None:
    """A `continue` that the server never gave is refused with 400."""
    answer = space.api.get(space.path("configmaps"), limit="2", **{"continue": "xx"})
    assert (400, "BadRequest") == (answer.status, answer.reason)
    assert "continue" in answer.message


def test_watch_resumes(space: Space) -> None:
    """A watch from a version tells every change since, in order, with the object as it then was."""
    version = _version(space)
    space.create("configmaps", config_map("one", app="x")).object()
    space.api.patch(space.path("configmaps", "one"), {"data": {"key": "second"}}).object()
    space.api.delete(space.path("configmaps", "one")).object()
    seen = list(space.api.watch(space.path("configmaps"), seconds=1, labelSelector="app=x", resourceVersion=version))
    assert ["ADDED", "MODIFIED", "DELETED"] == [kind for kind, _ in seen]
    assert ["value", "second", "second"] == [obj["data"]["key"] for _, obj in seen]
    numbers = [int(obj["metadata"]["resourceVersion"]) for _, obj in seen]
    assert sorted(set(numbers)) == numbers
    middle = str(numbers[1])
    rest = space.api.watch(space.path("configmaps"), seconds=1, labelSelector="app=x", resourceVersion=middle)
    assert [("DELETED", "one")] == events(rest)


def test_watch_without_a_version(space: Space) -> None:
    """A watch from nowhere begins with what is there."""
    space.create("configmaps", config_map("one", app="x")).object()
    assert [("ADDED", "one")] == events(space.api.watch(space.path("configmaps"), seconds=1, labelSelector="app=x"))


def test_watch_by_selector(space: Space) -> None:
    """An object that a selector no longer names is told as deleted, one that it newly names as added."""
    version, path = _version(space), space.path("configmaps", "one")
    space.create("configmaps", config_map("one", app="x")).object()
    for value in ("y", "x"):
        space.api.patch(path, {"metadata": {"labels": {"app": value}}}).object()
    space.create("configmaps", config_map("other", app="y")).object()
    watched = space.api.watch(space.path("configmaps"), seconds=1, resourceVersion=version, labelSelector="app=x")
    assert [("ADDED", "one"), ("DELETED", "one"), ("ADDED", "one")] == events(watched)


def test_watch_by_field(space: Space) -> None:
    """A watch of one name tells of nothing else."""
    version = _version(space)
    for name in ("one", "two"):
        space.create("configmaps", config_map(name)).object()
    watched = space.api.watch(
        space.path("configmaps"), seconds=1, resourceVersion=version, fieldSelector="metadata.name=two"
    )
    assert [("ADDED", "two")] == events(watched)


def test_watch_is_live(space: Space) -> None:
    """A change is told while the watch stands, not at its end."""
    seen: list[tuple[str, Object]] = []
    first = itertools.islice(
        space.api.watch(space.path("configmaps"), seconds=20, labelSelector="app=x", resourceVersion=_version(space)), 1
    )
    follower = threading.Thread(target=lambda: seen.extend(first))
    follower.start()
    space.create("configmaps", config_map("one", app="x")).object()
    follower.join()
    assert [("ADDED", "one")] == events(iter(seen))


@pytest.fixture
def young(space: Space) -> Iterator[str]:
    """Make a new kind and return the path of its objects here: it has no history before its own beginning."""
    plural = f"young{space.namespace.replace('-', '')}"
    schema = {"openAPIV3Schema": {"type": "object"}}
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": plural, "kind": plural.title()},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    space.api.post(CRDS, body).object()
    path = space.path(plural, group=f"{GROUP}/v1")
    until(lambda: space.api.get(path).status == 200, "the kind is served")
    yield path
    space.api.delete(f"{CRDS}/{plural}.{GROUP}")


def test_watch_from_too_long_ago(space: Space, young: str) -> None:
    """A watch from a version that is no longer known ends at once with 410 Expired: list again."""
    [(kind, status)] = space.api.watch(young, seconds=5, resourceVersion="1")
    assert ("ERROR", 410, "Expired") == (kind, status["code"], status["reason"])
    assert status["message"].startswith("too old resource version: 1 (")
