"""Manifests as kubectl would apply them."""

from __future__ import annotations

from pathlib import Path

import pytest

from molt.embedded.manifests import Document, ManifestError, load

ONE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n"


def _write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        file = root / name.replace("__", "/").replace("_yaml", ".yaml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def test_a_file_holds_several_documents(tmp_path: Path) -> None:
    """Empty ones are passed over; each knows its file and place."""
    file = _write(tmp_path, a_yaml=f"---\n---\n{ONE}---\n{ONE}") / "a.yaml"
    assert [(file, 1), (file, 2)] == [(document.path, document.index) for document in load(file)]
    assert {("v1", "Namespace")} == {document.api for document in load(file)}


def test_a_kustomization_is_followed(tmp_path: Path) -> None:
    """Through files and folders, in its order; what it does not name is left out."""
    _write(
        tmp_path,
        base__kustomization_yaml="kind: Kustomization\nresources: [b.yaml, inner, ../beside]\n",
        base__b_yaml=ONE,
        base__other_yaml=ONE,
        base__inner__kustomization_yaml="resources:\n  - c.yaml\n",
        base__inner__c_yaml=ONE,
        beside__z_yaml=ONE,
        beside__y_yaml=ONE,
        beside__notes="no YAML: [",
    )
    expected = ["base/b.yaml", "base/inner/c.yaml", "beside/y.yaml", "beside/z.yaml"]
    assert expected == [str(document.path.relative_to(tmp_path)) for document in load(tmp_path / "base")]


def test_an_empty_kustomization_has_nothing(tmp_path: Path) -> None:
    """It is no error."""
    assert [] == list(load(_write(tmp_path, kustomization_yaml="")))


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"a_yaml": "a: [", "b_yaml": ""}, "a.yaml: is not YAML: while parsing"),
        ({"a_yaml": "- a\n"}, "a.yaml: document 0: must be an object"),
        (
            {"kustomization_yaml": "resources: [b.yaml]"},
            "kustomization.yaml: resources: b.yaml: no such file or folder",
        ),
        ({"kustomization_yaml": "resources: [https://x/y]"}, "resources: https://x/y: no such file or folder"),
        ({"kustomization_yaml": "resources: [1]"}, "kustomization.yaml: resources[0]: must be a string"),
        ({"kustomization_yaml": "resources: [.]"}, "a kustomization that contains itself"),
        ({"kustomization_yaml": "patches: []"}, "patches: is not supported here; known are apiVersion, kind"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, files: dict[str, str], problem: str) -> None:
    """In one line that names the file."""
    with pytest.raises(ManifestError) as refused:
        list(load(_write(tmp_path, **files)))
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With the system's reason; bytes that are no text, too."""
    with pytest.raises(ManifestError, match="No such file or directory"):
        list(load(tmp_path / "x.yaml"))
    (tmp_path / "b.yaml").write_bytes(b"\xff")
    with pytest.raises(ManifestError, match=r"b.yaml: is not YAML"):
        list(load(tmp_path / "b.yaml"))


def test_a_field_knows_where_it_stands() -> None:
    """Its complaint names the file, the object and the path."""
    document = Document(Path("m.yaml"), 0, {"kind": "K", "metadata": {"name": "n"}, "spec": {"a": [{"b": 1}]}})
    field = document.root.at("spec").at("a").items()[0].at("b")
    assert "m.yaml: K n: spec.a[0].b: is odd" == str(field.bad("is odd"))
    assert "m.yaml: K n: is odd" == str(document.root.bad("is odd"))
    assert not field.at("c") if isinstance(field.value, dict) else field


def test_the_projects_own_manifests_are_read() -> None:
    """knative/base has a broker and triggers that this loader finds."""
    kinds = {document.api[1] for document in load(Path(__file__).resolve().parents[2] / "knative" / "base")}
    assert {"Broker", "Trigger", "PingSource", "Service", "Namespace"} <= kinds
