"""What `make run` starts: the settings environment of a stack and its processes, as values."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from config.devstack.home import Home
from config.devstack.keeper import Orders
from config.devstack.ports import LOOPBACK
from config.devstack.servers import Server

PROJECT = Path(__file__).resolve().parents[2]
CONDUCTOR = "stack"
BACKGROUND_NICE = 10
SERVER_URLS = {"postgres": "DATABASE_URL", "cache": "REDIS_CACHE_URL", "state": "REDIS_STATE_URL"}
# Set by a user these reach stack.env as they are, so that `manage.py` commands use the same ones.
PASSED_ON = ("HALFPENNY_SECRET_KEY", "HALFPENNY_ENCRYPTION_KEY", "CELERY_BROKER_URL", "CHANNELS_REDIS_URL")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process of our own: its arguments after the interpreter's, and how it is run.

    `background`: nice 10. `gated`: starts only once the database is migrated and loaded.
    """

    name: str
    arguments: tuple[str, ...]
    background: bool = True
    gated: bool = True
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process for the runner: its name (the prefix of its lines), a shell command line, the environment."""

    name: str
    command: str
    env: Mapping[str, str]


def wanted_servers(environment: Mapping[str, str]) -> list[str]:
    """The servers to embed: those whose URL the user did not set."""
    return [name for name, variable in SERVER_URLS.items() if not environment.get(variable)]


def settings_environment(
    home: Home, servers: Sequence[Server], ports: Mapping[str, int], environment: Mapping[str, str]
) -> dict[str, str]:
    """The variables that settings read in this stack; `environment` supplies what is not embedded."""
    secrets = home.secrets()
    urls = {SERVER_URLS[server.name]: server.url for server in servers}
    return {
        "HALFPENNY_ENV": "development",
        "HALFPENNY_HOME": str(home.path),
        "HALFPENNY_SECRET_KEY": secrets.secret_key,
        "HALFPENNY_ENCRYPTION_KEY": secrets.encryption_key,
        **{name: environment[name] for name in PASSED_ON if environment.get(name)},
        **{name: urls.get(name) or environment[name] for name in SERVER_URLS.values()},
        "DEMO_UPSTREAM_URL": f"http://{LOOPBACK}:{ports['upstream']}/v1",
        "PORT": str(ports["web"]),
    }


def parts(home: Home, ports: Mapping[str, int]) -> list[Part]:
    """Our own processes, in the order of their start."""
    celery = ("-m", "celery", "-A", "config")
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING")
    # Calls in flight end by themselves before the keeper loses its patience.
    address = ("--host", LOOPBACK, "--port", str(ports["web"]), "--drain-seconds", "3")
    schedule = str(home.path / "beat-schedule")
    return [
        Part(
            name="upstream", arguments=("-m", "gateway.demo", "--port", str(ports["upstream"])), gated=False
        ),
        Part(
            name="worker",
            arguments=(
                *celery,
                "worker",
                "-Q",
                "embeddings",
                "--pool",
                "solo",
                "-n",
                "embeddings@%h",
                *quiet,
            ),
            background=False,
            # Loading the model takes longest of all and needs no database.
            gated=False,
        ),
        Part(name="web", arguments=("-m", "config.server", *address), background=False),
        Part(name="ingest", arguments=("manage.py", "ingest")),
        Part(
            name="housekeeping",
            arguments=(
                *(*celery, "worker", "-Q", "housekeeping", "--pool", "prefork", "-c", "1"),
                *("-n", "housekeeping@%h", *quiet),
            ),
        ),
        Part(name="beat", arguments=(*celery, "beat", "-s", schedule, "--pidfile=", "-l", "WARNING")),
    ]


def part_process(part: Part, home: Home, environment: Mapping[str, str]) -> Process:
    """The runner's process that keeps one of our own parts."""
    orders = Orders(
        name=part.name,
        run_dir=home.run_dir,
        argv=(sys.executable, *part.arguments),
        lock=home.lock,
        gate=home.gate if part.gated else None,
        nice=BACKGROUND_NICE if part.background else 0,
    )
    return Process(name=part.name, command=shell_line(orders), env={**environment, **part.env})


def server_process(server: Server, home: Home, others: Sequence[str]) -> Process:
    """The runner's process that keeps an embedded server, which stops after all `others`."""
    orders = replace(server.orders(home), lock=home.lock, after=tuple(others), grace_s=3.0)
    return Process(name=server.name, command=shell_line(orders), env=server.env)


def conductor_process(home: Home, embedded: Sequence[str], environment: Mapping[str, str]) -> Process:
    """The runner's process that readies the stack; its failure ends all, hence it is kept only once."""
    arguments = ("-m", "config.devstack", "conduct", "--embedded", ",".join(embedded))
    argv = (sys.executable, *arguments)
    orders = Orders(name=CONDUCTOR, run_dir=home.run_dir, argv=argv, lock=home.lock, once=True)
    return Process(name=CONDUCTOR, command=shell_line(orders), env=environment)


def process_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment with the stack's settings; log lines leave each process at once."""
    return {**os.environ, **settings, "PYTHONUNBUFFERED": "1"}


def shell_line(orders: Orders) -> str:
    """The runner starts commands through a shell; `exec` makes the keeper take the shell's place."""
    return "exec " + shlex.join(orders.command_line())
