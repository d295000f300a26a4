"""The run manager of `make run`: prepares servers and ports, then runs every process under honcho."""

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from honcho import manager as honcho_manager
from honcho.printer import Message, Printer
from honcho.process import Process as HonchoProcess

from config.devstack import envfile, ports, servers, stack
from config.devstack.home import Home, StackError, open_home
from config.devstack.keeper import death_signal_setter

PARTS_WITH_PORTS = ("upstream", *servers.NAMES)
# Longer than the keepers' own grace for the processes and then for the servers.
STOP_SECONDS = 15
LAST_RUN_SECONDS = 20.0


class StackPrinter(Printer):  # type: ignore[misc]  # honcho is untyped
    """Prefixes every line with time and name, except the conductor's: its banner is there to be copied."""

    def write(self, message: Message) -> None:
        if message.type == "line" and message.name == stack.CONDUCTOR:
            print(message.data.decode("utf-8", "replace"), end="", file=self.output, flush=True)
        else:
            super().write(message)


class FollowingProcess(HonchoProcess):  # type: ignore[misc]  # honcho is untyped
    """honcho's process in the middle (it reads one keeper's output), ended with the manager."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._manager = os.getpid()

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        end_with_parent(self._manager, signal.SIGKILL)
        super().run(events, ignore_signals)


def run(home_path: Path, *, with_parent: bool) -> int:
    """Runs the stack of `home_path` in the foreground until it is stopped; returns the exit code.

    `with_parent`: also stop when the parent process (make) is gone. Raises StackError.
    """
    if with_parent:
        end_with_parent(os.getppid(), signal.SIGTERM)
    home = open_home(home_path)
    with home.hold_lock():
        home.demo_env.unlink(missing_ok=True)
        processes = _prepare(home)
        code = _loop(processes)
        if home.failure.exists():
            raise StackError(home.failure.read_text())
        return code


def end_with_parent(parent: int, number: signal.Signals) -> None:
    """Has this process signalled when its parent is gone: by the kernel on Linux, else by a watch."""
    death_signal_setter()(number)
    if not sys.platform.startswith("linux"):
        threading.Thread(target=_watch_parent, args=(parent, number), daemon=True).start()
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def _watch_parent(parent: int, number: signal.Signals) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), number)


def _prepare(home: Home) -> list[stack.Process]:
    home.await_last_keepers(LAST_RUN_SECONDS)
    home.forget_processes()
    embedded = stack.wanted_servers(os.environ)
    _check_given_servers(embedded)
    chosen = _choose_ports(home, embedded)
    prepared = _prepare_servers(home, {name: chosen[name] for name in embedded})
    settings = stack.settings_environment(home, prepared, chosen, os.environ)
    envfile.write(home.stack_env, settings)
    environment = stack.process_environment(settings)
    own = [stack.part_process(part, home, environment) for part in stack.parts(home, chosen)]
    others = [process.name for process in own] + [stack.CONDUCTOR]
    return [
        *(stack.server_process(server, home, others) for server in prepared),
        stack.conductor_process(home, embedded, environment),
        *own,
    ]


def _choose_ports(home: Home, embedded: list[str]) -> dict[str, int]:
    asked = os.environ.get("PORT")
    web = ports.choose_web_port(asked)
    if not asked and web != ports.DEFAULT_WEB_PORT:
        print(f"Port {ports.DEFAULT_WEB_PORT} is in use: taking {web} (set PORT to choose)", flush=True)
    remembered = ports.read_ports(home.ports)
    chosen = ports.choose_ports(("upstream", *embedded), remembered, taken={web})
    ports.write_ports(home.ports, remembered | chosen)
    return {"web": web, **chosen}


def _prepare_servers(home: Home, chosen: dict[str, int]) -> list[servers.Server]:
    print("Preparing the embedded servers ...", flush=True)
    started = time.monotonic()
    prepared = servers.prepare(home, chosen)
    for notice in (server.notice for server in prepared if server.notice):
        print(f"Note: {notice}", flush=True)
    print(f"Preparing the embedded servers: done in {time.monotonic() - started:.1f} s", flush=True)
    return prepared


def _check_given_servers(embedded: list[str]) -> None:
    """Refuses early, by its variable's name, a server of the user's that nothing answers for."""
    for name, variable in stack.SERVER_URLS.items():
        if name in embedded:
            continue
        parts = urlsplit(os.environ[variable])
        address = (parts.hostname or ports.LOOPBACK, parts.port or (5432 if name == "postgres" else 6379))
        try:
            socket.create_connection(address, timeout=3.0).close()
        except OSError as error:
            raise StackError(f"{variable}: nothing answers at {address[0]}:{address[1]} ({error})") from error
        print(f"Using the server of {variable} at {address[0]}:{address[1]}", flush=True)


def _loop(processes: list[stack.Process]) -> int:
    if sys.platform.startswith("linux"):
        # A fork server in between would be the parent that the processes follow, instead of the manager.
        multiprocessing.set_start_method("fork")
    honcho_manager.KILL_WAIT = STOP_SECONDS
    manager = honcho_manager.Manager(StackPrinter(sys.stdout))
    manager._process_ctor = FollowingProcess
    for process in processes:
        manager.add_process(process.name, process.command, env=dict(process.env), cwd=str(stack.PROJECT))
    manager.loop()
    return int(manager.returncode or 0)
