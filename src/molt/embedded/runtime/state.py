"""The folder in which a local runtime keeps what must survive it, and says where it listens."""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from molt.outcome import MoltError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TRIES = 50
_PAUSE = 0.02  # seconds; whoever only looks whether a runtime is there holds the lock for much less


class NotRunning(MoltError):
    """No local runtime uses this folder."""


class AlreadyRunning(MoltError):
    """Another local runtime uses this folder."""


class UnusableFolder(MoltError):
    """The folder cannot be made, or not be written."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running local runtime is reached."""

    pid: int
    broker: str  # POST CloudEvents here, as Falcosidekick does
    falco: str  # POST Falco's own JSON here (http_output.url), or Falcosidekick's webhook
    kubeconfig: str  # the administrator's, for kubectl and for molt itself
    context: str  # "" for the embedded cluster, else the context of the real one


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The folder's parts."""

    root: Path

    @classmethod
    def default(cls, environ: Mapping[str, str]) -> StateFolder:
        """Return the user's own: $MOLT_STATE, else molt/ in $XDG_STATE_HOME or ~/.local/state."""
        if chosen := environ.get("MOLT_STATE"):
            return cls(Path(chosen).absolute())
        home = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
        return cls(Path(home) / "molt")

    @property
    def logs(self) -> Path:
        """One file of JSON lines for each process."""
        return self.root / "logs"

    @property
    def accounts(self) -> Path:
        """One kubeconfig for each function's own account."""
        return self.root / "accounts"

    @property
    def broker(self) -> Path:
        """What the broker has accepted and not yet settled."""
        return self.root / "broker.sqlite3"

    @property
    def evidence(self) -> Path:
        """The store of the evidence function, instead of its volume in a cluster."""
        return self.root / "evidence"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.root / "kubeconfig"

    def log(self, name: str) -> Path:
        """Return the log of the process `name`."""
        return self.logs / f"{name}.jsonl"

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Hold the folder for one runtime. Raises AlreadyRunning when another one does, UnusableFolder."""
        try:
            for folder in (self.root, self.logs, self.accounts):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = self._lock.open("w")
        except OSError as error:
            raise UnusableFolder(f"{self.root}: {error.strerror}") from None
        with lock:
            if not _taken_soon(lock):
                raise AlreadyRunning(f"a local runtime uses {self.root} already; stop it, or choose another --state")
            self._addresses.unlink(missing_ok=True)  # left by a kill
            try:
                yield
            finally:
                self._addresses.unlink(missing_ok=True)

    def publish(self, addresses: Addresses) -> None:
        """Tell other commands where the runtime is; for who holds the folder."""
        write_private(self._addresses, json.dumps(asdict(addresses), indent=1))

    def addresses(self) -> Addresses:
        """Return where the runtime is. Raises NotRunning."""
        if not self._is_held():
            raise NotRunning(f"no local runtime uses {self.root}; start one with `molt up`")
        try:
            return Addresses(**json.loads(self._addresses.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise NotRunning(f"the local runtime that uses {self.root} is starting, or stopping") from None

    def _is_held(self) -> bool:
        try:
            with self._lock.open() as lock:
                return not _taken(lock, fcntl.LOCK_SH)
        except OSError:
            return False

    @property
    def _lock(self) -> Path:
        return self.root / "lock"

    @property
    def _addresses(self) -> Path:
        return self.root / "runtime.json"


def _taken(lock: IO[str], kind: int) -> bool:
    """Take the lock unless another process has it; it is let go when the file is closed."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _taken_soon(lock: IO[str]) -> bool:
    for _ in range(_TRIES):
        if _taken(lock, fcntl.LOCK_EX):
            return True
        time.sleep(_PAUSE)
    return False


def write_private(path: Path, text: str) -> None:
    """Write `text` so that only the user can read it, and no reader ever sees half of it."""
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
