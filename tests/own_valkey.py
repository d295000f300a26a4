"""A Valkey server of a test's own, to be frozen and stopped at will."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from config.devstack import ports, servers
from config.devstack.home import open_home


@dataclass(kw_only=True)
class OwnValkey:
    server: servers.Server
    keeper: "subprocess.Popen[bytes]"
    pid_file: Path
    command_line: list[str]

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def pid(self) -> int:
        return int(self.pid_file.read_text())

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def start(self) -> None:
        self.keeper = subprocess.Popen(self.command_line, env=dict(self.server.env))
        self.server.wait_until_ready(self.url, 60.0)

    def stop(self) -> None:
        self.keeper.terminate()
        self.keeper.wait()


@contextmanager
def own_valkey(folder: Path, name: str = "state") -> Iterator[OwnValkey]:
    """Run an empty server. name: `state` (keeps everything) or `cache` (evicts)."""
    home = open_home(folder)
    (server,) = servers.prepare(home, ports.choose_ports([name], {}))
    orders = replace(server.orders(home), once=True)
    command_line = orders.command_line()
    keeper = subprocess.Popen(command_line, env=dict(server.env))
    server.wait_until_ready(server.url, 60.0)
    running = OwnValkey(server=server, keeper=keeper, pid_file=orders.pid_file, command_line=command_line)
    try:
        yield running
    finally:
        if running.keeper.poll() is None:
            running.thaw()
        running.stop()
