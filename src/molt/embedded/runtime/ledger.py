"""What became of each alert, read from the logs of the functions: acted, skipped, ignored or dead-lettered, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

TICK = "dev.knative.sources.ping"  # a tick is no alert


@dataclass(frozen=True, slots=True)
class Fate:
    """The end of one alert."""

    alert: str
    fate: str
    reason: str
    function: str
    subject: str


def read(logs: Path) -> dict[str, Fate]:
    """Return the fate of every alert whose end the logs tell, by its identity.

    What was too broken to have one goes by its event's id. A redelivered alert may have come to its end twice: the
    first end that acted counts, else the last.
    """
    fates: dict[str, Fate] = {}
    for line in lines(logs):
        name = line.get("alert") or line.get("event")
        if line.get("fate") and name and line.get("type") != TICK:
            end = Fate(str(name), *(str(line.get(key) or "") for key in ("fate", "reason", "function", "subject")))
            known = fates.get(end.alert)
            if known is None or known.fate != "acted":
                fates[end.alert] = end
    return fates


def lines(logs: Path) -> Iterator[Mapping[str, Any]]:
    """Yield every JSON object of the logs, file by file; a line that is none (half-written) is passed over."""
    for log in sorted(logs.glob("*.jsonl")):
        with log.open(encoding="utf-8", errors="replace") as file:
            for text in file:
                try:
                    line = json.loads(text)
                except ValueError:
                    continue
                if isinstance(line, Mapping):
                    yield line
