"""`make run` as a whole, on a stand-in project: ready, chaos, kill -9, a second start."""

import os
import shlex
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.devstack import servers
from config.devstack.ports import find_free
from tests.integration.devstack import stand_in
from tests.integration.devstack.processes import all_are_gone, eventually, family

Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stand_in.build(tmp_path_factory.mktemp("a project"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "a home"


@pytest.fixture
def run(project: Path, home: Path) -> Iterator[Run]:
    started: list[subprocess.Popen[str]] = []
    # Where hangups are ignored (nohup), children would ignore them too.
    ignored = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    removed = ("DATABASE_URL", "REDIS_CACHE_URL", "REDIS_STATE_URL")
    clean = {name: value for name, value in os.environ.items() if name not in removed}

    def start(**environment: str) -> "subprocess.Popen[str]":
        env = {**clean, "HALFPENNY_HOME": str(home), "PORT": str(find_free()), **environment}
        process = subprocess.Popen(
            stand_in.run_command(),
            cwd=project,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    signal.signal(signal.SIGHUP, ignored)
    for process in started:
        process.terminate()
        if process.stdout and not process.stdout.closed:
            process.communicate()


def demo_env(home: Path) -> dict[str, str]:
    """The variables of demo.env once it is there."""
    file = home / "demo.env"
    eventually(file.exists)
    return dict(word.split("=", 1) for word in shlex.split(file.read_text()))


def test_demo_env_is_written_private_and_true_when_ready(home: Path, run: Run) -> None:
    home.mkdir()
    (home / "demo.env").write_text("HALFPENNY_KEY='earlier'\n")
    stack = run()
    values = eventually(lambda: found if (found := demo_env(home))["HALFPENNY_KEY"] != "earlier" else None)
    assert stat.S_IMODE((home / "demo.env").stat().st_mode) == 0o600
    assert values["HALFPENNY_ADMIN_PASSWORD"] == "it's secret"
    pids = {int(values[f"HALFPENNY_{part}_PIDS"]) for part in ("WEB", "WORKER", "INGEST")}
    assert len(pids) == 3
    assert pids <= set(family(stack.pid))


@pytest.mark.parametrize("part", ["WEB", "WORKER", "INGEST"])
def test_a_killed_process_comes_back_and_demo_env_tells_its_new_pid(home: Path, run: Run, part: str) -> None:
    stack = run()
    killed = demo_env(home)[f"HALFPENNY_{part}_PIDS"]
    os.kill(int(killed), signal.SIGKILL)
    pid = eventually(
        lambda: found if (found := demo_env(home)[f"HALFPENNY_{part}_PIDS"]) not in ("", killed) else ""
    )
    assert int(pid) in family(stack.pid)
    assert stack.poll() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_every_end_of_the_parent_leaves_no_process_and_a_second_start_works(
    home: Path, run: Run, number: signal.Signals
) -> None:
    stack = run()
    before = demo_env(home)
    pids = family(stack.pid)
    assert len(pids) > 20
    stack.send_signal(number)
    assert all_are_gone(pids)
    (home / "demo.env").unlink()
    run()
    after = demo_env(home)
    for kept in ("HALFPENNY_DATABASE_URL", "HALFPENNY_REDIS_STATE_URL", "HALFPENNY_UPSTREAM_URL"):
        assert after[kept] == before[kept]


def test_a_second_run_in_the_same_home_is_refused(home: Path, run: Run) -> None:
    stack = run()
    demo_env(home)
    second = run()
    told, _ = second.communicate()
    assert second.returncode == 1
    assert f"already running in {home} (process {stack.pid})" in told
    assert stack.poll() is None


def test_a_busy_port_is_named(home: Path, run: Run) -> None:
    first = run()
    port = demo_env(home)["HALFPENNY_URL"].rpartition(":")[2]
    second = run(PORT=port, HALFPENNY_HOME=f"{home} two")
    assert f"port {port} (from PORT) is in use" in second.communicate()[0]
    assert second.returncode == 1
    assert first.poll() is None


@pytest.mark.parametrize("command", ["migrate", "demo_load"])
def test_a_step_that_fails_ends_everything_and_is_told(home: Path, run: Run, command: str) -> None:
    stack = run(STAND_IN_FAILS=command)
    told, _ = stack.communicate()
    assert stack.returncode == 1
    assert f"Halfpenny cannot run: manage.py {command} failed" in told.splitlines()[-1]
    assert "stand-in failure" in told
    assert not (home / "demo.env").exists()


def test_servers_of_the_user_are_used_instead(home: Path, run: Run, tmp_path: Path) -> None:
    with servers.start(tmp_path / "given", durable=False) as given:
        run(DATABASE_URL=given.database_url, REDIS_STATE_URL=given.redis_state_url)
        values = demo_env(home)
        assert values["HALFPENNY_DATABASE_URL"] == given.database_url
        assert values["HALFPENNY_REDIS_STATE_URL"] == given.redis_state_url
        assert values["HALFPENNY_REDIS_CACHE_URL"] != given.redis_cache_url
        assert not (home / "postgres").exists()
        assert not (home / "state").exists()


def test_a_server_of_the_user_that_is_not_there_is_named(home: Path, run: Run) -> None:
    stack = run(REDIS_STATE_URL="redis://:secret@127.0.0.1:1/0")
    told, _ = stack.communicate()
    assert stack.returncode == 1
    assert "REDIS_STATE_URL: nothing answers at 127.0.0.1:1" in told
    assert "secret" not in told
