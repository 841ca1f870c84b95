"""A queue of queues: each flow has its turn, however much another has waiting.

One pod whose attacker is in a loop raises thousands of alerts; the alert about another pod must not stand behind them,
nor what another rule says about the same pod.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from molt.embedded.broker.message import Message

LONG: Final = 64
# In the data of a Falco alert; text that an attacker has put into a field has its quotes escaped, and does not match.
_SAME: Final = re.compile(rb'"(?:k8s\.(?:ns|pod)\.name|rule)"\s*:\s*"([^"\\]{1,253})"')


class FairQueue:
    """Numbers by flow, first in, first out within each; not for several threads.

    Of a flow in which many wait one at a time is under way. It says the same again and again, and the processor is
    wanted by those who bring more of it.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._flows: dict[str, deque[int]] = {}
        self._held: dict[str, deque[int]] = {}  # long ones of which one is under way
        self._under_way: Counter[str] = Counter()
        self._length = 0

    def __len__(self) -> int:
        """Return how many wait for nothing but their turn."""
        return self._length

    def put(self, flow: str, number: int) -> None:
        """Put a number at the end of its flow."""
        if held := self._held.get(flow):
            held.append(number)
        else:
            self._flows.setdefault(flow, deque()).append(number)
            self._length += 1

    def pop(self) -> tuple[str, int]:
        """Take the first of the flow whose turn it is, which then goes behind the others. Raises StopIteration."""
        flow = next(iter(self._flows))
        waiting = self._flows.pop(flow)
        number = waiting.popleft()
        self._under_way[flow] += 1
        self._length -= 1
        if len(waiting) > LONG:
            self._held[flow] = waiting
            self._length -= len(waiting)
        elif waiting:
            self._flows[flow] = waiting
        return flow, number

    def done(self, flow: str) -> None:
        """Say that one of a flow is no longer under way."""
        self._under_way[flow] -= 1
        if not self._under_way[flow]:
            del self._under_way[flow]
            if held := self._held.pop(flow, None):
                self._flows[flow] = held
                self._length += len(held)


def flow_of(message: Message) -> str:
    """Return what the event is about: its subject, else the pod and the rule that a Falco alert names, else nothing."""
    if subject := message.attributes.get("subject"):
        return subject
    return b"/".join(_SAME.findall(message.data)).decode(errors="replace")
