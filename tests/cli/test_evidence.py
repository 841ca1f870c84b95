"""`molt evidence list|show|verify`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from molt.embedded.runtime.state import StateFolder
from molt.evidence.archive import key_of
from molt.evidence.bundle import pack
from tests.cli.conftest import Molt
from tests.molt.evidence.made import bundle, custody, kept, rewrite

ID = "b1"


def test_nothing_was_kept_yet(molt: Molt) -> None:
    """It is said, and sound; there is nothing to show."""
    assert (0, "No evidence was kept.\n") == (molt("evidence", "list").code, molt("evidence", "list").out)
    assert [] == molt("evidence", "list", "--json").json
    said = molt("evidence", "verify")
    assert (0, "0 bundles and their index are as they were written. Anchor: none yet\n") == (said.code, said.out)
    shown = molt("evidence", "show", ID)
    assert (3, "molt: no bundles have an id that starts with b1\n") == (shown.code, shown.err)


def test_the_local_runtimes_evidence_is_listed(molt: Molt, state: StateFolder) -> None:
    """One row a bundle: whose it is, and why it was kept."""
    kept(state.evidence, "b1", "b2")
    result = molt("evidence", "list")
    for word in ("b1", "b2", "shop/web-1", "shells", "alert-1"):
        assert word in result.out
    first, second = molt("evidence", "list", "--json").json
    assert ("b1", first["hash"], 2) == (first["bundle"], second["prev"], second["number"])


def test_a_store_of_ones_own(molt: Molt, tmp_path: Path) -> None:
    """A volume, or the copy of a bucket."""
    kept(tmp_path / "copy", "b1")
    result = molt("evidence", "verify", "--store", (tmp_path / "copy").as_uri(), "--json")
    assert (0, True, 1) == (result.code, result.json["sound"], result.json["bundles"])


def test_a_store_that_is_no_folder_is_exit_code_2(molt: Molt) -> None:
    """A bucket is copied first: the command carries no SDK."""
    result = molt("evidence", "list", "--store", "s3://bucket/x")
    assert 2 == result.code
    assert "'s3://bucket/x' is no folder: file:///path; copy a bucket into a folder first" in result.err


@pytest.mark.parametrize("command", ["list", "verify"])
def test_a_folder_that_is_not_there_is_exit_code_3(molt: Molt, tmp_path: Path, command: str) -> None:
    """A slip of the pen is not an archive in which all is well."""
    result = molt("evidence", command, "--store", (tmp_path / "typo").as_uri())
    assert (3, "", f"molt: there is no folder {tmp_path / 'typo'}\n") == (result.code, result.out, result.err)


def test_a_bundle_that_is_not_the_one_of_the_index_is_shown_with_a_warning(molt: Molt, state: StateFolder) -> None:
    """Altered, or without a line: on standard error, so that a file of it is written as it is."""
    kept(state.evidence, "b1")
    rewrite(state.evidence / "bundles" / "b1.tar.gz", bundle("b1", "innocent"))
    shown = molt("evidence", "show", ID, "--file", "logs/main.log")
    altered = "molt: bundle b1 was altered: it is not the file that the index has the sum of\n"
    assert (1, "innocent", altered) == (shown.code, shown.out, shown.err)
    (state.evidence / key_of(1)).unlink()
    shown = molt("evidence", "show", ID)
    assert (1, True, True) == (shown.code, "pod.json" in shown.out, "is not in the index" in shown.err)


def test_a_bundle_is_shown(molt: Molt, state: StateFolder) -> None:
    """Who collected it, when, for what; each file with its sum, and what is missing."""
    kept(state.evidence, "b1")
    result = molt("evidence", "show", "b")
    for word in (
        "b1",
        "shop/web-1",
        "system:serviceaccount:molt:evidence",
        "alert-1",
        "pod.json",
        "Missing",
        "it is gone",
    ):
        assert word in result.out
    shown = molt("evidence", "show", ID, "--json").json
    assert custody() == shown["custody"]
    assert {"custody.json", "pod.json", "logs/main.log"} == {one["path"] for one in shown["manifest"]["files"]}


def test_nothing_missing_is_no_table(molt: Molt, state: StateFolder) -> None:
    """Only what is not as it should be takes room."""
    archive = kept(state.evidence)
    archive.keep("b1", lambda: pack("b1", [], [], custody(), {}))
    assert "Missing" not in molt("evidence", "show", ID).out


def test_one_file_of_a_bundle(molt: Molt, state: StateFolder) -> None:
    """As it is, to be read or searched; one that is not there is exit code 3."""
    kept(state.evidence, "b1")
    assert "said" == molt("evidence", "show", ID, "--file", "logs/main.log").out
    assert 3 == molt("evidence", "show", ID, "--file", "none").code


def test_an_id_that_is_not_one_bundles(molt: Molt, state: StateFolder) -> None:
    """More of it is needed."""
    kept(state.evidence, "b1", "b2")
    shown = molt("evidence", "show", "b")
    assert (3, "molt: 2 bundles have an id that starts with b\n") == (shown.code, shown.err)


def test_tampering_is_exit_code_1(molt: Molt, state: StateFolder) -> None:
    """With the place, in a table and in JSON."""
    kept(state.evidence, "b1", "b2")
    rewrite(state.evidence / "bundles" / "b1.tar.gz", bundle("b1", "innocent"))
    result = molt("evidence", "verify")
    assert 1 == result.code
    assert "bundle b1" in result.out
    assert "was altered" in result.out
    found = molt("evidence", "verify", "--json")
    assert (1, False, ["bundle b1"]) == (
        found.code,
        found.json["sound"],
        [one["where"] for one in found.json["findings"]],
    )


def test_an_anchor_shows_what_was_cut_off(molt: Molt, state: StateFolder) -> None:
    """The hash that verify printed before, or an event carried."""
    kept(state.evidence, "b1", "b2")
    head = molt("evidence", "verify", "--json").json["head"]
    assert head in molt("evidence", "verify", "--anchor", head).out
    (state.evidence / key_of(2)).unlink()
    (state.evidence / "bundles" / "b2.tar.gz").unlink()
    assert 0 == molt("evidence", "verify").code
    assert (1, True) == (molt("evidence", "verify", "--anchor", head).code, "was removed" in _flat(molt, head))


def _flat(molt: Molt, head: str) -> str:
    return json.dumps(molt("evidence", "verify", "--anchor", head, "--json").json)


def test_a_bundle_that_is_none_is_exit_code_3(molt: Molt, state: StateFolder) -> None:
    """One line, no traceback."""
    kept(state.evidence, "b1")
    rewrite(state.evidence / "bundles" / "b1.tar.gz", b"none")
    shown = molt("evidence", "show", ID)
    assert (3, True) == (shown.code, shown.err.startswith("molt: no tar.gz"))


@pytest.mark.parametrize("command", ["list", "show", "verify"])
def test_every_command_has_help(molt: Molt, command: str) -> None:
    """It names the store."""
    assert "--store" in molt("evidence", command, "--help").out
