"""Keepers around trivial children: what they restart, and that nothing outlives them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.devstack.home import AlreadyRunningError, Home, open_home
from config.devstack.keeper import Orders
from tests.integration.devstack.processes import all_are_gone, end, eventually, family, lives

SLEEP = (sys.executable, "-S", "-c", "import time; time.sleep(600)")
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""
WITH_CHILD = """
import subprocess, sys
subprocess.run([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
"""
# Starts the keeper whose command line it is given, while holding the lock of the first argument.
MANAGER = """
import fcntl, subprocess, sys, time
file = open(sys.argv[1], "a")
fcntl.lockf(file, fcntl.LOCK_EX)
print(subprocess.Popen(sys.argv[2:]).pid, flush=True)
time.sleep(600)
"""

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return open_home(tmp_path / "a home")


@pytest.fixture
def start(home: Home) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def keep(*argv: str, **orders: object) -> "subprocess.Popen[bytes]":
        line = Orders(name="thing", run_dir=home.run_dir, argv=argv, **orders).command_line()  # type: ignore[arg-type]
        process = subprocess.Popen(line, stdout=subprocess.PIPE)
        started.append(process)
        return process

    yield keep
    for process in started:
        process.terminate()
        if process.stdout and not process.stdout.closed:
            process.communicate()


def pid_of_thing(home: Home) -> int:
    return eventually(lambda: home.pid("thing"))


def test_a_killed_child_is_started_again_under_a_new_pid(home: Home, start: Start) -> None:
    keeper = start(*SLEEP)
    first = pid_of_thing(home)
    os.kill(first, signal.SIGKILL)
    second = eventually(lambda: home.pid("thing") if home.pid("thing") != first else None)
    assert lives(second)
    assert keeper.poll() is None


def test_a_keeper_told_to_stop_ends_its_child_and_removes_the_pid_file(home: Home, start: Start) -> None:
    keeper = start(*SLEEP)
    child = pid_of_thing(home)
    keeper.terminate()
    assert keeper.wait() == 0
    assert not lives(child)
    assert home.pid("thing") is None


def test_a_child_that_ignores_the_signal_is_killed_after_its_grace(home: Home, start: Start) -> None:
    keeper = start(sys.executable, "-c", STUBBORN, grace_s=0.2)
    child = pid_of_thing(home)
    assert keeper.stdout is not None
    assert keeper.stdout.readline() == b"up\n"
    keeper.terminate()
    assert b"killing it" in keeper.communicate()[0]
    assert not lives(child)


def test_a_frozen_child_is_killed_too(home: Home, start: Start) -> None:
    keeper = start(*SLEEP, grace_s=0.2)
    child = pid_of_thing(home)
    os.kill(child, signal.SIGSTOP)
    keeper.terminate()
    keeper.communicate()
    assert not lives(child)


def test_grandchildren_of_a_killed_child_do_not_stay(home: Home, start: Start) -> None:
    start(sys.executable, "-c", WITH_CHILD)
    child = pid_of_thing(home)
    grandchild = eventually(lambda: family(child)[1:])[0]
    os.kill(child, signal.SIGKILL)
    assert all_are_gone([grandchild])


def test_a_child_waits_for_the_gate(home: Home, start: Start) -> None:
    keeper = start("true", gate=home.gate, once=True)
    with pytest.raises(subprocess.TimeoutExpired):
        keeper.wait(0.5)
    assert home.pid("thing") is None
    home.gate.touch()
    assert keeper.wait() == 0


def test_a_keeper_stops_while_it_waits_for_the_gate(home: Home, start: Start) -> None:
    keeper = start("true", gate=home.gate)
    keeper.terminate()
    assert keeper.wait() in (0, -signal.SIGTERM)
    assert home.pid("thing") is None


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -9 $$", 137)])
def test_a_child_kept_once_gives_its_exit_code_to_the_keeper(start: Start, script: str, code: int) -> None:
    assert start("sh", "-c", script, once=True).wait() == code


def test_a_child_is_stopped_only_when_those_before_it_are_gone(home: Home, start: Start) -> None:
    other = home.run_dir / "other.pid"
    other.write_text("1\n")
    keeper = start(*SLEEP, after=("other",), after_s=60.0)
    child = pid_of_thing(home)
    keeper.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        keeper.wait(0.5)
    assert lives(child)
    other.unlink()
    assert keeper.wait() == 0
    assert not lives(child)


def test_a_background_child_is_nice(home: Home, start: Start) -> None:
    start(*SLEEP, nice=10)
    child = pid_of_thing(home)
    assert os.getpriority(os.PRIO_PROCESS, child) == os.getpriority(os.PRIO_PROCESS, 0) + 10


def managed_keeper(home: Home, lock: Path | None) -> tuple["subprocess.Popen[bytes]", int]:
    orders = Orders(name="thing", run_dir=home.run_dir, argv=SLEEP, lock=lock)
    line = [sys.executable, "-c", MANAGER, str(home.lock), *orders.command_line()]
    manager = subprocess.Popen(line, stdout=subprocess.PIPE)
    assert manager.stdout is not None
    return manager, int(manager.stdout.readline())


@pytest.mark.parametrize("locked", [True, False], ids=["by its lock", "by its pid"])
def test_a_kill_of_the_manager_ends_keeper_and_child(home: Home, locked: bool) -> None:
    manager, keeper = managed_keeper(home, home.lock if locked else None)
    child = pid_of_thing(home)
    manager.kill()
    manager.communicate()
    assert all_are_gone([keeper, child])


def test_a_kill_of_the_keeper_ends_the_child_on_linux_at_once(home: Home) -> None:
    manager, keeper = managed_keeper(home, home.lock)
    child = pid_of_thing(home)
    os.kill(keeper, signal.SIGKILL)
    if sys.platform.startswith("linux"):
        assert all_are_gone([child])
    else:
        end(child, signal.SIGKILL)
    manager.kill()
    manager.communicate()


def test_a_new_start_waits_for_the_keepers_of_the_last(home: Home, start: Start) -> None:
    keeper = start(*SLEEP)
    pid_of_thing(home)
    with pytest.raises(AlreadyRunningError, match="earlier start"):
        home.await_last_keepers(0.1)
    keeper.terminate()
    home.await_last_keepers(30.0)
    assert keeper.wait() == 0
