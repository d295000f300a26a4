"""One keeper stands over each process of the development stack, and nothing outlives it.

It starts its child (after a gate, if there is one), starts it again when it dies unexpectedly, writes the child's
real pid to `<run-dir>/<name>.pid`, and ends it when asked to, when its own parent is gone, or when the run manager
no longer holds its lock. A standard-library script without imports from the project, so that it starts in a few
milliseconds: `python -I -S keeper.py --name web --run-dir DIR -- COMMAND ...`.
"""

import argparse
import ctypes
import errno
import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
SETTLED_S = 10.0
LOOK_S = 0.25
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What a keeper was told. Paths are absolute; times are in seconds.

    `gate`: a file that must exist before the first start. `lock`: the file whose lock the run manager holds while it
    lives. `after`: names whose pid files must be gone before the child is stopped (servers stop last).
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
        line += [
            "--stop-signal",
            self.stop_signal.name,
            "--grace",
            str(self.grace_s),
            "--nice",
            str(self.nice),
        ]
        line += ["--after", ",".join(self.after), "--after-s", str(self.after_s)]
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
    """Seconds to wait before the next start: doubling from 0.5 to 5, from the beginning after a settled life."""
    if lived_s >= SETTLED_S or last_pause_s == 0:
        return FIRST_PAUSE_S
    return min(last_pause_s * 2, LONGEST_PAUSE_S)


def death_signal_setter() -> Callable[[signal.Signals], None]:
    """A function that asks the kernel to signal the calling process when its parent dies; does nothing off Linux.

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


def say(text: str) -> None:
    """One line for the log. A log whose reader is gone must not stop a keeper from ending its child."""
    try:
        print(text, flush=True)
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115


class Keeper:
    """Runs one set of orders to its end."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.child: subprocess.Popen[bytes] | None = None
        self.stopping = False
        self._parent = os.getppid()
        self._set_death_signal = death_signal_setter()
        self._wake_reader, self._wake_writer = os.pipe()

    def run(self) -> int:
        """Keeps the child running; returns the keeper's exit code once the child is gone for good."""
        self._listen()
        self._wait(lambda: self.orders.gate is None or self.orders.gate.exists())
        code = self._keep()
        self._stop_child()
        self.orders.pid_file.unlink(missing_ok=True)
        return 0 if self.stopping else code

    def _keep(self) -> int:
        pause = 0.0
        while not self.stopping:
            started = time.monotonic()
            child = self._start_child()
            self._wait(lambda: child.poll() is not None)
            if self.stopping:
                break
            self._end_group(child)
            if self.orders.once:
                return exit_code(child.returncode)
            pause = pause_after(time.monotonic() - started, pause)
            say(
                f"{self.orders.name} ended ({describe_exit(child.returncode)}); starting it again in {pause:g} s"
            )
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

    def _start_child(self) -> subprocess.Popen[bytes]:
        user = self.orders.user
        # The group of its own lets `_end_group` reach grandchildren (pool workers) that a SIGKILL left behind.
        self.child = subprocess.Popen(
            self.orders.argv,
            start_new_session=True,
            preexec_fn=self._prepare_child,
            user=user,
            group=None if user is None else primary_group(user),
            extra_groups=None if user is None else [],
        )
        temporary = self.orders.pid_file.with_suffix(".pid.new")
        temporary.write_text(f"{self.child.pid}\n")
        temporary.replace(self.orders.pid_file)
        return self.child

    def _prepare_child(self) -> None:
        # Set after a change of user, which clears it.
        self._set_death_signal(self.orders.stop_signal)
        if self.orders.nice:
            os.nice(self.orders.nice)

    def _wait(self, done: Callable[[], bool]) -> None:
        """Returns when `done()` or when it is time to stop; looks at once after a signal, else every 0.25 s."""
        while not self.stopping and not done():
            select.select([self._wake_reader], [], [], LOOK_S)
            self._drain_wakeups()
            self.stopping = self.stopping or self._is_orphaned()

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self._wait(lambda: time.monotonic() >= end)

    def _drain_wakeups(self) -> None:
        try:
            os.read(self._wake_reader, 1024)
        except BlockingIOError:
            return

    def _is_orphaned(self) -> bool:
        return os.getppid() != self._parent or (
            self.orders.lock is not None and lock_is_free(self.orders.lock)
        )

    def _stop_child(self) -> None:
        child = self.child
        if child is None or child.poll() is not None:
            return
        self._wait_for_others(time.monotonic() + self.orders.after_s)
        child.send_signal(self.orders.stop_signal)
        try:
            child.wait(self.orders.grace_s)
        except subprocess.TimeoutExpired:
            say(f"{self.orders.name} did not stop within {self.orders.grace_s:g} s; killing it")
        self._end_group(child)

    def _wait_for_others(self, deadline: float) -> None:
        others = [self.orders.run_dir / f"{name}.pid" for name in self.orders.after]
        while time.monotonic() < deadline and any(other.exists() for other in others):
            time.sleep(0.05)

    def _end_group(self, child: subprocess.Popen[bytes]) -> None:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            # Nobody is left in the group; macOS says "not permitted" of a group of zombies.
            pass
        child.wait()


def primary_group(user: str) -> int:
    """The id of the user's primary group."""
    import pwd

    return pwd.getpwnam(user).pw_gid


def describe_exit(code: int) -> str:
    """An exit status in words: "exit code 1", "SIGKILL"."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def exit_code(code: int) -> int:
    """The shell's convention for a child that a signal ended: 128 + signal number."""
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(Keeper(read_orders(sys.argv[1:])).run())
