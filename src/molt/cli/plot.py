"""Coming moves as a picture. matplotlib is imported when one is asked for: it is an extra of 135 MB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molt.cli.coming import shades
from molt.marks import printable
from molt.outcome import PermanentError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from molt.cli.coming import Coming
    from molt.policy import RotationPolicy

SUFFIXES = (".png", ".svg")
MOST = 200
"""Pods that one picture shows, the first to move."""
_PARTS = 720  # in which windows are drawn: two minutes of a day


def draw(
    path: Path, plans: Sequence[tuple[RotationPolicy, Sequence[Coming]]], start: datetime, length: timedelta
) -> None:
    """Write a picture of the moves that begin in the time from `start` on: a part for each policy, a line for each pod.

    Raises PermanentError without matplotlib, OSError when the file cannot be written.
    """
    try:
        from matplotlib.dates import DateFormatter  # noqa: PLC0415 - see the module
        from matplotlib.figure import Figure  # noqa: PLC0415 - see the module
    except ImportError:
        raise PermanentError("a picture needs the package matplotlib (extra `plot`)") from None
    heights = [1 + 0.25 * min(len(moves), MOST) for _, moves in plans]
    figure = Figure(figsize=(12, 1 + sum(heights)), layout="constrained")
    parts = figure.subplots(len(plans), squeeze=False, height_ratios=heights)[:, 0]
    for axes, (policy, moves) in zip(parts, plans, strict=True):
        shown = moves[:MOST]
        for index, closed in enumerate(shades(policy, start, length, _PARTS)):
            if closed:
                at = start + length * index / _PARTS
                axes.axvspan(at, at + length / _PARTS, color="0.9", linewidth=0)
        for line, one in enumerate(shown):
            for span, colour in ((one.successor, "tab:orange"), (one.begin, "tab:blue")):
                if span:
                    axes.plot([span.earliest, span.latest], [line, line], color=colour, marker="o", markersize=4)
        axes.set_title(_plain(f"{policy.namespace}/{policy.name} ({policy.mode}, {policy.strategy})"), parse_math=False)
        axes.set_yticks(range(len(shown)), [_plain(one.pod) for one in shown], fontsize="small", parse_math=False)
        axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)
        axes.set_xlim(start, start + length)
        axes.xaxis.set_major_formatter(DateFormatter("%d %b %H:%M"))  # type: ignore[no-untyped-call]
    figure.supxlabel("UTC; blue: begins, orange: its successor's move, grey: no move may begin", fontsize="small")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _plain(text: str) -> str:
    """Return text that every font has."""
    return printable(text).encode("ascii", "replace").decode()
