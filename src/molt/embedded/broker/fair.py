"""A queue of queues: each flow has its turn, however much another has waiting.

One pod whose attacker is in a loop raises thousands of alerts; the alert about another pod must not stand behind them.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from molt.embedded.broker.message import Message

# In the data of a Falco alert; text that an attacker has put into a field has its quotes escaped, and does not match.
_POD: Final = re.compile(rb'"k8s\.(?:ns|pod)\.name"\s*:\s*"([^"\\]{1,253})"')


class FairQueue:
    """Numbers by flow, first in, first out within each; not for several threads."""

    def __init__(self) -> None:
        """Begin empty."""
        self._flows: dict[str, deque[int]] = {}
        self._length = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return self._length

    def put(self, flow: str, number: int) -> None:
        """Put a number at the end of its flow."""
        self._flows.setdefault(flow, deque()).append(number)
        self._length += 1

    def pop(self) -> int:
        """Take the first of the flow whose turn it is, which then goes behind the others. Raises StopIteration."""
        flow = next(iter(self._flows))
        waiting = self._flows.pop(flow)
        number = waiting.popleft()
        if waiting:
            self._flows[flow] = waiting
        self._length -= 1
        return number


def flow_of(message: Message) -> str:
    """Return what the event is about: its subject, else the pod that a Falco alert names, else nothing."""
    if subject := message.attributes.get("subject"):
        return subject
    return b"/".join(_POD.findall(message.data)).decode(errors="replace")
