"""`molt simulate`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Molt

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "examples/policies/rotate-web.yaml"
QUICK = ("--epochs", "20000")
BLOCKS = "▁▂▃▄▅▆▇█"
POLICY = """
apiVersion: molt-project.io/v1alpha1
kind: RotationPolicy
metadata: {name: p%s, namespace: shop}
spec: {selector: {}, lifetime: {%s}}
---
"""


def test_every_attacker_has_a_table_curves_and_a_verdict(molt: Molt) -> None:
    """How long pods live first; then, for each, six lines of figures and six curves."""
    result = molt("simulate", WEB, *QUICK)
    assert (0, "") == (result.code, result.err)
    assert f"production/web ({WEB}:1, mode Enforce)" == result.out.splitlines()[0]
    places = [result.out.index(f"\n{name}: ") for name in ("memoryless", "kill-chain", "clock-seeing", "persistent")]
    assert sorted(places) == places
    assert 4 == result.out.count("A compromise takes ")
    assert "A compromise takes no longer than without rotation" in result.out
    curves = [
        line.split()[-1] for line in result.out.splitlines() if line.split() and set(line.split()[-1]) <= set(BLOCKS)
    ]
    assert (24, {48}) == (len(curves), {len(curve) for curve in curves})
    assert all(sorted(curve, key=BLOCKS.index) == list(curve) for curve in curves)
    for word in ("no bound", "for good", "In 1d", "Mean age"):
        assert word in result.out
    assert "DryRun" not in result.out


def test_a_line_of_the_table(molt: Molt) -> None:
    """Against a memoryless attacker of 2h, lives of 30 to 60 minutes: time, chance, dwell and share."""
    result = molt("simulate", WEB, "--attacker", "memoryless", "--epochs", "400000")
    table = result.out.partition("\nmemoryless: an attack takes 2h on average; a move takes all of it\n")[2]
    ours = table.splitlines()[2].split()
    assert ["this", "policy", "2h", "1h23m"] == ours[:4]
    within, chance, share = float(ours[5]), float(ours[7]), float(ours[10])
    assert [100, 31.2, 17.1] == pytest.approx([within, chance, share], abs=0.3)
    assert ours[9].startswith("24m")


def test_json(molt: Molt) -> None:
    """Seconds, with the closed form beside each; null for what never ends; the seed decides."""
    command = ("simulate", WEB, *QUICK, "--mean", "1h", "--stages", "3", "--keep", "0.25", "--horizon", "30d", "--json")
    result = molt(*command)
    (one,) = result.json
    assert ("production/web", "Enforce") == (one["policy"], one["mode"])
    assert {"epochs": 20_000, "horizon": 2_592_000.0, "seed": 1} == one["settings"]
    assert {"mean": 2700.0, "longest": 3600.0, "age": 1400.0} == one["exposure"]["this policy"]
    assert one["exposure"]["exponential"]["longest"] is None
    assert {"mean": 3600.0, "stages": 3, "keep": 0.25} == one["attackers"]["persistent"]["parameters"]
    assert {"mean": 3600.0} == one["attackers"]["clock-seeing"]["parameters"]
    measures = one["attackers"]["kill-chain"]["against"]
    assert [None, None] == measures["no rotation"]["dwell"]
    ours = measures["this policy"]
    assert ours["exact"]["time"] == pytest.approx(ours["time"]["mean"], rel=0.05)
    assert (False, False) == (ours["estimated"], "curve" in ours)
    assert result.out == molt(*command).out
    assert result.out != molt(*command, "--seed", "2").out


def test_one_attacker(molt: Molt) -> None:
    """The others are left out, and its figures are the same."""
    alone = molt("simulate", WEB, *QUICK, "--attacker", "kill-chain", "--json").json[0]["attackers"]
    every = molt("simulate", WEB, *QUICK, "--json").json[0]["attackers"]
    assert {"kill-chain": every["kill-chain"]} == alone


def test_rare_and_impossible_compromises(molt: Molt) -> None:
    """What few lives cannot show is marked as calculated; what does not happen is never, and null in JSON."""
    rare = molt("simulate", WEB, *QUICK, "--attacker", "kill-chain", "--mean", "1d")
    assert "≈ from the closed form: in 20,000 lives fewer than 100 compromises" in rare.out
    never = ("simulate", WEB, *QUICK, "--attacker", "kill-chain", "--mean", "90000d", "--stages", "1000")
    assert "≈never" in molt(*never).out
    assert "With this policy there is no compromise that is worth a number." in molt(*never).out
    assert molt(*never, "--json").json[0]["attackers"]["kill-chain"]["against"]["fixed"]["time"]["mean"] is None


def test_each_rotation_policy_of_a_folder(molt: Molt, tmp_path: Path) -> None:
    """In their order; one in DryRun says so; a ResponsePolicy is none."""
    (tmp_path / "p.yaml").write_text(POLICY % (1, "every: 1h") + POLICY % (2, "min: 1h, max: 2h"))
    (tmp_path / "r.yaml").write_bytes((ROOT / "examples/policies/web-shell.yaml").read_bytes())
    result = molt("simulate", tmp_path, *QUICK, "--attacker", "memoryless")
    assert (0, 2) == (result.code, result.out.count("It moves nothing yet"))
    assert result.out.index("shop/p1") < result.out.index("shop/p2")


def test_a_picture(molt: Molt, tmp_path: Path) -> None:
    """PNG or SVG, beside the tables or JSON."""
    drawn = molt("simulate", WEB, *QUICK, "--attacker", "persistent", "--plot", tmp_path / "a.svg")
    assert (0, True) == (drawn.code, f"drawn: {tmp_path}/a.svg\n" in drawn.out)
    assert ">persistent<" in (tmp_path / "a.svg").read_text()
    assert 1 == len(molt("simulate", WEB, *QUICK, "--plot", tmp_path / "a.png", "--json").json)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_written_is_exit_code_2(molt: Molt, tmp_path: Path) -> None:
    """The file is named, and nothing else is printed."""
    path = tmp_path / "none" / "a.svg"
    result = molt("simulate", WEB, *QUICK, "--plot", path)
    assert (2, "", f"molt: {path}: No such file or directory\n") == (result.code, result.out, result.err)


def test_what_is_wrong_with_a_policy_is_exit_code_1(molt: Molt, tmp_path: Path) -> None:
    """The words of `molt policy check`, a line for each policy; nothing is simulated."""
    (tmp_path / "p.yaml").write_text(POLICY % (1, "every: soon") + POLICY % (2, "every: 1h"))
    result = molt("simulate", tmp_path)
    problem = 'spec.lifetime.every: "soon" is not a duration such as 1h30m, 90s or 500ms'
    assert (1, "", f"molt: {tmp_path}/p.yaml:1: {problem}\n") == (result.code, result.out, result.err)


def test_nothing_to_simulate_is_exit_code_2(molt: Molt, tmp_path: Path) -> None:
    """A file without a RotationPolicy, and none at all."""
    other = ROOT / "examples/policies/web-shell.yaml"
    result = molt("simulate", other)
    assert (2, "", f"molt: {other}: no RotationPolicy in it\n") == (result.code, result.out, result.err)
    assert 2 == molt("simulate", tmp_path / "missing.yaml").code


@pytest.mark.parametrize(
    "options",
    [
        ("--mean", "soon"),
        ("--mean", "0s"),
        ("--horizon", "2w"),
        ("--stages", "0"),
        ("--keep", "1"),
        ("--epochs", "10"),
        ("--seed", "-1"),
        ("--attacker", "mallory"),
        ("--plot", "a.pdf"),
    ],
    ids=" ".join,
)
def test_a_wrong_option_is_exit_code_2(molt: Molt, options: tuple[str, ...]) -> None:
    """Standard error says what is wrong."""
    result = molt("simulate", WEB, *options)
    assert (2, "") == (result.code, result.out)
    assert result.err


@pytest.mark.parametrize(
    ("missing", "options", "said"),
    [
        (["numpy"], (), "numpy"),
        (["matplotlib"], ("--plot", "a.svg"), "matplotlib"),
        (["numpy", "matplotlib"], ("--plot", "a.svg"), "numpy and matplotlib"),
    ],
    ids=str,
)
def test_without_the_extra_the_way_to_it_is_said(
    molt: Molt, monkeypatch: pytest.MonkeyPatch, missing: list[str], options: tuple[str, ...], said: str
) -> None:
    """Exit code 3, one line."""
    for module in missing:
        monkeypatch.setitem(sys.modules, module, None)
    result = molt("simulate", WEB, *options)
    assert (3, "", f"molt: this needs {said}: pip install 'molt-mtd[simulate]'\n") == (
        result.code,
        result.out,
        result.err,
    )


def test_the_other_commands_do_not_pay_for_it() -> None:
    """Neither numpy nor matplotlib is imported before there is something to simulate, or to draw."""
    code = "import sys; from molt.cli.app import build; build(); print({'numpy', 'matplotlib'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "set()\n" == ran.stdout
    code = "import sys; from molt.cli import simulation; print({'numpy', 'matplotlib'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "{'numpy'}\n" == ran.stdout
