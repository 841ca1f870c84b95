"""What is in an image and where it comes from: the lock, the trees that the Dockerfile copies, the bills of materials.

No container engine is needed: what the Dockerfile runs to make /app is `image.tree`, and that is run here.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from image import advisories, lock, sbom, tree
from tests.functions.processes import Running
from tests.test_manifests import FUNCTIONS, ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
PINS = lock.read(lock.LOCK.read_text("utf-8"))
FUNCTION = "dead-letter"  # the smallest


def made(folder: Path, seed: str) -> Path:
    """Build the tree of a function in a process of its own, from what the installer has fetched already if it has."""
    target = folder / "app"
    command = [sys.executable, "-m", "image.tree", FUNCTION, str(target)]
    for offline in ("1", "0"):
        shutil.rmtree(target, ignore_errors=True)
        environ = {**os.environ, "PYTHONHASHSEED": seed, "UV_OFFLINE": offline}
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return target
    raise AssertionError(done.stderr)


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Build the same tree twice, in two folders, with two seeds of Python's hashes."""
    short, long = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b") / "deeper" / "still"
    long.mkdir(parents=True)
    return made(short, "1"), made(long, "2")


def content(root: Path) -> dict[str, tuple[int, int, str]]:
    """Return mode, time and digest of everything in a tree."""
    return {
        str(path.relative_to(root)): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in [root, *root.rglob("*")]
    }


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_tree_is_the_same_wherever_and_whenever_it_is_made(trees: tuple[Path, Path]) -> None:
    """Byte by byte, with modes and times; bytecode of every module among it."""
    first, second = map(content, trees)
    assert first == second
    sources = {path for path in first if path.endswith(".py") and path != "function.py"}
    assert len(sources) > 500
    compiled = {path for path in first if path.endswith(".pyc")}
    assert len(sources) == len(compiled)
    assert {tree.EPOCH * 10**9} == {time for _, time, _ in first.values()}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_of_the_build_stays(trees: tuple[Path, Path]) -> None:
    """No folder of it in any file, no installer, no command line, no link to the sources, nothing to write to."""
    for path in (path for path in trees[0].rglob("*") if path.is_file()):
        text = path.read_bytes()
        assert str(trees[0]).encode() not in text, path
        assert str(ROOT).encode() not in text, path
    library = trees[0] / "lib"
    assert not [
        name for name in ("pip", "uv", "bin", "molt/cli", "molt/embedded", "molt/simulate") if (library / name).exists()
    ]
    assert (library / "molt" / "server.py").is_file()
    assert not list(library.glob("*.pth"))
    assert not [path for path in trees[0].rglob("*") if path.is_symlink() or path.stat().st_mode & 0o022]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_records_are_true(trees: tuple[Path, Path]) -> None:
    """What each distribution says that it has is there, with just that digest: a scanner finds what it looks for."""
    library = trees[0] / "lib"
    for distribution in importlib.metadata.distributions(path=[str(library)]):
        assert distribution.files
        for file in distribution.files:
            assert Path(str(file.locate())).is_file(), file
            if file.hash:
                digest = hashlib.sha256(file.read_binary()).digest()
                assert file.hash.value == tree._fingerprint(Path(str(file.locate())))[0].removeprefix("sha256="), file
                assert digest


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_bill_names_just_what_is_there(trees: tuple[Path, Path]) -> None:
    """Every distribution of the tree, in its version, and none besides but those for other machines."""
    found = {
        (lock.normal(one.name), one.version) for one in importlib.metadata.distributions(path=[str(trees[0] / "lib")])
    }
    bill = sbom.of_image(FUNCTION)
    billed = {(one["name"], one["version"]) for one in bill["components"]}
    billed.add((bill["metadata"]["component"]["name"], bill["metadata"]["component"]["version"]))
    elsewhere = {(one["name"], one["version"]) for one in bill["components"] if one.get("properties")}
    assert found <= billed
    assert billed - found <= elsewhere


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_function_starts_from_its_tree(trees: tuple[Path, Path]) -> None:
    """With an interpreter that has nothing else: it listens, takes an event, and ends as Knative has it end."""
    interpreter = str(Path(sys.base_prefix) / "bin" / "python3")
    environ = {
        "PYTHONPATH": str(trees[0] / "lib"),
        "PORT": "0",
        "MOLT_API_URL": "http://127.0.0.1:1",
        "HOST": "127.0.0.1",
    }
    command = [interpreter, "-S", "-B", str(trees[0] / "function.py")]
    before = content(trees[0])
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            function = Running(process, json.loads(process.stdout.readline())["port"])
            assert (200, "ok\n") == function.call("GET", "/readyz")
            headers = {"ce-id": "1", "ce-source": "/s", "ce-type": "dev.knative.sources.ping", "ce-specversion": "1.0"}
            assert (204, "") == function.call("POST", "/", b"{}", headers)
            assert "dead-lettered" == function.line()["fate"]
            assert 0 == function.end()
        finally:
            process.kill()
    assert before == content(trees[0])


@pytest.mark.parametrize(
    ("arguments", "said"), [(["none", "x"], "No such file"), (["evidence", "x", "--extras", "y"], "no extra y")]
)
def test_a_tree_that_cannot_be_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """One line, exit code 2."""
    assert 2 == tree.main([arguments[0], str(tmp_path / arguments[1]), *arguments[2:]])
    assert said in capsys.readouterr().err


def test_every_pin_has_its_hashes() -> None:
    """And is pinned to one version; every dependency that we name is pinned."""
    assert len(PINS) > 80
    assert all(pin.hashes and re.fullmatch(r"[\w.+!]+", pin.version) for pin in PINS)
    text = lock.LOCK.read_text("utf-8")
    assert len(PINS) == len(re.findall(r"^[\w.-]+(?:\[.*\])?==", text, re.MULTILINE))
    assert sum(len(pin.hashes) for pin in PINS) == text.count("--hash=")
    for function in FUNCTIONS:
        assert lock.roots(function) <= {pin.name for pin in PINS}


@pytest.mark.parametrize("text", ["flask==3.1.3\n    # via molt\n", "flask>=3\n", "-e .\n"])
def test_a_lock_that_would_not_be_checked_is_refused(text: str) -> None:
    """A line without a hash or a version."""
    with pytest.raises(ValueError, match="not a pinned requirement with hashes"):
        lock.read(text)


def test_a_pin_is_rendered_as_it_was_read() -> None:
    """Marker and hashes too; what asks for it comes with `via`, in one line or many."""
    digest = "a" * 64
    text = (
        f"a.B==1 ; python_version < '3.12' \\\n    --hash=sha256:{digest}\n    # via\n    #   molt-mtd (x)\n    #   C\n"
    )
    (pin,) = lock.read(f"# head\n{text}")
    assert ("a-b", "1", "python_version < '3.12'", (digest,)) == (pin.name, pin.version, pin.marker, pin.hashes)
    assert {"molt-mtd", "c"} == pin.asked_by
    assert f"a-b==1 ; python_version < '3.12' \\\n    --hash=sha256:{digest}" == pin.render()


def test_what_a_function_needs_is_what_it_and_the_core_ask_for() -> None:
    """With its extras and the core's, and nothing of the command line or of development."""
    names = {function: {pin.name for pin in lock.needed(PINS, lock.roots(function))} for function in FUNCTIONS}
    core = {"cloudevents", "flask", "waitress", "kubernetes", "werkzeug"}
    assert all(core <= found for found in names.values())
    assert "cel-expr-python" in names["detect-router"] - names["quarantine"]
    assert "cronsim" in names["rotate"]
    assert not any({"typer", "rich", "pytest", "numpy", "boto3"} & found for found in names.values())
    assert "boto3" in {pin.name for pin in lock.needed(PINS, lock.roots("evidence", ["s3"]))}
    with pytest.raises(ValueError, match="not in the lock: left-pad; run make lock"):
        lock.needed(PINS, ["left-pad"])


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return what `make sbom` writes, by the file's name."""
    folder = tmp_path_factory.mktemp("sbom") / "new"
    return {path.name: json.loads(path.read_text("utf-8")) for path in sbom.write(folder)}


def test_there_is_a_bill_for_everything(bills: dict[str, dict[str, Any]]) -> None:
    """The project, each function, and the one that can do more; no two have one serial number."""
    assert {f"{name}.cdx.json" for name in ("molt", "evidence-s3", *FUNCTIONS)} == set(bills)
    assert len(bills) == len({bill["serialNumber"] for bill in bills.values()})
    assert {pin.name for pin in PINS} == {one["name"] for one in bills["molt.cdx.json"]["components"]}


def test_bills_are_what_cyclonedx_says(bills: dict[str, dict[str, Any]]) -> None:
    """By its own schema; every reference leads to a component."""
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - comes with pip-audit, and only this asks it
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    for name, bill in bills.items():
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None, name
        refs = {one["bom-ref"] for one in [bill["metadata"]["component"], *bill["components"]]}
        assert refs == {edge["ref"] for edge in bill["dependencies"]}
        assert {ref for edge in bill["dependencies"] for ref in edge["dependsOn"]} <= refs


def test_a_bill_is_the_same_each_time(bills: dict[str, dict[str, Any]]) -> None:
    """No time in it, no random number."""
    assert bills["tag.cdx.json"] == sbom.of_image("tag")


def test_a_license_is_that_of_the_pinned_version_or_none() -> None:
    """What is not installed, or in another version, says nothing."""
    (flask,) = [pin for pin in PINS if pin.name == "flask"]
    assert "BSD-3-Clause" == sbom._license(flask)
    assert "" == sbom._license(lock.Pin("flask", "0.1", "", (), frozenset()))
    assert "" == sbom._license(lock.Pin("not-there", "0.1", "", (), frozenset()))


def _instructions() -> Iterator[tuple[str, str]]:
    """Yield the Dockerfile's instructions, continued lines joined."""
    for line in re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE)).splitlines():
        if line.strip():
            yield tuple(line.split(None, 1))  # type: ignore[misc]


def test_the_dockerfile_makes_the_tree_that_is_tested_here() -> None:
    """By the same command; all that it copies is there, and not ignored; nothing is installed unchecked."""
    instructions = list(_instructions())
    runs = [text for name, text in instructions if name == "RUN"]
    assert (
        f'python -m image.tree "${{FUNCTION}}" {tree.PLACE} --extras "${{EXTRAS}}" --epoch "${{SOURCE_DATE_EPOCH}}"'
        in runs
    )
    assert ["pip install --no-cache-dir --require-hashes -r image/installer.txt"] == [
        part.strip() for text in runs for part in text.split("&&") if "pip install" in part
    ]
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    for text in (text for name, text in instructions if name == "COPY" and "--from" not in text):
        for source in text.split()[:-1]:
            assert (ROOT / source.replace("${FUNCTION}", FUNCTION)).exists(), source
            assert f"!{source.split('/')[0]}" in ignored, source
    assert (
        str(tree.EPOCH)
        in dict(text.partition("=")[::2] for name, text in instructions if name == "ARG")["SOURCE_DATE_EPOCH"]
    )


def test_the_image_runs_as_a_number_and_holds_no_installer() -> None:
    """What the kubelet checks for runAsNonRoot; both stages are of one base, which can be named by its digest."""
    instructions = list(_instructions())
    assert ["65532:65532"] == [text for name, text in instructions if name == "USER"]
    assert ["${BASE} AS build", "${BASE}"] == [text for name, text in instructions if name == "FROM"]
    last = [text for name, text in instructions if name == "RUN"][-1]
    assert "uninstall --yes --quiet pip" in last
    assert "ensurepip" in last
    assert ["--from=build /app /app"] == [text for name, text in instructions if name == "COPY" and "--from" in text]
    assert ['["python", "/app/function.py"]'] == [text for name, text in instructions if name == "ENTRYPOINT"]


def _auditor(tmp_path: Path, said: str, code: int = 0) -> tuple[str, ...]:
    """Stand for pip-audit: say this."""
    script = tmp_path / "auditor.py"
    script.write_text(f"import sys\nsys.stdout.write({said!r})\nsys.stderr.write('no route')\nsys.exit({code})\n")
    return (sys.executable, str(script))


SOUND: dict[str, Any] = {"name": "a", "version": "1", "vulns": []}
HOLE = {"name": "b", "version": "2", "vulns": [{"id": "X-1", "fix_versions": ["3"]}, {"id": "X-2", "fix_versions": []}]}
SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("found", "code", "out", "err"),
    [
        ([SOUND], 0, "1 pinned versions, 0 vulnerable\n", ""),
        (
            [SOUND, HOLE],
            1,
            "b 2: X-1, fixed in 3\nb 2: X-2, fixed in no version yet\n2 pinned versions, 1 vulnerable\n",
            "",
        ),
        ([HOLE, SKIPPED], 1, "b 2: X-1", "nothing is known of 1 of them: c: not found\n"),
        ([SOUND, SKIPPED], 3, "2 pinned versions, 0 vulnerable\n", "nothing is known of 1 of them: c: not found\n"),
        ([], 3, "0 pinned versions", "nothing is known of any of them: none was read\n"),
    ],
)
def test_advisories(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    found: list[dict[str, Any]],
    code: int,
    out: str,
    err: str,
) -> None:
    """Clean is 0, and only when every version was looked at."""
    assert code == advisories.main(_auditor(tmp_path, json.dumps({"dependencies": found}), 1))
    said = capsys.readouterr()
    assert said.out.startswith(out)
    assert err == said.err


@pytest.mark.parametrize("said", ["", "{}", "[]", "<html>"])
def test_nobody_to_ask(tmp_path: Path, capsys: pytest.CaptureFixture[str], said: str) -> None:
    """Exit code 3, and what the auditor said last."""
    assert 3 == advisories.main(_auditor(tmp_path, said, 1))
    assert "nobody could be asked for advisories: no route\n" == capsys.readouterr().err


def test_the_installer_is_pinned_too() -> None:
    """One version, with hashes; the Makefile installs it so."""
    (uv,) = lock.read((ROOT / "image" / "installer.txt").read_text("utf-8"))
    assert "uv" == uv.name
    assert "--require-hashes -r $(INSTALLER)" in (ROOT / "Makefile").read_text("utf-8")


def test_records_are_rows_of_three(tmp_path: Path) -> None:
    """What is gone is left out, and the record itself has no digest."""
    info = tmp_path / "a-1.dist-info"
    info.mkdir()
    (tmp_path / "a.py").write_text("")
    (info / "RECORD").write_text("gone.py,sha256=x,1\na-1.dist-info/RECORD,,\na.py,,\n")
    tree._record(info)
    rows = list(csv.reader((info / "RECORD").read_text().splitlines()))
    empty = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
    assert [["a.py", empty, "0"], ["a-1.dist-info/RECORD", "", ""]] == rows
