"""The store: optimistic concurrency, dry run, generated names, deletion in all its ways, what subscribers are told."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from molt.embedded.cluster import objects
from molt.embedded.cluster.errors import AlreadyExists, StoreConflict, StoreError, StoreGone, StoreNotFound
from molt.embedded.cluster.problems import of_store
from molt.embedded.cluster.store import Store

if TYPE_CHECKING:
    from molt.embedded.cluster.changes import Change

MOMENT = datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC)


def pod(name: str = "web", **metadata: object) -> dict[str, object]:
    return {"metadata": {"namespace": "shop", "name": name, **metadata}, "spec": {"nodeName": "n1"}}


@pytest.fixture
def store() -> Store:
    return Store(now=lambda: MOMENT)


def test_create_fills_the_server_side_metadata(store: Store) -> None:
    """A new object gets a uid, times in whole seconds, a resourceVersion and generation 1; what was sent is ignored."""
    made = store.create("pods", pod(uid="mine", resourceVersion="7", generation=4))
    assert "2026-11-01T12:00:00Z" == made["metadata"]["creationTimestamp"]
    assert ("2", 1) == (made["metadata"]["resourceVersion"], made["metadata"]["generation"])
    assert re.fullmatch(r"[0-9a-f-]{36}", made["metadata"]["uid"])
    assert made == store.get("pods", "shop", "web")
    assert "2" == store.version


def test_kinds_without_generation(store: Store) -> None:
    """ConfigMaps and their like carry no generation, even once changed."""
    made = store.create("configmaps", {"metadata": {"namespace": "shop", "name": "c"}})
    assert "generation" not in store.update("configmaps", made | {"data": {"a": "b"}})["metadata"]


def test_a_taken_name_is_refused(store: Store) -> None:
    """Creating the same name twice raises AlreadyExists, dry run or not."""
    store.create("pods", pod())
    for dry_run in (False, True):
        with pytest.raises(AlreadyExists, match="pods 'web': already exists"):
            store.create("pods", pod(), dry_run=dry_run)


def test_generated_names(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generateName ends in five characters of Kubernetes' alphabet, and a name that is taken is drawn again."""
    body = {"metadata": {"namespace": "shop", "generateName": "web-"}}
    assert re.fullmatch(r"web-[bcdfghjklmnpqrstvwxz2456789]{5}", store.create("pods", body)["metadata"]["name"])
    assert 63 == len(objects.generated("x" * 80))
    draws = iter(["a", "a", "b", *["a"] * 8])
    monkeypatch.setattr("molt.embedded.cluster.store.generated", lambda base: base + next(draws))
    assert ["web-a", "web-b"] == [store.create("pods", body)["metadata"]["name"] for _ in range(2)]
    with pytest.raises(AlreadyExists):
        store.create("pods", body)


def test_dry_run_stores_nothing(store: Store) -> None:
    """Dry runs answer with the result and leave store, version and subscribers alone."""
    made = store.create("pods", pod())
    with store.subscribe() as changes:
        assert "resourceVersion" not in store.create("pods", pod("other"), dry_run=True)["metadata"]
        changed = store.update("pods", {**made, "spec": {}}, dry_run=True)
        assert (2, made["metadata"]["resourceVersion"]) == (
            changed["metadata"]["generation"],
            changed["metadata"]["resourceVersion"],
        )
        assert "deletionTimestamp" in store.delete("pods", "shop", "web", dry_run=True)["metadata"]
        assert ([made], None) == (store.list("pods"), changes.get(0.01))


def test_what_does_not_change_is_shared(store: Store) -> None:
    """The store alters nothing of what is passed in, and copies none of it that it does not change."""
    body = pod()
    made = store.create("pods", body)
    marked = store.delete("pods", "shop", "web")
    changed = store.update("pods", {**marked, "metadata": {**marked["metadata"], "labels": {"app": "web"}}})
    assert pod() == body
    for one in (made, marked, changed, store.get("pods", "shop", "web")):
        assert body["spec"] is one["spec"]


def test_list_by_namespace_in_order(store: Store) -> None:
    """Objects come ordered by namespace and name, of one namespace or of all."""
    for namespace, name in (("b", "x"), ("a", "z"), ("a", "y")):
        store.create("pods", {"metadata": {"namespace": namespace, "name": name}})
    assert ["y", "z", "x"] == [one["metadata"]["name"] for one in store.list("pods")]
    assert ["x"] == [one["metadata"]["name"] for one in store.list("pods", "b")]
    assert [] == store.list("services")


def test_update_bumps_generation_with_the_spec_only(store: Store) -> None:
    """A label leaves generation alone, a spec change raises it, no change at all writes nothing."""
    made = store.create("pods", pod())
    labelled = store.update("pods", made | {"metadata": made["metadata"] | {"labels": {"app": "web"}}})
    assert (1, "3") == (labelled["metadata"]["generation"], labelled["metadata"]["resourceVersion"])
    limited = labelled | {"spec": {"nodeName": "n1", "activeDeadlineSeconds": 9}}
    assert 2 == store.update("pods", limited)["metadata"]["generation"]
    assert "4" == store.update("pods", store.get("pods", "shop", "web"))["metadata"]["resourceVersion"]


def test_update_keeps_what_no_writer_may_change(store: Store) -> None:
    """uid, creation time and generation of an update are those of the stored object."""
    made = store.create("pods", pod())
    changed = store.update("pods", pod(labels={"a": "b"}, generation=77, creationTimestamp="1970-01-01T00:00:00Z"))
    for field in ("uid", "creationTimestamp", "generation"):
        assert made["metadata"][field] == changed["metadata"][field]


def test_conflicts(store: Store) -> None:
    """An old resourceVersion or another uid is refused, in the API server's words."""
    made = store.create("pods", pod())
    store.update("pods", pod(labels={"a": "b"}))
    with pytest.raises(StoreConflict, match="the object has been modified; please apply your changes"):
        store.update("pods", made)
    with pytest.raises(StoreConflict, match=f"UID in precondition: x, UID in object meta: {made['metadata']['uid']}"):
        store.delete("pods", "shop", "web", uid="x")
    with pytest.raises(StoreConflict):
        store.delete("pods", "shop", "web", resource_version="2")
    with pytest.raises(StoreNotFound):
        store.update("pods", pod("gone"))


def test_status_only_writes_nothing_else(store: Store) -> None:
    """A status update leaves the spec alone, can take a status away, and does not bump generation."""
    made = store.create("pods", pod())
    changed = store.update("pods", made | {"status": {"phase": "Running"}, "spec": {}}, status_only=True)
    assert ({"phase": "Running"}, {"nodeName": "n1"}, 1) == (
        changed["status"],
        changed["spec"],
        changed["metadata"]["generation"],
    )
    assert "status" not in store.update("pods", made | {"metadata": changed["metadata"]}, status_only=True)


def test_pods_go_gracefully(store: Store) -> None:
    """A pod on a node is marked, can be hurried but not delayed, and goes when it is finalized."""
    store.create("pods", pod())
    marked = store.delete("pods", "shop", "web")["metadata"]
    assert ("2026-11-01T12:00:30Z", 30, 2) == (
        marked["deletionTimestamp"],
        marked["deletionGracePeriodSeconds"],
        marked["generation"],
    )
    assert 5 == store.delete("pods", "shop", "web", grace_seconds=5)["metadata"]["deletionGracePeriodSeconds"]
    again = store.delete("pods", "shop", "web", grace_seconds=60)["metadata"]
    assert (5, "4") == (again["deletionGracePeriodSeconds"], again["resourceVersion"])
    store.finalize("pods", "shop", "web")
    with pytest.raises(StoreNotFound):
        store.get("pods", "shop", "web")


@pytest.mark.parametrize("change", [{"spec": {}}, {"status": {"phase": "Succeeded"}}, {"grace": 0}])
def test_pods_with_nothing_to_stop_go_at_once(store: Store, change: dict[str, object]) -> None:
    """Pods on no node, finished pods, and pods deleted with grace 0 are removed at once."""
    store.create("pods", pod() | {key: value for key, value in change.items() if key != "grace"})
    store.delete("pods", "shop", "web", grace_seconds=change.get("grace"))  # type: ignore[arg-type]
    assert [] == store.list("pods")


def test_finalizers_hold_an_object(store: Store) -> None:
    """An object with finalizers is marked, stays through a second delete, and goes with the last finalizer."""
    store.create("configmaps", {"metadata": {"namespace": "shop", "name": "c", "finalizers": ["x/y"]}})
    with store.subscribe("configmaps") as changes:
        marked = store.delete("configmaps", "shop", "c")
        assert marked == store.delete("configmaps", "shop", "c")
        store.update("configmaps", {"metadata": {"namespace": "shop", "name": "c"}})
        assert ["MODIFIED", "DELETED"] == [changes.get(1).type, changes.get(1).type]  # type: ignore[union-attr]
    assert [] == store.list("configmaps")


def test_a_finalizer_outlasts_the_grace_period(store: Store) -> None:
    """finalize() of a pod with finalizers leaves it, marked with grace 0, until they are gone."""
    store.create("pods", pod(finalizers=["x/y"]))
    store.delete("pods", "shop", "web")
    held = store.finalize("pods", "shop", "web")
    assert 0 == held["metadata"]["deletionGracePeriodSeconds"]
    store.update("pods", held | {"metadata": held["metadata"] | {"finalizers": []}})
    assert [] == store.list("pods")


def test_subscribers_are_told_in_order(store: Store) -> None:
    """Every change comes once, typed, with the object as it became; a filtered subscription sees its kind only."""
    with store.subscribe() as everything, store.subscribe("pods") as pods:
        store.create("services", {"metadata": {"namespace": "shop", "name": "s"}})
        store.create("pods", pod())
        store.update("pods", pod(labels={"a": "b"}))
        store.delete("pods", "shop", "web", grace_seconds=0)
        assert [("ADDED", "services"), ("ADDED", "pods"), ("MODIFIED", "pods"), ("DELETED", "pods")] == [
            everything.get(1)[:2]  # type: ignore[index]
            for _ in range(4)
        ]
        versions = [pods.get(1).obj["metadata"]["resourceVersion"] for _ in range(3)]  # type: ignore[union-attr]
        assert ["3", "4", "5"] == versions


def test_a_reader_ends_when_closed(store: Store) -> None:
    """Closing the store wakes up whoever iterates, after what had come before; later reads give None."""
    subscription = store.subscribe()
    seen: list[Change] = []
    reader = threading.Thread(target=lambda: seen.extend(subscription))
    reader.start()
    store.create("pods", pod())
    subscription_two = store.subscribe(since=1)
    assert "ADDED" == subscription_two.get(1).type  # type: ignore[union-attr]
    store.close()
    reader.join(5)
    assert not reader.is_alive()
    assert subscription.get() is None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoreNotFound("pods", "web"), 404),
        (AlreadyExists("pods", "web"), 409),
        (StoreConflict("pods", "web", "changed"), 409),
        (StoreGone("pods", "", "too old"), 410),
    ],
)
def test_what_the_store_refuses_has_an_answer(error: StoreError, code: int) -> None:
    """Each error of the store is one of the API's."""
    assert code == of_store(error).status()["code"]


def test_history_resumes_or_says_that_it_cannot() -> None:
    """A subscription may start in the past as far as the window reaches, else StoreGone names both versions."""
    small = Store(window=2)
    for name in ("a", "b", "c"):
        small.create("pods", pod(name))
    with small.subscribe("pods", since=3) as resumed:
        assert "c" == resumed.get(1).obj["metadata"]["name"]  # type: ignore[union-attr]
    with small.subscribe("pods", since=2) as resumed:
        assert "b" == resumed.get(1).obj["metadata"]["name"]  # type: ignore[union-attr]
    with pytest.raises(StoreGone, match=r"too old resource version: 1 \(2\)"):
        small.subscribe(since=1)
