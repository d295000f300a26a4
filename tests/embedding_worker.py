"""A real embedding worker for tests: started when it is first asked for, shared by all tests of a run."""

import atexit
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

from config.devstack.keeper import Orders

_START_SECONDS = 180.0


@dataclass(frozen=True, kw_only=True)
class EmbeddingWorker:
    """The worker's process; `keeper` ends it when the tests are gone."""

    keeper: subprocess.Popen[bytes]
    pid_file: Path
    log: Path

    @property
    def pid(self) -> int:
        return int(self.pid_file.read_text())

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        self.keeper.terminate()
        self.keeper.wait()

    def wait_for_log(self, words: str) -> str:
        deadline = time.monotonic() + _START_SECONDS
        while words not in (written := self.log.read_text()):
            if time.monotonic() > deadline or self.keeper.poll() is not None:
                raise AssertionError(f"the worker never wrote {words!r}:\n{written[-3000:]}")
            time.sleep(0.1)
        return written


def start_worker(name: str, *, pool: str = "solo", broker_url: str | None = None) -> EmbeddingWorker:
    """Start a worker and wait until its model is loaded. broker_url: None takes the one of the settings."""
    folder = Path(settings.HALFPENNY_HOME) / name
    folder.mkdir()
    orders = Orders(
        name=name,
        run_dir=folder,
        argv=(
            *(sys.executable, "-m", "celery", "-A", "config", "--skip-checks", "worker"),
            *("-Q", "embeddings"),
            *("--pool", pool, "-c", "1", "-n", f"{name}@%h", "-l", "INFO"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ),
        once=True,
    )
    log = folder / "log"
    with log.open("wb") as output:
        keeper = subprocess.Popen(
            orders.command_line(),
            env={**os.environ, "PYTHONUNBUFFERED": "1"}
            | ({"CELERY_BROKER_URL": broker_url} if broker_url else {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    worker = EmbeddingWorker(keeper=keeper, pid_file=orders.pid_file, log=log)
    atexit.register(worker.stop)
    worker.wait_for_log("embedding worker ready")
    return worker


@cache
def shared_worker() -> EmbeddingWorker:
    return start_worker("shared-worker")
