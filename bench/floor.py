"""The floor under an alert: the same API calls and as many bare HTTP hops, and nothing else.

The calls are taken from the functions themselves: their handlers run once in this process on a connection that keeps
what it sends, up to the patch that isolates. Then they are sent again for other pods, as bytes, by urllib3, with the
tokens of the functions' own accounts. A hop is a POST of the alert to a threaded socket server, in a process of its
own, that reads the request and answers 200 with nothing: client to broker, broker to activator to detect-router, broker
to activator to quarantine.

Run: `python -m bench.floor [--cluster embedded|real] [--samples N]`: the floor alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import urllib3

from bench import hop, report, stage
from detect_router import handler as router
from molt import events
from molt.cluster import PODS, Cluster, connect
from molt.cluster.transport import Transport
from molt.outcome import Done, SystemClock
from quarantine.handler import handler as quarantine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.stage import Pod, Stage, Watcher
    from molt.cluster.access import Access
    from molt.cluster.errors import Request
    from molt.cluster.transport import Call

HOPS: Final = (1, 2, 2)  # before the router's calls, before quarantine's: to the broker; by the activator to each


@dataclass(frozen=True, slots=True)
class Replay:
    """One call to the API as it was sent about one pod, to be sent about others."""

    access: Access
    pool: urllib3.PoolManager
    method: str
    target: str
    content_type: str
    body: str

    def send(self, before: Pod, now: Pod) -> None:
        """Send the call about the pod `now` that was sent about `before`."""
        target, body = self.target, self.body
        for name in ("name", "uid", "namespace"):
            target = target.replace(before["metadata"][name], now["metadata"][name])
            body = body.replace(before["metadata"][name], now["metadata"][name])
        version = '"resourceVersion": "{}"'
        body = body.replace(
            version.format(before["metadata"]["resourceVersion"]), version.format(now["metadata"]["resourceVersion"])
        )
        headers = {"accept": "application/json", "content-type": self.content_type}
        headers["authorization"] = str(self.access.bearer())
        answer = self.pool.request(
            self.method, self.access.host + target, body=body or None, headers=headers, retries=False
        )
        if answer.status >= 300:  # noqa: PLR2004 - no success
            raise RuntimeError(f"{self.method} {target} answered {answer.status}: {answer.data!r}")


class _Recorder(Transport):
    """A transport that keeps what it sends."""

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.calls: list[Call] = []

    def send(self, call: Call, log: list[Request]) -> dict[str, Any]:
        self.calls.append(call)
        return super().send(call, log)


@dataclass(frozen=True, slots=True)
class Floor:
    """What is done again for each sample."""

    template: Pod
    calls: tuple[tuple[Replay, ...], ...]  # of the router, of quarantine up to the isolation
    hop: str
    pool: urllib3.PoolManager

    def run(self, pod: Pod) -> None:
        """Isolate a pod."""
        _, body = stage.alert(pod)
        self._hops(HOPS[0], body)
        for hops, calls in zip(HOPS[1:], self.calls, strict=True):
            self._hops(hops, body)
            for call in calls:
                call.send(self.template, pod)

    @property
    def api_calls(self) -> int:
        """How many calls to the API one sample has."""
        return sum(map(len, self.calls))

    def _hops(self, count: int, body: bytes) -> None:
        for _ in range(count):
            self.pool.request("POST", self.hop, body=body, retries=False)


@contextmanager
def floored(at: Stage, template: Pod) -> Iterator[Floor]:
    """Take the functions' calls about a pod, which is isolated by it and restored, and start the bare server."""
    accounts = {name: _account(at, name) for name in ("detect-router", "quarantine")}
    recorders = {name: _Recorder(account) for name, account in accounts.items()}
    clock = SystemClock()
    template = at.admin.get(PODS, template["metadata"]["name"], template["metadata"]["namespace"])
    event = events.parse(*stage.alert(template))
    routed = router.handle(event, Cluster(recorders["detect-router"]), clock)
    if not isinstance(routed, Done) or routed.event is None:
        raise RuntimeError(f"the router says: {routed.reason}")
    quarantine()(routed.event, Cluster(recorders["quarantine"]), clock)
    at.restore(template)
    calls = tuple(tuple(_replays(accounts[name], recorders[name].calls)) for name in accounts)
    with bare_server() as url:
        yield Floor(template, calls, url, urllib3.PoolManager())


def _account(at: Stage, function: str) -> Access:
    return connect.by_kubeconfig(str(at.folder / "accounts" / f"{function}.kubeconfig"))


def _replays(account: Access, calls: list[Call]) -> Iterator[Replay]:
    """Yield the calls up to the first patch of a pod."""
    pool = account.pool()
    for call in calls:
        target = call.path + (f"?{urlencode(call.query)}" if call.query else "")
        body = json.dumps(call.body) if call.body is not None else ""
        yield Replay(account, pool, call.method, target, call.content_type, body)
        if call.asked.verb == "patch" and call.asked.resource == "pods":
            return


@contextmanager
def bare_server() -> Iterator[str]:
    """Run the bare server in a process of its own; yield its address."""
    with subprocess.Popen([sys.executable, hop.__file__], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/"
        finally:
            process.terminate()


def sample(at: Stage, floor: Floor, watcher: Watcher, pod: Pod) -> float:
    """Return the milliseconds from the first hop until the pod is seen isolated; it is restored after."""
    fresh = at.admin.get(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])
    watcher.forget()
    start = time.monotonic()
    floor.run(fresh)
    end = watcher.wait([stage.key(pod)])
    if end is None:
        raise TimeoutError(f"{stage.key(pod)} was not isolated")
    at.restore(pod)
    return 1000 * (end - start)


def main() -> None:
    """Measure the floor alone, and print."""
    parser = report.options(__doc__)
    stage.add_cluster(parser)
    parser.add_argument("--samples", type=int, default=300)
    chosen = parser.parse_args()
    with stage.staged(chosen.cluster) as at, stage.watching(at.admin) as watcher:
        at.answer_with({"quarantine": {}})
        pods = at.pods(10)
        stage.warm_up(at, watcher, pods)
        with floored(at, pods[0]) as floor:
            found = [sample(at, floor, watcher, pods[number % len(pods)]) for number in range(chosen.samples)]
            title = f"The floor: {floor.api_calls} API calls, {sum(HOPS)} bare hops"
    rows = [report.Row(f"p{round(100 * share)}", report.percentile(found, share), "ms") for share in (0.5, 0.99)]
    report.tell(report.Run("floor", title, rows, chosen.cluster, machine=report.machine()), chosen.json)


if __name__ == "__main__":
    main()
