"""Preconditions of a write (resourceVersion, uid) and dry run: nothing happens that was not meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.api import APPLY, MERGE, STRATEGIC
from tests.contract.space import applied, config_map

if TYPE_CHECKING:
    from tests.contract.space import Object, Space

MODIFIED = (
    'Operation cannot be fulfilled on configmaps "one": the object has been modified; please apply your changes to '
    "the latest version and try again"
)


@pytest.mark.usefixtures("one")
def test_stale_resource_version(space: Space) -> None:
    """Every way to write refuses an object that was changed since it was read, and changes nothing."""
    path = space.path("configmaps", "one")
    stale = space.get("configmaps", "one")
    space.api.patch(path, {"data": {"a": "now"}}).object()
    old = {"metadata": {"resourceVersion": stale["metadata"]["resourceVersion"]}, "data": {"a": "then"}}
    for answer in (
        space.api.patch(path, old, MERGE),
        space.api.patch(path, old, STRATEGIC),
        space.api.put(path, stale),
    ):
        assert (409, "Conflict", MODIFIED) == (answer.status, answer.reason, answer.message)
    assert "now" == space.get("configmaps", "one")["data"]["a"]


@pytest.mark.usefixtures("one")
def test_wrong_uid_in_a_patch(space: Space) -> None:
    """A patch for another object of the same name is refused with 422, not 409: the field is immutable."""
    path = space.path("configmaps", "one")
    answer = space.api.patch(path, {"metadata": {"uid": "other"}, "data": {"a": "then"}})
    assert (422, "Invalid") == (answer.status, answer.reason)
    assert 'ConfigMap "one" is invalid: metadata.uid: Invalid value: "other": field is immutable' == answer.message
    assert "metadata.uid" in {cause["field"] for cause in answer.body["details"]["causes"]}
    assert "1" == space.get("configmaps", "one")["data"]["a"]


def test_right_uid_in_a_patch(space: Space, one: Object) -> None:
    """A patch that names the object's own uid is done."""
    right = {"metadata": {"uid": one["metadata"]["uid"]}, "data": {"a": "then"}}
    assert "then" == space.api.patch(space.path("configmaps", "one"), right).object()["data"]["a"]


def test_wrong_uid_in_an_update(space: Space, one: Object) -> None:
    """An update for another object of the same name is a conflict that names both uids."""
    other = {**one, "metadata": {**one["metadata"], "uid": "other"}}
    answer = space.api.put(space.path("configmaps", "one"), other)
    assert (409, "Conflict") == (answer.status, answer.reason)
    both = f"Precondition failed: UID in precondition: other, UID in object meta: {one['metadata']['uid']}"
    assert answer.message.endswith(both)


def test_wrong_uid_in_an_apply(space: Space) -> None:
    """Applying what names a uid does not create another object of that name."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "gone", "uid": "other"}}
    answer = space.api.patch(space.path("configmaps", "gone"), body, APPLY, fieldManager="molt", force="true")
    assert (409, "Conflict") == (answer.status, answer.reason)
    assert (
        'Operation cannot be fulfilled on configmaps "gone": uid mismatch: the provided object specified uid other, '
        "and no existing object was found" == answer.message
    )


def test_delete_preconditions(space: Space, one: Object) -> None:
    """A deletion that names another uid or resourceVersion is a conflict; with the right ones the object goes."""
    path, meta = space.path("configmaps", "one"), one["metadata"]
    uid = space.api.delete(path, {"preconditions": {"uid": "other"}})
    assert (409, "Conflict") == (uid.status, uid.reason)
    assert (
        'Operation cannot be fulfilled on ConfigMap "one": the UID in the precondition (other) does not match the UID '
        f"in record ({meta['uid']}). The object might have been deleted and then recreated" == uid.message
    )
    version = space.api.delete(path, {"preconditions": {"resourceVersion": "1"}})
    assert (409, "Conflict") == (version.status, version.reason)
    assert (
        'Operation cannot be fulfilled on ConfigMap "one": the ResourceVersion in the precondition (1) does not match '
        f"the ResourceVersion in record ({meta['resourceVersion']}). The object might have been modified"
        == version.message
    )
    done = space.api.delete(path, {"preconditions": {"uid": meta["uid"]}})
    assert ("Success", meta["uid"]) == (done.object()["status"], done.body["details"]["uid"])
    assert 404 == space.api.get(path).status


@pytest.mark.usefixtures("one")
def test_dry_run(space: Space) -> None:
    """A dry run answers what would be, and nothing is."""
    path = space.path("configmaps", "one")
    made = space.create("configmaps", config_map("two"), dryRun="All").object()
    assert made["metadata"]["uid"]
    assert "9" == space.api.patch(path, {"data": {"a": "9"}}, dryRun="All").object()["data"]["a"]
    assert (
        201
        == space.api.patch(
            space.path("configmaps", "two"), applied("two"), APPLY, fieldManager="molt", dryRun="All"
        ).status
    )
    assert "Success" == space.api.delete(path, dryRun="All").object()["status"]
    assert 404 == space.api.get(space.path("configmaps", "two")).status
    assert "1" == space.get("configmaps", "one")["data"]["a"]


def test_dry_run_still_checks(space: Space, one: Object) -> None:
    """A dry run is refused for the same reasons as the deed."""
    path = space.path("configmaps", "one")
    assert 409 == space.create("configmaps", config_map("one"), dryRun="All").status
    assert 422 == space.create("configmaps", config_map("Bad_Name"), dryRun="All").status
    assert 409 == space.api.patch(path, {"metadata": {"resourceVersion": "1"}, "data": {"a": "9"}}, dryRun="All").status
    assert 422 == space.create("configmaps", config_map("two"), dryRun="Some").status
    assert one["metadata"]["resourceVersion"] == space.get("configmaps", "one")["metadata"]["resourceVersion"]
