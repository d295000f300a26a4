"""The embedded servers, started, asked, stopped and killed for real."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from config.devstack import ports, postgres, servers, valkey
from config.devstack.servers import Servers
from tests.integration.devstack.processes import all_are_gone, eventually, lives

STARTER = """
import sys, time
from pathlib import Path
from config.devstack import servers
running = servers.start(Path(sys.argv[1]), durable=False)
print(*running.pids.values(), flush=True)
time.sleep(600)
"""


def ask_redis(url: str) -> "redis.Redis":
    return redis.Redis.from_url(url, socket_timeout=30, decode_responses=True)


def test_servers_answer_keep_their_state_and_leave_nothing_behind(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    with servers.start(home, durable=False) as first:
        with psycopg.connect(first.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        ask_redis(first.redis_state_url).set("kept", "yes")
        ask_redis(first.redis_cache_url).set("kept", "yes")
        pids = first.pids
        assert sorted(pids) == ["cache", "postgres", "state"]
        assert all(map(lives, pids.values()))
    assert all_are_gone(pids.values())
    assert first.pids == {}
    with servers.start(home, durable=False) as second:
        assert second.database_url == first.database_url
        with psycopg.connect(second.database_url) as connection:
            assert connection.execute("SELECT one FROM kept").fetchone() == (1,)
        assert ask_redis(second.redis_state_url).get("kept") == "yes"
        assert ask_redis(second.redis_cache_url).get("kept") is None


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with servers.start(tmp_path_factory.mktemp("servers"), durable=False) as started:
        yield started


def test_postgres_is_18_has_pgvector_and_speaks_utf8(running: Servers) -> None:
    with psycopg.connect(running.database_url) as connection:
        assert connection.info.server_version // 10000 == 18
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        assert connection.execute("SELECT '[1,0]'::vector <=> '[1,0]'::vector").fetchone() == (0.0,)
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        assert connection.execute("SELECT upper('é')").fetchone() == ("É",)


def test_the_cache_evicts_and_the_state_does_not(running: Servers) -> None:
    cache, state = ask_redis(running.redis_cache_url), ask_redis(running.redis_state_url)
    assert cache.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lfu"}
    assert cache.config_get("appendonly") == {"appendonly": "no"}
    assert state.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert state.config_get("appendonly") == {"appendonly": "yes"}
    assert state.config_get("appendfsync") == {"appendfsync": "everysec"}


def test_nobody_gets_in_without_the_password(running: Servers) -> None:
    for url in (running.redis_cache_url, running.redis_state_url):
        with pytest.raises(redis.AuthenticationError):
            ask_redis(url.replace(":" + url.split(":")[2].split("@")[0], ":wrong")).ping()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(running.database_url, password="wrong")


def test_no_password_shows_in_the_process_list(running: Servers) -> None:
    secrets = running.home.secrets()
    words = (secrets.postgres, secrets.redis_cache, secrets.redis_state)
    lines = [" ".join(psutil.Process(pid).cmdline()) for pid in running.pids.values()]
    assert not any(word in line for line in lines for word in words)


def test_a_kill_of_the_starting_process_leaves_no_server(tmp_path: Path) -> None:
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path)], stdout=subprocess.PIPE)
    assert starter.stdout is not None
    pids = [int(word) for word in starter.stdout.readline().split()]
    assert len(pids) == 3
    starter.kill()
    starter.communicate()
    assert all_are_gone(pids)


def test_a_killed_state_server_comes_back_with_everything_it_acknowledged(tmp_path: Path) -> None:
    with servers.start(tmp_path, durable=False, restart=True) as started:
        ask_redis(started.redis_state_url).set("kept", "yes")
        killed = started.pids["state"]
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: started.pids.get("state", killed) != killed)
        valkey.wait_until_ready(started.redis_state_url, 30.0)
        assert ask_redis(started.redis_state_url).get("kept") == "yes"


def test_a_killed_postgres_comes_back(tmp_path: Path) -> None:
    with servers.start(tmp_path, restart=True) as started:
        with psycopg.connect(started.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        killed = started.pids["postgres"]
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: started.pids.get("postgres", killed) != killed)
        postgres.wait_until_ready(started.database_url, 30.0)
        with psycopg.connect(started.database_url) as connection:
            assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_a_server_that_cannot_start_is_told_with_its_log(tmp_path: Path) -> None:
    with servers.start(tmp_path, durable=False):
        pass
    (tmp_path / "postgres" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(servers.ServerFailedError, match="postgres ended at once") as told:
        servers.start(tmp_path, durable=False)
    assert "incompatible with server" in str(told.value)


def test_a_busy_remembered_port_is_chosen_around(tmp_path: Path, running: Servers) -> None:
    busy = ports.read_ports(running.home.ports)
    home = tmp_path / "second"
    home.mkdir()
    ports.write_ports(home / "ports.json", busy)
    with servers.start(home, durable=False) as second:
        assert second.database_url.split("@")[1] != running.database_url.split("@")[1]
        ask_redis(second.redis_cache_url).ping()
