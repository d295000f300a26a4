"""Readies a stack whose processes are starting.

Migrates, loads the demo tenants, opens the gate, waits until web and the embedding worker answer, then prints
the banner and writes demo.env, which it keeps true.
"""

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from config.devstack import envfile, postgres, valkey
from config.devstack.home import Home, StackError
from config.devstack.ports import LOOPBACK
from config.devstack.stack import PROJECT, SERVER_URLS

SERVER_WAIT_S = 60.0
WEB_WAIT_S = 120.0
START_WAIT_S = 30.0
# A larger model than the packaged one may be on its way from a hub.
MODEL_WAIT_S = 1800.0
PING_TURN_S = 20
LOOK_S = 0.5
PID_VARIABLES = {
    "HALFPENNY_WEB_PIDS": "web",
    "HALFPENNY_WORKER_PIDS": "worker",
    "HALFPENNY_INGEST_PIDS": "ingest",
}


@dataclass(frozen=True, kw_only=True)
class Demo:
    """What `demo_load` made. `providers`: those added because their keys are in the environment."""

    key: str
    key_other: str
    admin_user: str
    admin_password: str
    providers: tuple[str, ...] = ()


def read_demo(output: str) -> Demo:
    """The answer of `demo_load --json`. Raises StackError if it isn't one."""
    try:
        made = json.loads(output)
        return Demo(
            key=made["key"],
            key_other=made["key_other"],
            admin_user=made["admin_user"],
            admin_password=made["admin_password"],
            providers=tuple(made.get("providers", ())),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StackError(f"demo_load did not answer as agreed: {error!r}") from error


def conduct(home: Home, embedded: list[str]) -> None:
    """Readies the stack of `home`, then watches it for ever.

    Raises StackError if a step fails, and leaves its words for the run manager, who speaks last.
    """
    try:
        values = make_ready(home, embedded)
    except StackError as error:
        home.failure.write_text(str(error))
        raise
    watch(home, values)


def make_ready(home: Home, embedded: list[str]) -> dict[str, str]:
    """Readies the stack; returns the lasting variables of demo.env. Raises StackError if a step fails."""
    started = time.monotonic()
    with step("Waiting for Postgres and Valkey"):
        wait_for_servers(embedded)
    with step("Migrating the database"):
        manage("migrate", "--noinput", "--verbosity", "0")
    with step("Loading the demo tenants"):
        demo = read_demo(manage("demo_load", "--json"))
    home.gate.touch()
    port = int(os.environ["PORT"])
    # Asked while web starts: the command itself takes a second or two to load.
    first_asking = ask_worker()
    with step("Waiting for web"):
        wait_for(lambda: web_is_ready(port), WEB_WAIT_S, "web did not become ready; see its lines above")
    with step("Waiting for the embedding worker (it loads its model)"):
        if not has_answered(first_asking):
            wait_for(
                lambda: has_answered(ask_worker()),
                MODEL_WAIT_S,
                "the embedding worker did not answer; see its lines above",
            )
    wait_for(
        lambda: all(pid_values(home).values()), START_WAIT_S, "a process is not there; see its lines above"
    )
    values = demo_values(demo, os.environ)
    envfile.write(home.demo_env, {**values, **pid_values(home)})
    print(banner(demo, values["HALFPENNY_URL"], time.monotonic() - started), flush=True)
    return values


def wait_for_servers(embedded: list[str]) -> None:
    """Returns when each embedded server answers. Raises StackError."""
    for name in embedded:
        wait = postgres.wait_until_ready if name == "postgres" else valkey.wait_until_ready
        wait(os.environ[SERVER_URLS[name]], SERVER_WAIT_S)


def manage(*arguments: str) -> str:
    """Runs a `manage.py` command and returns its standard output. Raises StackError if it fails."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        print(done.stdout, end="", flush=True)
        raise StackError(
            f"manage.py {arguments[0]} failed (exit code {done.returncode}); see its lines above"
        )
    return done.stdout


def web_is_ready(port: int) -> bool:
    """Whether /readyz of web answers 200 now."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2.0)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def ask_worker() -> "subprocess.Popen[bytes]":
    """Begins to ask the embedding worker for a vector; it is given `PING_TURN_S` to answer."""
    line = [sys.executable, "manage.py", "embedding_ping", "--timeout", str(PING_TURN_S)]
    return subprocess.Popen(line, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def has_answered(asking: "subprocess.Popen[bytes]") -> bool:
    """Whether the worker gave a vector; returns when the asking is over, which is ended if it hangs."""
    try:
        return asking.wait(2 * PING_TURN_S) == 0
    except subprocess.TimeoutExpired:
        asking.kill()
        asking.wait()
        return False


def wait_for(done: Callable[[], bool], timeout_s: float, failure: str) -> None:
    """Returns when `done()`; raises StackError(failure) after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > deadline:
            raise StackError(f"{failure} ({timeout_s:g} s)")
        time.sleep(0.2)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Shows that a step began, every 10 s that it goes on, and how many seconds it took."""
    started = time.monotonic()
    ended = threading.Event()
    print(f"{name} ...", flush=True)

    def remind() -> None:
        while not ended.wait(10.0):
            print(f"{name}: {time.monotonic() - started:.0f} s so far", flush=True)

    threading.Thread(target=remind, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
    print(f"{name}: done in {time.monotonic() - started:.1f} s", flush=True)


def demo_values(demo: Demo, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of demo.env that stay the same while the stack runs."""
    return {
        "HALFPENNY_URL": f"http://{LOOPBACK}:{environment['PORT']}",
        "HALFPENNY_KEY": demo.key,
        "HALFPENNY_KEY_OTHER": demo.key_other,
        "HALFPENNY_ADMIN_USER": demo.admin_user,
        "HALFPENNY_ADMIN_PASSWORD": demo.admin_password,
        "HALFPENNY_DATABASE_URL": environment["DATABASE_URL"],
        "HALFPENNY_REDIS_CACHE_URL": environment["REDIS_CACHE_URL"],
        "HALFPENNY_REDIS_STATE_URL": environment["REDIS_STATE_URL"],
        "HALFPENNY_UPSTREAM_URL": environment["DEMO_UPSTREAM_URL"],
    }


def pid_values(home: Home) -> dict[str, str]:
    """The variables of demo.env that change when a process is started again: pids, space-separated."""
    return {variable: str(home.pid(name) or "") for variable, name in PID_VARIABLES.items()}


def watch(home: Home, values: Mapping[str, str]) -> None:
    """Rewrites demo.env whenever a process has a new pid; never returns."""
    written = pid_values(home)
    while True:
        time.sleep(LOOK_S)
        now = pid_values(home)
        if now != written:
            envfile.write(home.demo_env, {**values, **now})
            written = now


def banner(demo: Demo, url: str, seconds: float) -> str:
    """What a newcomer sees when the stack is ready: where it is, whose keys, what to try."""
    questions = (
        ("asks the upstream", "What is the capital of France?"),
        ("the same again: from Redis", "What is the capital of France?"),
        ("in other words: from pgvector", "Which city is the capital of France?"),
    )
    tries = "".join(f"\n  # {what}\n  {curl(demo.key, url, question)}\n" for what, question in questions)
    added = (
        f"  providers     {', '.join(demo.providers)} (keys found in the environment)\n"
        if demo.providers
        else ""
    )
    rule = "=" * 78
    return (
        f"\n{rule}\n  Halfpenny is ready after {seconds:.1f} s: {url}\n\n"
        f"  key of acme   {demo.key}\n  key of globex {demo.key_other}\n"
        f"  admin         {url}/admin/  {demo.admin_user}  {demo.admin_password}\n{added}"
        f"\nTry:\n{tries}\n  Ctrl-C stops everything; the state stays.\n{rule}\n"
    )


def curl(key: str, url: str, question: str) -> str:
    """A command line that asks one question."""
    headers = (f"Authorization: Bearer {key}", "Content-Type: application/json")
    body = json.dumps({"prompt": question})
    return " ".join(
        [
            "curl -s",
            f"{url}/chat",
            *(f"-H {envfile.quote(header)}" for header in headers),
            "-d",
            envfile.quote(body),
        ]
    )
