"""A queue of queues: each flow has its turn, however much another has waiting.

One pod whose attacker is in a loop raises thousands of alerts; the alert about another pod must not stand behind them,
nor what another rule says about the same pod.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from molt.embedded.broker.message import Message

LONG: Final = 16  # waiting of one flow while more come: a storm
CALM: Final = 1.0  # seconds after which a storm is over
# In the data of a Falco alert; text that an attacker has put into a field has its quotes escaped, and does not match.
_SAME: Final = re.compile(rb'"(?:k8s\.(?:ns|pod)\.name|rule)"\s*:\s*"([^"\\]{1,253})"')


class FairQueue:
    """Numbers by flow, first in, first out within each; not for several threads.

    Of a flow in which many wait, and more come, one at a time is under way: it says the same again and again, and the
    processor is wanted by those who bring it.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Begin empty."""
        self._now = now
        self._flows: dict[str, deque[int]] = {}
        self._held: dict[str, deque[int]] = {}  # storms of which one is under way
        self._under_way: Counter[str] = Counter()
        self._grown: dict[str, float] = {}  # when a long flow last grew
        self._length = 0

    def __len__(self) -> int:
        """Return how many wait for nothing but their turn."""
        return self._length

    def put(self, flow: str, number: int) -> None:
        """Put a number at the end of its flow."""
        held = self._held.get(flow)
        waiting = self._flows.setdefault(flow, deque()) if held is None else held
        waiting.append(number)
        self._length += held is None
        if len(waiting) > LONG:
            self._grown[flow] = self._now()

    def pop(self) -> tuple[str, int]:
        """Take the first of the flow whose turn it is, which then goes behind the others. Raises StopIteration."""
        flow = next(iter(self._flows))
        waiting = self._flows.pop(flow)
        number = waiting.popleft()
        self._under_way[flow] += 1
        self._length -= 1
        if not waiting:
            self._grown.pop(flow, None)
        elif self.is_storm(flow):
            self._held[flow] = waiting
            self._length -= len(waiting)
        else:
            self._flows[flow] = waiting
        return flow, number

    def is_storm(self, flow: str) -> bool:
        """Tell whether many wait in a flow, and more come."""
        return self._now() - self._grown.get(flow, -math.inf) < CALM

    def done(self, flow: str) -> None:
        """Say that one of a flow is no longer under way."""
        self._under_way[flow] -= 1
        if self._under_way[flow]:
            return
        del self._under_way[flow]
        if held := self._held.pop(flow, None):
            self._flows[flow] = held
            self._length += len(held)


def flow_of(message: Message) -> str:
    """Return what the event is about: its subject, else the pod and the rule that a Falco alert names, else nothing."""
    if subject := message.attributes.get("subject"):
        return subject
    return b"/".join(_SAME.findall(message.data)).decode(errors="replace")
