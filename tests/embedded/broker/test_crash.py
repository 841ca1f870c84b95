"""kill -9 in the middle of 200 events: what was acknowledged is delivered, and settled once."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import urllib3

from molt.embedded.broker.database import Database
from tests.embedded.broker.harness import EVENT, broker, trigger, write
from tests.embedded.broker.subscriber import Received, Said, subscribing
from tests.embedded.broker.test_process import started

EVENTS = 200


def _reply(request: Received) -> Said:
    """Answer every event with one that is its own, after a moment; what follows is the end."""
    if request.path != "/first":
        return Said()
    names = EVENT | {"id": f"reply-{request.id}", "type": "reply"}
    return Said(200, {f"ce-{name}": value for name, value in names.items()}, wait=0.002)


class _Sender:
    """Sends events until each is acknowledged, whatever happens to the broker."""

    def __init__(self) -> None:
        self.url = ""
        self.acknowledged: set[str] = set()

    def send(self, numbers: range) -> None:
        for number in numbers:
            while not self._sent(str(number)):
                time.sleep(0.01)

    def _sent(self, id_: str) -> bool:
        headers = {f"ce-{name}": value for name, value in {**EVENT, "id": id_}.items()}
        try:
            answer = urllib3.request("POST", self.url, headers=headers, body=b"", retries=False, timeout=10)
        except urllib3.exceptions.HTTPError:
            return False
        if answer.status == 202:
            self.acknowledged.add(id_)
        return answer.status == 202


def test_nothing_acknowledged_is_lost_and_nothing_is_settled_twice(tmp_path: Path) -> None:
    """The broker is killed three times while events and replies pass; in the end every chain is whole."""
    sender = _Sender()
    with subscribing(_reply) as subscriber:
        manifests = write(
            tmp_path,
            broker({"retry": 5, "backoffPolicy": "exponential", "backoffDelay": "PT0.05S"}),
            trigger("first", f"{subscriber.url}/first", filter={"attributes": {"type": "t"}}),
            trigger("second", f"{subscriber.url}/second", filter={"attributes": {"type": "reply"}}),
        )
        arguments = ["--manifests", str(manifests), "--state", str(tmp_path / "s"), "--services", "http://x/"]
        threads = [
            threading.Thread(target=sender.send, args=(range(part, EVENTS, 4),), daemon=True) for part in range(4)
        ]
        for part in (1, 2, 3):
            with started(*arguments) as (child, said):
                sender.url = f"http://127.0.0.1:{said['port']}/ns/default"
                if part == 1:
                    for thread in threads:
                        thread.start()
                subscriber.wait_for(part * EVENTS // 4)
                child.kill()
        with started(*arguments) as (child, said):
            sender.url = f"http://127.0.0.1:{said['port']}/ns/default"
            for thread in threads:
                thread.join()
            url = f"http://127.0.0.1:{said['port']}/status"
            while (status := urllib3.request("GET", url).json())["pending"]:
                time.sleep(0.02)
            child.terminate()
            child.communicate(timeout=20)

    everything = {str(number) for number in range(EVENTS)}
    assert everything == sender.acknowledged
    assert everything == {request.id for request in subscriber.at("/first")}
    assert {f"reply-{id_}" for id_ in everything} == {request.id for request in subscriber.at("/second")}
    # An event whose acknowledgement was lost was sent again and is a second event; each has one reply, and one end.
    accepted, replies = status["accepted"], status["replies"]
    assert (accepted, accepted, 0) == (2 * replies, status["done"], status["dead"])
    database = Database(tmp_path / "s")
    with database.reader() as connection:
        twice = connection.execute("SELECT cause FROM events WHERE cause NOT NULL GROUP BY cause HAVING count(*) > 1")
        assert [] == twice.fetchall()
    database.close()
