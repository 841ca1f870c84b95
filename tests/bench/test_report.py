"""What the benches found, as table, JSON and page; and the page in docs/ is what is made of the numbers beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import report
from bench.report import Row, Run

DOCS = Path(__file__).resolve().parents[2] / "docs"
MACHINE = {"cores": 2, "python": "3.11.7", "system": "Linux x86_64", "load": 0.1, "day": "2026-11-30"}
MISSED = Row("p99", 20.0, "ms", 10.0, "<= 1.5 x", met=False, note="the disk")
FOUND = Run(
    "warm", "Warm", (Row("p50", 1.25, "ms", 1.0, "<= 1.5 x", met=True), MISSED), "real", "floor", ("n",), MACHINE
)


def test_the_page_is_made_of_the_numbers() -> None:
    """Nobody has edited it."""
    runs = report.read(DOCS / "performance.json")
    assert {"cold", "warm/embedded", "burst/embedded", "storm/embedded", "footprint/embedded"} <= {
        run.key for run in runs
    }
    assert report.markdown(runs) == (DOCS / "performance.md").read_text(encoding="utf-8")


def test_a_missed_goal_is_said_with_its_cause() -> None:
    """In the terminal and on the page."""
    assert (
        "Warm [real]; peer: floor\n"
        "what  ours  peer  ratio  unit  goal      met\n"
        "----  ----  ----  -----  ----  --------  ---\n"
        "p50   1.25  1.00  1.25   ms    <= 1.5 x  yes\n"
        "p99   20.0  10.0  2.00   ms    <= 1.5 x  NO\n"
        "  p99: the disk\n"
        "  n"
    ) == report.table(FOUND)
    page = report.markdown([FOUND])
    assert "## Warm, on the real control plane" in page
    assert "| p99 | 20.0 | 10.0 | 2.00 | ms | <= 1.5 x | NO |" in page
    assert "- p99: the disk\n- n\n" in page
    assert page.endswith("2 cores, load 0.1 before, Python 3.11.7, Linux x86_64, 2026-11-30.\n")


def test_a_later_run_replaces_the_former(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the same name on the same cluster; the page is made of all that is known."""
    file = tmp_path / "f.json"
    for run in (FOUND, Run("cold", "Cold", (Row("start", 1.0, "s"),), machine=MACHINE), FOUND):
        report.tell(run, file)
    assert ["warm/real", "cold"] == [run.key for run in report.read(file)]
    assert FOUND == report.read(file)[0]
    report.main([str(file), "--into", str(tmp_path)])
    assert report.markdown(report.read(file)) == (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert "| start | 1.00 |  |  | s |  | - |" in (tmp_path / "performance.md").read_text(encoding="utf-8")
    capsys.readouterr()
    report.tell(FOUND, None)
    assert '"name": "warm"' in capsys.readouterr().out.splitlines()[-1]


def test_without_a_run_there_is_no_page(tmp_path: Path) -> None:
    """It says what to do."""
    with pytest.raises(SystemExit, match="make bench"):
        report.main([str(tmp_path / "none.json"), "--into", str(tmp_path)])


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 5), (0.51, 6), (0.99, 10), (1.0, 10)])
def test_percentiles(share: float, value: int) -> None:
    """The smallest value that so many do not exceed."""
    assert value == report.percentile(range(10, 0, -1), share)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1,234"), (99.94, "99.9"), (9.999, "10.00"), (0.25, "0.250"), (-3.5, "-3.50"), (0.0, "0")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    """Or all before the point."""
    assert text == report.number(value)
