"""molt.policy.load: policies from files.

one file | a folder, nested, other suffixes | several documents, empty ones, a List, JSON | other kinds, other groups
an unknown kind of ours | a policy with problems | no YAML, before and after a good document | no UTF-8
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from molt.policy import PolicyError, load
from tests.molt.policy.verdicts import FULL_RESPONSE, FULL_ROTATION, RESPONSE, ROTATION, manifest

GOOD = json.dumps(manifest(ROTATION, FULL_ROTATION))
BAD = json.dumps(manifest(RESPONSE, {"match": {}, "remedies": [], "mode": "Enforced"}))
OTHER = "apiVersion: v1\nkind: ConfigMap\n"


def told(path: Path, text: str) -> list[tuple[int, str]]:
    """Return each document's number, and its policy's name or problems, of a file with `text`."""
    path.write_text(text)
    return [
        (loaded.document, str(loaded.policy) if isinstance(loaded.policy, PolicyError) else loaded.policy.name)
        for loaded in load.read(path)
    ]


def test_every_policy_of_a_file_is_read_with_its_place(tmp_path: Path) -> None:
    """Documents are counted from 1, empty ones and other kinds too; a bad one does not hide the others."""
    text = f"---\n{GOOD}\n---\n---\n{OTHER}---\n- 3\n---\n{BAD}\n---\n{GOOD}\n"
    problem = 'spec.mode: "Enforced" is not one of DryRun, Enforce; did you mean "Enforce"?'
    assert [(1, "under-test"), (5, problem), (6, "under-test")] == told(tmp_path / "a.yaml", text)


def test_a_list_holds_policies_too(tmp_path: Path) -> None:
    """`kubectl get -o json` gives a List, whose items are read one by one."""
    listed = {"apiVersion": "v1", "kind": "List", "items": [manifest(RESPONSE, FULL_RESPONSE), json.loads(GOOD), 3]}
    assert [(1, "under-test"), (1, "under-test")] == told(tmp_path / "a.json", json.dumps(listed))


def test_a_folder_is_read_in_the_order_of_its_paths(tmp_path: Path) -> None:
    """All YAML and JSON files below it count, and no others; the source names the file."""
    (tmp_path / "b").mkdir()
    for name in ("b/c.yml", "a.json", "z.yaml", "notes.txt"):
        (tmp_path / name).write_text(GOOD)
    assert [f"{tmp_path}/{name}:1" for name in ("a.json", "b/c.yml", "z.yaml")] == [
        loaded.source for loaded in load.read(tmp_path)
    ]


@pytest.mark.parametrize(
    ("version", "kind", "expected"),
    [
        (
            "molt-project.io/v1alpha1",
            "ResponsPolicy",
            'kind: "ResponsPolicy" is none of ResponsePolicy, RotationPolicy',
        ),
        ("molt-project.io/v1alpha1", [], "kind: [] is none of ResponsePolicy, RotationPolicy"),
        ("molt-project.io/v2", "RotationPolicy", 'apiVersion: "molt-project.io/v2" is not "molt-project.io/v1alpha1"'),
        ("example.com/v1", "RotationPolicy", None),
        (None, None, None),
    ],
)
def test_what_claims_to_be_ours_must_be(tmp_path: Path, version: object, kind: object, expected: str | None) -> None:
    """A slip in the kind or version is told; the objects of others, of the same kind even, are passed over."""
    obj = json.loads(GOOD) | {"apiVersion": version, "kind": kind}
    assert ([(1, expected)] if expected else []) == told(tmp_path / "a.yaml", json.dumps(obj))


def test_a_syntax_error_has_line_and_column(tmp_path: Path) -> None:
    """What comes before it in the file is read; the rest cannot be."""
    text = f"{GOOD}\n---\nspec:\n  mode: [DryRun\n---\n{GOOD}\n"
    (first, second) = told(tmp_path / "a.yaml", text)
    assert (1, "under-test") == first
    assert (2, "line 5, column 1: is no YAML: expected ',' or ']', but got '<document start>'") == second


def test_a_key_that_stands_twice_is_told(tmp_path: Path) -> None:
    """As kubectl does; the one of the two that counts would not be the one that was read."""
    text = f"{GOOD}\n---\nspec:\n  ? [a]\n  : b\n  mode: DryRun\n  mode: Enforce\n"
    assert (2, 'line 7, column 3: is no YAML: "mode" twice') == told(tmp_path / "a.yaml", text)[1]


def test_a_tag_that_would_make_an_object_is_refused(tmp_path: Path) -> None:
    """A manifest is data: no tag of YAML makes Python do anything."""
    ((document, problem),) = told(tmp_path / "a.yaml", "!!python/object/apply:os.getcwd []\n")
    assert 1 == document
    assert "line 1, column 1: is no YAML: could not determine a constructor" in problem


def test_what_is_no_text_is_told(tmp_path: Path) -> None:
    """A file of other bytes is one error, without a line."""
    path = tmp_path / "a.yaml"
    path.write_bytes(b"kind: \xff\xfe\n")
    (loaded,) = load.read(path)
    assert isinstance(loaded.policy, PolicyError)
    assert str(loaded.policy).startswith("file: is no YAML: ")


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    """The caller's own mistake stays the caller's to tell."""
    with pytest.raises(FileNotFoundError):
        load.read(tmp_path / "none.yaml")
