"""One keeper stands over each process of the development stack, and nothing outlives it.

It starts its child (after a gate, if there is one), starts it again when it dies unexpectedly, writes the
child's real pid to `<run-dir>/<name>.pid`, and ends it when asked to, when its own parent is gone, or when
the run manager no longer holds its lock. A standard-library script without imports from the project, so that
it starts in a few milliseconds: `python -I -S keeper.py --name web --run-dir DIR -- COMMAND ...`.
"""

import argparse
import contextlib
import ctypes
import errno
import fcntl
import os
import pwd
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
SETTLED_S = 10.0
LOOK_S = 0.25
PR_SET_PDEATHSIG = 1
LIVE_KEEPERS = "keepers.lock"


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What a keeper was told. Paths are absolute; times are in seconds.

    `gate`: a file that must exist before the first start. `lock`: the file whose lock the run manager holds
    while it lives. `after`: names whose pid files must be gone, for at most `after_s`, before the child is
    stopped (servers stop last). `once`: the child is not started again, and its exit code is the keeper's.
    """

    name: str
    run_dir: Path
    argv: tuple[str, ...]
    once: bool = False
    lock: Path | None = None
    gate: Path | None = None
    after: tuple[str, ...] = ()
    after_s: float = 5.0
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 4.0
    nice: int = 0
    user: str | None = None

    @property
    def pid_file(self) -> Path:
        """Where the child's pid is written."""
        return self.run_dir / f"{self.name}.pid"

    def command_line(self) -> list[str]:
        """The argv that starts a keeper with these orders."""
        line = [sys.executable, "-I", "-S", __file__, "--name", self.name, "--run-dir", str(self.run_dir)]
        line += ["--stop-signal", self.stop_signal.name, "--grace", str(self.grace_s)]
        line += ["--nice", str(self.nice), "--after", ",".join(self.after), "--after-s", str(self.after_s)]
        for flag, value in (("--lock", self.lock), ("--gate", self.gate), ("--user", self.user)):
            line += [flag, str(value)] if value is not None else []
        return [*line, *(["--once"] if self.once else []), "--", *self.argv]


def read_orders(arguments: list[str]) -> Orders:
    """Orders from a command line as `Orders.command_line` writes it, without the interpreter's part."""
    parser = argparse.ArgumentParser(prog="keeper", description="Keeps one process of the stack running.")
    parser.add_argument("--name", required=True)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--once", action="store_true", help="do not start the process again when it dies")
    parser.add_argument("--lock", type=Path)
    parser.add_argument("--gate", type=Path)
    parser.add_argument("--after", default="")
    parser.add_argument("--after-s", type=float, default=5.0)
    parser.add_argument("--stop-signal", type=lambda name: signal.Signals[name], default=signal.SIGTERM)
    parser.add_argument("--grace", dest="grace_s", type=float, default=4.0)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--user")
    parser.add_argument("argv", nargs="+")
    values = vars(parser.parse_args(arguments))
    after = tuple(name for name in values.pop("after").split(",") if name)
    return Orders(after=after, argv=tuple(values.pop("argv")), **values)


def pause_after(lived_s: float, last_pause_s: float) -> float:
    """Seconds to wait before the next start: doubling from 0.5 to 5, anew after a settled life."""
    if lived_s >= SETTLED_S or last_pause_s == 0:
        return FIRST_PAUSE_S
    return min(last_pause_s * 2, LONGEST_PAUSE_S)


def death_signal_setter() -> Callable[[signal.Signals], None]:
    """A function that asks the kernel to signal the calling process when its parent dies (Linux only).

    Looked up before any fork: a forked child should not load libraries.
    """
    if not sys.platform.startswith("linux"):
        return lambda _: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda number: prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def lock_is_free(path: Path) -> bool:
    """Whether no living process holds the record lock on `path`; a missing file is free."""
    try:
        with path.open("rb") as file:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return False
        raise
    return True


def describe_exit(code: int) -> str:
    """An exit status in words: "exit code 1", "SIGKILL"."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def primary_group(user: str) -> int:
    """The id of the user's primary group."""
    return pwd.getpwnam(user).pw_gid


def say(text: str) -> None:
    """One line for the log; lost when the log's reader is gone, which must not keep a child alive."""
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), f"{text}\n".encode())


class Keeper:
    """Carries out one set of orders."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.stopping = False
        self._parent = os.getppid()
        self._set_death_signal = death_signal_setter()
        self._wake_reader, self._wake_writer = os.pipe()

    def run(self) -> int:
        """Keeps the child running until told to stop; returns the keeper's exit code."""
        self._listen()
        with self._join_live_keepers():
            self._wait(lambda: self.orders.gate is None or self.orders.gate.exists())
            code = self._keep()
            self.orders.pid_file.unlink(missing_ok=True)
        return code

    def _keep(self) -> int:
        pause = 0.0
        while not self.stopping:
            started = time.monotonic()
            child = self._start_child()
            if not self._wait(self._has_ended(child)):
                self._stop_child(child)
                break
            self._end_group(child)
            if self.orders.once:
                return 128 - child.returncode if child.returncode < 0 else child.returncode
            pause = pause_after(time.monotonic() - started, pause)
            say(f"{self.orders.name} ended ({describe_exit(child.returncode)}); next start in {pause:g} s")
            self._pause(pause)
        return 0

    def _listen(self) -> None:
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_stop)
        self._set_death_signal(signal.SIGTERM)

    def _on_stop(self, *_: object) -> None:
        self.stopping = True

    def _join_live_keepers(self) -> IO[bytes]:
        """Holds a shared lock while this keeper lives: a new start waits until the last run's are gone."""
        file = (self.orders.run_dir / LIVE_KEEPERS).open("a+b")
        fcntl.lockf(file, fcntl.LOCK_SH)
        return file

    def _start_child(self) -> subprocess.Popen[bytes]:
        user = self.orders.user
        child = subprocess.Popen(
            self.orders.argv,
            # A group of its own lets `_end_group` reach grandchildren (pool workers) left by a SIGKILL.
            start_new_session=True,
            preexec_fn=self._prepare_child,  # noqa: PLW1509 (a keeper has one thread)
            user=user,
            group=None if user is None else primary_group(user),
            extra_groups=None if user is None else [],
        )
        unfinished = self.orders.pid_file.with_suffix(".new")
        unfinished.write_text(f"{child.pid}\n")
        unfinished.replace(self.orders.pid_file)
        return child

    def _prepare_child(self) -> None:
        # Set after the change of user, which would clear it.
        self._set_death_signal(self.orders.stop_signal)
        if self.orders.nice:
            os.nice(self.orders.nice)

    def _has_ended(self, child: subprocess.Popen[bytes]) -> Callable[[], bool]:
        return lambda: child.poll() is not None

    def _wait(self, done: Callable[[], bool]) -> bool:
        """Waits until `done()`, looking after every signal, else every 0.25 s; False: it is time to stop."""
        while not self.stopping and not done():
            select.select([self._wake_reader], [], [], LOOK_S)
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_reader, 1024)
            self.stopping = self.stopping or self._is_orphaned()
        return not self.stopping

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self._wait(lambda: time.monotonic() >= end)

    def _is_orphaned(self) -> bool:
        manager_is_gone = self.orders.lock is not None and lock_is_free(self.orders.lock)
        return manager_is_gone or os.getppid() != self._parent

    def _stop_child(self, child: subprocess.Popen[bytes]) -> None:
        self._wait_for_others(time.monotonic() + self.orders.after_s)
        child.send_signal(self.orders.stop_signal)
        try:
            child.wait(self.orders.grace_s)
        except subprocess.TimeoutExpired:
            say(f"{self.orders.name} did not stop within {self.orders.grace_s:g} s: killing it")
        self._end_group(child)

    def _wait_for_others(self, deadline: float) -> None:
        others = [self.orders.run_dir / f"{name}.pid" for name in self.orders.after]
        while time.monotonic() < deadline and any(other.exists() for other in others):
            time.sleep(0.05)

    def _end_group(self, child: subprocess.Popen[bytes]) -> None:
        # Nobody may be left in the group; macOS says "not permitted" of a group of zombies.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


if __name__ == "__main__":
    sys.exit(Keeper(read_orders(sys.argv[1:])).run())
