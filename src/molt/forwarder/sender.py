"""Gets what waits to the broker: a few threads with a kept connection each, until told to stop."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

from molt import log
from molt.commits import StoreError
from molt.forwarder import notice
from molt.forwarder.broker import Silence
from molt.forwarder.verdict import Gate, backoff, retry_after, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from molt.forwarder.broker import Answer
    from molt.forwarder.outbox import Drops, Outbox, Waiting

    Post = Callable[[Mapping[str, str], bytes], Answer | Silence]

FUNCTION = "forwarder"
_REST = 1.0  # seconds after an error of the disk
_IDLE = 0.25  # seconds between two looks at the spool when nothing wakes
_OWN = (0.5, 60.0)  # seconds: first and longest backoff of an alert that the broker answers with an error
_LOUD = 10  # failures in a row between two lines of the log
_UNTOLD = 60.0  # seconds until drops are told again to a broker that answered that it does not want to hear of them


class Sender:
    """Sends; safe for use by many threads."""

    def __init__(self, outbox: Outbox, node: str, chance: Callable[[], float] = random.random) -> None:
        """Empty this outbox. `node` says where we are, in the events about ourselves."""
        self._outbox = outbox
        self._node = node
        self._chance = chance
        self._gate = Gate()
        self._state = threading.Condition()
        self._telling = threading.Lock()
        self._stopping = False
        self._rest = 0.0
        self._tell = 0.0
        self.trouble = ""

    def wake(self) -> None:
        """Look again: something new waits."""
        with self._state:
            self._state.notify()

    def stop(self) -> None:
        """Make every `run` end after what it has in hand."""
        with self._state:
            self._stopping = True
            self._state.notify_all()

    def run(self, post: Post) -> None:
        """Send by `post` until stopped."""
        while not self._stops():
            try:
                busy = self.turn(post)
            except StoreError as error:
                log.write("error", FUNCTION, message=f"the spool: {error.reason}")
                busy = False
            if not busy:
                with self._state:
                    self._state.wait(_IDLE * (not self._stops()))

    def _stops(self) -> bool:
        return self._stopping  # another thread may have set it since the last look

    def turn(self, post: Post) -> bool:
        """Try one alert, or tell of one batch of drops; return whether one may go on at once."""
        with self._state:
            now = time.monotonic()
            if now < self._rest or not self._gate.enter(now):
                return False
        left = False
        try:
            if now >= self._tell and self._telling.acquire(blocking=False):  # one tells, and the others send alerts
                try:
                    if drops := self._outbox.drops():
                        left = True
                        return self._told(drops, post)
                finally:
                    self._telling.release()
            waiting = self._outbox.claim()
            if waiting is None:
                return False
            left = True
            return self._one(waiting, post)
        finally:
            if not left:
                self._leave()

    def _told(self, drops: Drops, post: Post) -> bool:
        """Tell of a batch of drops; return whether one may go on at once."""
        answer = post(*notice.render(drops, self._node))
        if self._pass(answer) == "again":
            self._postpone(answer)
            return False
        self._outbox.told(drops)
        return True

    def _one(self, waiting: Waiting, post: Post) -> bool:
        """Send one alert, and write down what became of it."""
        headers = {**waiting.headers, "ce-repeats": str(waiting.repeats)} if waiting.repeats else waiting.headers
        answer = post(headers, waiting.body)
        said = self._pass(answer)
        if said == "sent":
            self._outbox.sent(waiting, self._unwritten)
            return True
        try:
            if said == "refused":
                reason = f"the broker: {answer}"
                log.write("error", FUNCTION, event=waiting.id, outcome="rejected", reason=reason)
                self._outbox.refused(waiting, reason)
            elif not isinstance(answer, Silence):
                self._outbox.failed(waiting, self._pause(waiting), str(answer))
        finally:
            self._outbox.give_back(waiting)
        return said != "again"

    def _pause(self, waiting: Waiting) -> float:
        base, cap = _OWN
        return backoff(waiting.tries + 1, self._chance(), base=base, cap=cap)

    def _pass(self, answer: Answer | Silence) -> str:
        """Tell the gate how it went; return the verdict."""
        said = "again" if isinstance(answer, Silence) else verdict(answer.status)
        with self._state:
            if said != "again":
                if self._gate.failures:
                    log.write(
                        "info", FUNCTION, message=f"the broker takes events again, after {self._gate.failures} tries"
                    )
                self._gate.succeeded()
                self.trouble = ""
                self._state.notify_all()
                return said
            asked = 0.0 if isinstance(answer, Silence) else retry_after(answer.retry_after, time.time())
            self._gate.failed(time.monotonic(), self._chance(), asked)
            self.trouble = str(answer)
            if self._gate.failures % _LOUD == 1:
                log.write("warning", FUNCTION, message=f"the broker does not take events: {answer}")
        return said

    def _postpone(self, answer: Answer | Silence) -> None:
        """Let alerts go first when it is the drops that are not wanted: a broker may let in Falco's type alone."""
        if not isinstance(answer, Silence):
            with self._state:
                self._tell = time.monotonic() + _UNTOLD

    def _leave(self) -> None:
        """Give the gate's permit back without having tried."""
        with self._state:
            self._gate.leave()

    def _unwritten(self, error: BaseException) -> None:
        """Rest: what was sent and could not be forgotten would be sent again, with the same id, at once."""
        with self._state:
            self._rest = time.monotonic() + _REST
        log.write("error", FUNCTION, message=f"the spool: {error}")
