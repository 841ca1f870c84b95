"""`molt policy check`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Molt

ROOT = Path(__file__).resolve().parents[2]
BAD = """
apiVersion: molt-project.io/v1alpha1
kind: ResponsePolicy
metadata: {name: p}
spec:
  match: {minimumPriority: Critcal}
  remedies: [{quarantine: {}}]
"""


@pytest.mark.parametrize("folder", ["examples/policies", "examples/shop", "knative/base/policies"])
def test_what_we_ship_is_good(molt: Molt, folder: str) -> None:
    """Each row has file, kind, name and mode, and no problem."""
    result = molt("policy", "check", ROOT / folder, "--json")
    assert (0, "") == (result.code, result.err)
    assert {"ResponsePolicy"} <= {row["kind"] for row in result.json} <= {"ResponsePolicy", "RotationPolicy"}
    assert all(row["name"] and row["mode"] and row["problems"] == [] for row in result.json)


def test_a_table(molt: Molt) -> None:
    """A file is one row a policy; rotation's is named with its namespace."""
    result = molt("policy", "check", ROOT / "examples/policies/start-here.yaml")
    assert 0 == result.code
    for word in ("start-here.yaml:1", "start-here.yaml:2", "default/start-here", "DryRun", "none"):
        assert word in result.out


def test_what_is_wrong_is_exit_code_1(molt: Molt, tmp_path: Path) -> None:
    """Field, value and what it may be; in the table as well."""
    (tmp_path / "p.yaml").write_text(BAD)
    result = molt("policy", "check", tmp_path, "--json")
    (row,) = result.json
    assert (1, f"{tmp_path}/p.yaml:1", "") == (result.code, row["source"], row["kind"])
    assert row["problems"][0].startswith('spec.match.minimumPriority: "Critcal" is not one of ')
    shown = molt("policy", "check", tmp_path)
    assert (1, True) == (shown.code, '"Critcal" is not one of' in shown.out)


@pytest.mark.parametrize("text", ["", "a: b\n", "kind: Pod\napiVersion: v1\n"])
def test_nothing_to_check_is_exit_code_2(molt: Molt, tmp_path: Path, text: str) -> None:
    """An empty file or one without a policy is not a good one."""
    (tmp_path / "p.yaml").write_text(text)
    result = molt("policy", "check", tmp_path / "p.yaml")
    assert (2, "", f"molt: {tmp_path}/p.yaml: no policy in it\n") == (result.code, result.out, result.err)


def test_an_empty_folder_is_exit_code_2(molt: Molt, tmp_path: Path) -> None:
    """It is most likely the wrong one."""
    assert 2 == molt("policy", "check", tmp_path).code


def test_what_cannot_be_read_is_exit_code_2(molt: Molt, tmp_path: Path) -> None:
    """The file in question is named."""
    (tmp_path / "link.yaml").symlink_to(tmp_path / "gone")
    for path, file in ((tmp_path / "missing", "missing"), (tmp_path, "link.yaml")):
        result = molt("policy", "check", path)
        expected = f"molt: {tmp_path}/{file}: No such file or directory\n"
        assert (2, "", expected) == (result.code, result.out, result.err)
