"""A report as a picture: who has compromised a pod by when, and how much of the time it is held. Needs matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from molt.simulate.report import OURS, POINTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from molt.simulate.report import Measure

    Panels = Mapping[str, Mapping[str, Measure]]  # by attacker, then by lifetimes

_UNITS = ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
_SMALLEST, _WIDE, _HIGH = 2, 4.2, 6.4  # units on an axis; inches of a panel, and of a policy's two rows
# Text stays text, so that it can be found and read aloud; the same picture has the same bytes.
_STYLE: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "molt", "font.size": 9}


def draw(titled: Sequence[tuple[str, Panels]], horizon: float, path: Path) -> None:
    """Write a picture of the reports, each with its title, to a .png or .svg file.

    Raises OSError when it cannot be written.
    """
    columns = max(len(panels) for _, panels in titled)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDE * columns, _HIGH * len(titled)), layout="constrained")
        parts = figure.subfigures(len(titled), 1, squeeze=False)[:, 0]
        for part, (title, panels) in zip(parts, titled, strict=True):
            part.suptitle(title, parse_math=False)
            axes = part.subplots(2, columns, squeeze=False)
            for upper, lower, (attacker, measures) in zip(*axes, panels.items(), strict=True):
                _curves(upper, attacker, measures, horizon)
                _shares(lower, measures)
            axes[0][0].legend(fontsize="small")
        dates: dict[str, str | None] = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(path, format=path.suffix[1:], dpi=120, metadata=dates)


def _curves(axes: Axes, attacker: str, measures: Mapping[str, Measure], horizon: float) -> None:
    """Draw the chance of a compromise by each moment up to the horizon."""
    size, unit = next((one for one in _UNITS if horizon >= _SMALLEST * one[0]), _UNITS[-1])
    times = np.linspace(0.0, horizon / size, POINTS + 1)
    for name, measure in measures.items():
        ours = name == OURS
        axes.plot(times, measure.curve, label=name, linewidth=2.5 if ours else 1, zorder=3 if ours else 2)
    axes.set(title=attacker, xlabel=f"{unit} since the first try", ylabel="chance of a compromise", ylim=(0, 1.02))
    axes.grid(alpha=0.3)


def _shares(axes: Axes, measures: Mapping[str, Measure]) -> None:
    """Draw the share of time in which the pod is held, in the order and the colours of the curves."""
    names = list(measures)
    shares = [100 * measures[name].share for name in names]
    bars = axes.barh(names, shares, color=[f"C{number}" for number in range(len(names))])
    axes.bar_label(bars, labels=[f"{share:.3g} %" for share in shares], padding=2)
    axes.invert_yaxis()
    axes.set(xlabel="% of the time the attacker holds the pod", xlim=(0, 118))
