"""What became of each alert, read from the logs of the functions: acted, skipped, ignored or dead-lettered, and why."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

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


class Ledger:
    """The fates that the logs tell, read as they grow."""

    def __init__(self, logs: Path) -> None:
        """Read the logs in this folder from their beginning."""
        self._logs = logs
        self._read: dict[Path, int] = {}
        self._fates: dict[str, Fate] = {}

    @classmethod
    def from_now(cls, logs: Path) -> Self:
        """Return a ledger that knows nothing of what the logs tell so far."""
        ledger = cls(logs)
        ledger._read = {log: log.stat().st_size for log in logs.glob("*.jsonl")}
        return ledger

    def fates(self) -> dict[str, Fate]:
        """Return the fate of every alert whose end the logs tell by now, by its identity.

        What was too broken to have one goes by its event's id. A redelivered alert may have come to its end twice: the
        first end that acted counts, else the last.
        """
        for log in sorted(self._logs.glob("*.jsonl")):
            for end in ends(self._new(log)):
                known = self._fates.get(end.alert)
                if known is None or known.fate != "acted":
                    self._fates[end.alert] = end
        return dict(self._fates)

    def _new(self, log: Path) -> list[bytes]:
        """Return the whole lines that were not read yet."""
        with log.open("rb") as file:
            file.seek(self._read.get(log, 0))
            found = file.read()
        whole = found[: found.rfind(b"\n") + 1]
        self._read[log] = self._read.get(log, 0) + len(whole)
        return whole.splitlines()


def read(logs: Path) -> dict[str, Fate]:
    """Return all fates that the logs in a folder tell."""
    return Ledger(logs).fates()


def ends(log: Iterable[bytes]) -> Iterator[Fate]:
    """Yield the ends of alerts that some lines tell."""
    for line in objects(log):
        name = line.get("alert") or line.get("event")
        if line.get("fate") and name and line.get("type") != TICK:
            yield Fate(str(name), *(str(line.get(key) or "") for key in ("fate", "reason", "function", "subject")))


def lines(logs: Path) -> Iterator[Mapping[str, Any]]:
    """Yield every JSON object of the logs in a folder, file by file."""
    for log in sorted(logs.glob("*.jsonl")):
        with log.open("rb") as file:
            yield from objects(file)


def objects(log: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    """Yield the JSON objects of a log's lines; what is none (a traceback, half a line) is passed over."""
    for text in log:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, Mapping):
            yield line
