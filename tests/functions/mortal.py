"""A function's client that dies with its process, right after a call was answered."""

from __future__ import annotations

from typing import Any

from molt.cluster import Cluster
from tests.functions.fake_cluster import Killed


class Mortal(Cluster):
    """The same cluster, as the same account; the call after `calls` answered ones is done, and the last."""

    def __init__(self, cluster: Cluster, calls: int) -> None:
        """Take over the connections, and how many calls the caller still sees answered."""
        super().__init__(cluster._transport)
        self._left = calls

    def _send(self, *asked: Any, **more: Any) -> dict[str, Any]:
        answer = super()._send(*asked, **more)
        if self._left == 0:
            raise Killed
        self._left -= 1
        return answer
