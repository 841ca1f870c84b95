"""Inputs that nobody would send on purpose, for the parser of alerts and for the servers.

    router      an alert, to detect-router with a cluster, as WSGI
    quarantine  a routing slip, to a function that reads it, as WSGI
    socket      bytes, to a listening process, as who speaks HTTP badly

Each input is a good one with something wrong in it: a value of another type, one that is missing, huge, hostile or no
Unicode, a body cut off or with other bytes in it, headers twice or odd. What must hold: an answer that a broker takes
as it is meant (200, 204, a refusal in 400, 413, 422; of the router 503 too, for a pod that may still come), one line of
log in JSON, no traceback.

Run: `python -m chaos.fuzz [--inputs N] [--seed N]`. Exits with 1 at the first input that breaks it, which it prints.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import random
import socket
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from detect_router.handler import handle
from molt.listener import Listener
from molt.server import create_app
from tests.functions.detect_router.world import StillClock, World, alert_data, namespace, pod, policy
from tests.molt.application import application

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from flask.testing import FlaskClient

    from molt.cluster import Cluster

ALLOWED = {200, 204, 400, 413, 422}
LATER = 503
ALERTS = Path(__file__).resolve().parents[1] / "tests" / "alerts"
SOCKET_EVERY = 50
"""One input in so many goes over a socket: each takes a connection."""
HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "https://falco.org",
    "ce-type": "falco.rule.output.v1",
    "content-type": "application/json",
}
HOSTILE: Sequence[Any] = (
    *(None, True, 0, -1, 2**63, 2**64 + 1, 10**400, 1e308, float("nan"), float("inf"), [], {}, [[]], [None]),
    *("", " ", "<NA>", "host", "null", "0", "\x00", "\ud800", "\u202e", "ﬁ", "Ω" * 70, "a" * 5000, "../..", "$(id)"),
    *("-", ".", "a/b", "\r\nce-id: 2", "\x1b[31m", "2026-13-45T99:99:99Z", "2026-01-01T00:00:00.1234567890123Z"),
    *("9999999999999999999999", "&lt;script&gt;<script>", "%s%n{0}", "' OR 1=1 --", {"a": {"a": {"a": {}}}}),
)


@dataclass(frozen=True, slots=True)
class Input:
    """One request."""

    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __str__(self) -> str:
        """Show all of it on one line."""
        return json.dumps([self.target, self.headers, self.body.decode("latin-1")])


def seeds() -> dict[str, list[Any]]:
    """Return good data for each target."""
    alerts = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(ALERTS.glob("*.json"))]
    alerts += [alert_data(), alert_data({"k8s.pod.uid": "u", "ka.target.resource": "pods"})]
    slip = {
        "alert": {"id": "a", "rule": "R"},
        "target": {"namespace": "shop", "name": "web-1", "uid": "u", "node": "n", "workload": None},
        "policy": {"name": "p", "uid": "", "generation": 0, "limits": {}},
        "mode": "Enforce",
        "itinerary": [{"remedy": "quarantine", "parameters": {"retention": {"after": "1h"}}}],
        "trail": [{"remedy": "tag", "outcome": "acted", "reason": "", "at": "2026-01-01T00:00:00Z", "details": {}}],
    }
    return {"router": alerts, "quarantine": [slip]}


def inputs(seed: int, count: int) -> Iterator[Input]:
    """Yield so many inputs; the same seed, the same inputs."""
    dice, good = random.Random(seed), seeds()  # noqa: S311 - dice of a test
    for number in range(count):
        target = dice.choice(("router", "quarantine"))
        data = copy.deepcopy(dice.choice(good[target]))
        for _ in range(dice.randrange(4)):
            data = mutated(data, dice)
        body = spoilt(json.dumps(data, ensure_ascii=dice.choice((False, True))).encode("utf-8", "surrogatepass"), dice)
        yield Input("socket" if number % SOCKET_EVERY == 0 else target, headers(dice), body)


def mutated(data: Any, dice: random.Random) -> Any:
    """Return the data with one value, wherever it is, replaced, taken out, added or moved."""
    places = list(_places(data))
    if not places or not dice.randrange(50):
        return _hostile(dice)
    holder, key = dice.choice(places)
    match dice.randrange(5):
        case 0 | 1:
            holder[key] = _hostile(dice)
        case 2:
            del holder[key]
        case 3:
            other, name = dice.choice(places)
            holder[key] = copy.deepcopy(other[name])
        case _ if isinstance(holder, dict):
            holder[str(_hostile(dice))] = copy.deepcopy(holder[key])
        case _:
            holder.extend(copy.deepcopy(holder[key]) for _ in range(dice.choice((1, 50, 600))))
    return data


def _hostile(dice: random.Random) -> Any:
    """Return a value of its own: what is put into it later is in no other input."""
    return copy.deepcopy(dice.choice(HOSTILE))


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        yield data, key
        yield from _places(value)


def spoilt(body: bytes, dice: random.Random) -> bytes:
    """Return the body, in one of five cases cut off, with other bytes in it, or twice."""
    at = dice.randrange(len(body) + 1)
    match dice.randrange(20):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + dice.randbytes(dice.randrange(1, 9)) + body[at:]
        case 2:
            return body + body
        case 3:
            return b"[" * dice.choice((10, 5000, 200_000)) + body
        case _:
            return body


def headers(dice: random.Random) -> tuple[tuple[str, str], ...]:
    """Return the headers, in one of three cases with one of them odd, missing, or twice."""
    pairs = list(HEADERS.items())
    at = dice.randrange(len(pairs))
    odd = str(dice.choice(HOSTILE)).translate({10: None, 13: None, 0: None}).encode("utf-8", "ignore").decode("latin-1")
    match dice.randrange(12):
        case 0:
            del pairs[at]
        case 1:
            pairs[at] = pairs[at][0], odd
        case 2:
            pairs.append((pairs[at][0], odd))
        case 3:
            pairs.append((dice.choice(("ce-remedy", "ce-x", "traceparent", "ce-time", "ce-dataschema")), odd))
    return tuple(pairs)


class Targets:
    """What the inputs are given to."""

    def __init__(self, port: int) -> None:
        """Set the functions up; something listens on `port`."""
        world = World(policy(), pod(), namespace())
        world.session = lambda: world  # type: ignore[method-assign]
        router = create_app("detect-router", handle, cast("Cluster", world), StillClock())
        clients = {"router": router.test_client(), "quarantine": application().test_client()}
        self._world = world
        self._send: dict[str, Callable[[Input], int]] = {
            **{name: _wsgi(client) for name, client in clients.items()},
            "socket": lambda one: _socket(port, one),
        }

    def problem(self, one: Input) -> str:
        """Return what is wrong with how an input was answered; "" for nothing."""
        self._world.requests.clear()
        logged = io.StringIO()
        with contextlib.redirect_stdout(logged):
            status = self._send[one.target](one)
        lines = logged.getvalue().splitlines()
        if status not in ALLOWED and (one.target, status) != ("router", LATER):
            return f"answered {status}: {lines[-1:]}"
        if one.target == "socket":
            return ""  # that a server answers may come before or after its log
        if len(lines) != 1:
            return f"{len(lines)} lines of log"
        return "a traceback" if "traceback" in json.loads(lines[0]) else ""


def _wsgi(client: FlaskClient) -> Callable[[Input], int]:
    def send(one: Input) -> int:
        return client.post("/", headers=list(one.headers), data=one.body).status_code

    return send


def _socket(port: int, one: Input) -> int:
    lines = [b"POST / HTTP/1.1", b"host: x", f"content-length: {len(one.body)}".encode(), b"connection: close"]
    lines += [name.encode() + b": " + value.encode("latin-1") for name, value in one.headers]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + one.body)
        answer = connection.makefile("rb").readline()
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.") else 0


@contextlib.contextmanager
def targets() -> Iterator[Targets]:
    """Listen, and give what the inputs are for."""
    listener = Listener(application(), "quarantine", socket.create_server(("127.0.0.1", 0)))
    thread = threading.Thread(target=listener.run, name="listener")
    thread.start()
    try:
        yield Targets(listener.port)
    finally:
        listener.drain()
        thread.join()


def main() -> int:
    """Give every input, and say how many there were."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    began = time.monotonic()
    with targets() as them:
        for one in inputs(asked.seed, asked.inputs):
            if problem := them.problem(one):
                sys.stdout.write(f"{problem}\nseed {asked.seed}: {one}\n")
                return 1
    result = {"inputs": asked.inputs, "seed": asked.seed, "seconds": round(time.monotonic() - began, 1)}
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
