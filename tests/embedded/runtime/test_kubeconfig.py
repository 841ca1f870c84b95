"""Kubeconfigs, in and out."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from molt.embedded.runtime.kubeconfig import NoSuchContext, cluster_of, files_of, render


def _config(path: Path, *, cluster: dict[str, str], name: str = "one", uses: str = "one") -> str:
    content = {
        "clusters": [{"name": name, "cluster": cluster}],
        "contexts": [{"name": "dev", "context": {"cluster": uses, "user": "u"}}],
    }
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_the_first_file_wins_and_paths_become_absolute(tmp_path: Path) -> None:
    """As kubectl does: the first file that has the name counts, and a CA's path is relative to its file."""
    first = _config(tmp_path / "a", cluster={"server": "https://a", "certificate-authority": "ca.crt"})
    second = _config(tmp_path / "b", cluster={"server": "https://b"})
    expected = {"server": "https://a", "certificate-authority": str(tmp_path / "ca.crt")}
    assert expected == cluster_of(f"{first}::{second}", "dev")
    assert {"server": "https://b"} == cluster_of(f"{tmp_path / 'gone'}:{second}", "dev")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "there are: none"),
        ("- a\n- b\n", "config is no kubeconfig"),
        ("text", "config is no kubeconfig"),
        ("clusters: [{name: c}]", "config is no kubeconfig"),
        ("clusters: [{name: c, cluster: [1]}]", "config is no kubeconfig"),
        ("contexts: [{name: c, context: x}]", "config is no kubeconfig"),
        ("{", "kubeconfig .*config: "),
        ("\udcff", "kubeconfig .*config: .*utf-8"),
        ("{}", "there are: none"),
        ("contexts: [{name: dev, context: {cluster: gone, user: u}}]", "names the cluster 'gone'"),
        ("contexts: [{name: other, context: {cluster: c, user: u}}]", "there are: other"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str | None, complaint: str) -> None:
    """A missing, broken or lacking kubeconfig is named with what it has."""
    path = tmp_path / "config"
    if text is not None:
        path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(NoSuchContext, match=complaint):
        cluster_of(str(path), "dev")


def test_an_accounts_own_file(tmp_path: Path) -> None:
    """What is written for an account is a kubeconfig with its token."""
    path = tmp_path / "config"
    path.write_text(render({"server": "https://a"}, "t0ken"))
    assert {"server": "https://a"} == cluster_of(str(path), "molt")
    assert [{"name": "molt", "user": {"token": "t0ken"}}] == yaml.safe_load(path.read_text())["users"]


def test_the_users_files() -> None:
    """They are what KUBECONFIG names, else the one in the home folder."""
    assert ("a:b", "~/.kube/config") == (files_of({"KUBECONFIG": "a:b"}), files_of({}))
