import socket
import threading
import time
from itertools import repeat

import pytest

from benchmarks.client import Server
from benchmarks.open_loop import Schedule, open_loop

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


def test_requests_are_due_at_even_distances_each_once() -> None:
    schedule = Schedule(rate=10, seconds=1)

    assert schedule.due(0.0) == [0.0]
    assert schedule.due(0.05) == []
    assert schedule.next() == pytest.approx(0.1)
    assert schedule.due(0.35) == pytest.approx([0.1, 0.2, 0.3])


def test_a_late_look_finds_all_that_was_missed_and_no_more_than_there_is() -> None:
    schedule = Schedule(rate=10, seconds=1)

    assert len(schedule.due(60.0)) == schedule.total == 10
    assert schedule.due(61.0) == []
    assert schedule.next() is None


def test_there_is_at_least_one_request() -> None:
    assert Schedule(rate=0.1, seconds=1).total == 1


class SlowServer:
    """Answers the requests of one connection one after the other, each after `wait` seconds."""

    def __init__(self, wait: float) -> None:
        self._wait = wait
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.server = Server(f"http://127.0.0.1:{self._listener.getsockname()[1]}")
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "SlowServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            while connection.recv(65536):
                time.sleep(self._wait)
                connection.sendall(ANSWER)


def test_what_waits_behind_a_slow_answer_has_its_wait_counted() -> None:
    with SlowServer(wait=0.02) as slow:
        found = open_loop(slow.server, repeat(b"GET"), rate=200, seconds=0.05, connections=1)

    # Ten requests are due within 50 ms and answered one each 20 ms: the last waits for all before it.
    assert found.outcomes == {"200": 10}
    assert found.unanswered == 0
    assert max(found.latencies) > 0.1
    assert found.lags[-1] > 0.1
    assert min(found.latencies) >= 0.02


def test_the_load_ends_with_the_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.open_loop.DRAIN_SECONDS", 1.0)
    with SlowServer(wait=0.0) as slow:
        found = open_loop(slow.server, iter([b"GET"] * 3), rate=100, seconds=0.1, connections=1)

    assert (found.outcomes["200"], found.unanswered) == (3, 7)
