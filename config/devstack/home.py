"""The folder that holds a stack's state: its layout, its secrets, the locks of those who run it."""

import base64
import fcntl
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO

from config.devstack.keeper import LIVE_KEEPERS


class StackError(Exception):
    """The stack cannot start or go on; the message says why and what to do."""


class AlreadyRunningError(StackError):
    """Another manager is running in this home."""


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """Generated once per home. `encryption_key` is base64 of 32 bytes; the others are safe in a URL."""

    postgres: str
    redis_cache: str
    redis_state: str
    secret_key: str
    encryption_key: str


def new_secrets() -> Secrets:
    """Fresh random secrets."""
    return Secrets(
        postgres=secrets.token_hex(16),
        redis_cache=secrets.token_hex(16),
        redis_state=secrets.token_hex(16),
        secret_key=secrets.token_urlsafe(48),
        encryption_key=base64.b64encode(secrets.token_bytes(32)).decode(),
    )


@dataclass(frozen=True)
class Home:
    """Names every file of a home folder. Make one with `open_home`."""

    path: Path

    @property
    def run_dir(self) -> Path:
        """Pid files of the running processes, and the gate."""
        return self.path / "run"

    @property
    def logs(self) -> Path:
        """Server logs where no process runner shows them."""
        return self.path / "log"

    @property
    def lock(self) -> Path:
        """Locked by the manager while it lives."""
        return self.path / "lock"

    @property
    def gate(self) -> Path:
        """Exists once the database is migrated and loaded."""
        return self.run_dir / "migrated"

    @property
    def failure(self) -> Path:
        """Why the stack could not be readied, in words."""
        return self.run_dir / "failure"

    @property
    def ports(self) -> Path:
        """The ports of the last start, to be taken again."""
        return self.path / "ports.json"

    @property
    def stack_env(self) -> Path:
        """The settings environment of the running stack, for `manage.py` commands."""
        return self.path / "stack.env"

    @property
    def demo_env(self) -> Path:
        """What outside checks read; written last."""
        return self.path / "demo.env"

    def secrets(self) -> Secrets:
        """This home's secrets, made at the first call. Raises StackError for a damaged file."""
        file = self.path / "secrets.json"
        if not file.exists():
            write_private(file, json.dumps(asdict(new_secrets()), indent=1))
        try:
            kept = json.loads(file.read_text())
            return Secrets(**{field.name: kept[field.name] for field in fields(Secrets)})
        except (ValueError, KeyError, TypeError) as error:
            raise StackError(
                f"{file} is damaged ({error!r}); put it back, or remove the whole folder"
            ) from error

    def pid(self, name: str) -> int | None:
        """The pid of a running process of this stack, or None."""
        try:
            return int((self.run_dir / f"{name}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def hold_lock(self) -> IO[str]:
        """Takes the manager's lock until the returned file is closed or this process ends.

        A record lock: a kill -9 frees it and a forked child does not inherit it. Raises AlreadyRunningError.
        """
        file = self.lock.open("a+")
        # A keeper may hold it for a moment while it looks whether the manager is there.
        if not _lock_within(file, 1.0):
            file.seek(0)
            owner = file.read().strip() or "unknown"
            file.close()
            raise AlreadyRunningError(f"a stack is already running in {self.path} (process {owner})")
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        return file

    def await_last_keepers(self, timeout_s: float) -> None:
        """Returns when no keeper of an earlier start is left in this home. Raises AlreadyRunningError."""
        with (self.run_dir / LIVE_KEEPERS).open("a+") as file:
            if not _lock_within(file, timeout_s):
                raise AlreadyRunningError(f"processes of an earlier start are still running in {self.path}")

    def forget_processes(self) -> None:
        """Removes pid files and the gate that a kill -9 left behind."""
        for left in (self.gate, self.failure, *self.run_dir.glob("*.pid")):
            left.unlink(missing_ok=True)


def _lock_within(file: IO[str], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True


def open_home(path: Path) -> Home:
    """The home at `path`, made if it is missing, readable by its owner only."""
    home = Home(path.resolve())
    for folder in (home.path, home.run_dir, home.logs):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.path.chmod(0o700)
    return home


def write_private(file: Path, text: str) -> None:
    """Writes `text` to a 0600 file in one step: a reader sees the old content or the new, never a part."""
    temporary = file.with_name(file.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    temporary.replace(file)
