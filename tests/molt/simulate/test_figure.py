"""Pictures of reports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from molt.simulate import figure, report
from molt.simulate.attackers import Attacker, ClockSeeing, Stepwise
from molt.simulate.lifetimes import Bounded
from molt.simulate.report import Measure, Settings

ATTACKERS: dict[str, Attacker] = {"kill-chain": Stepwise(4000.0, 3), "clock-seeing": ClockSeeing(4000.0)}


@pytest.fixture(scope="module")
def panels() -> dict[str, dict[str, Measure]]:
    """Return a small report."""
    return dict(report.study(Bounded(2400.0, 3600.0), ATTACKERS, Settings(10_000, 36_000.0, 5)))


def test_an_svg_has_its_words_as_text(panels: dict[str, dict[str, Measure]], tmp_path: Path) -> None:
    """Titles as they are, attackers, lifetimes, axes; the same report gives the same bytes."""
    figure.draw([("shop/$web$", panels), ("shop/b", panels)], 36_000.0, tmp_path / "a.svg")
    figure.draw([("shop/$web$", panels), ("shop/b", panels)], 36_000.0, tmp_path / "b.svg")
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    said = re.findall(r"<text[^>]*>([^<]*)</text>", text)
    assert {"shop/$web$", "shop/b", *ATTACKERS, "this policy", "no rotation", "fixed ±20 %", "exponential"} <= set(said)
    assert {"hours since the first try", "chance of a compromise", "% of the time the attacker holds the pod"} <= set(
        said
    )


def test_a_png_is_one(panels: dict[str, dict[str, Measure]], tmp_path: Path) -> None:
    """It begins as a PNG does and says how large it is: as wide as one attacker, as high as one policy."""
    one = {"kill-chain": panels["kill-chain"]}
    figure.draw([("shop/web", one)], 36_000.0, tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    assert b"\x89PNG\r\n\x1a\n" == data[:8]
    assert (504, 768) == (int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))


@pytest.mark.parametrize(
    ("horizon", "unit"), [(0.5, "seconds"), (300.0, "minutes"), (7200.0, "hours"), (864_000.0, "days")]
)
def test_the_axis_has_a_unit_that_fits(
    panels: dict[str, dict[str, Measure]], tmp_path: Path, horizon: float, unit: str
) -> None:
    """The largest of which there are two."""
    figure.draw([("p", {"kill-chain": panels["kill-chain"]})], horizon, tmp_path / "a.svg")
    assert f">{unit} since the first try<" in (tmp_path / "a.svg").read_text()


def test_what_cannot_be_written_is_an_oserror(panels: dict[str, dict[str, Measure]], tmp_path: Path) -> None:
    """The caller says which file."""
    with pytest.raises(FileNotFoundError):
        figure.draw([("p", panels)], 60.0, tmp_path / "none" / "a.svg")
