"""Looks at processes from outside: who lives, who is gone."""

import os
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import psutil

Found = TypeVar("Found")
PATIENCE_S = 180.0


def eventually(look: Callable[[], Found | None]) -> Found:
    """What `look` returns, as soon as that is true; fails the test if it never is."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < deadline, f"{look} never came true"
        time.sleep(0.02)
    return found


def lives(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def all_are_gone(pids: Iterable[int]) -> bool:
    """Waits until none of the processes runs any more."""
    waited = list(pids)
    return eventually(lambda: not any(map(lives, waited)))


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def end(pid: int, number: int) -> None:
    """Sends a signal to a process that this test started, if it is still there."""
    if lives(pid):
        os.kill(pid, number)
