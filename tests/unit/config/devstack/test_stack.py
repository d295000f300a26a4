import shlex
from dataclasses import replace
from pathlib import Path

from config.devstack import keeper, stack
from config.devstack.home import Home, open_home
from config.devstack.keeper import Orders
from config.devstack.servers import Server

PORTS = {"web": 8001, "upstream": 8002}
GIVEN = {
    "DATABASE_URL": "postgresql://db/halfpenny",
    "REDIS_CACHE_URL": "redis://cache/0",
    "REDIS_STATE_URL": "redis://state/0",
}


def server(name: str) -> Server:
    return Server(
        name=name,
        argv=("run", name),
        env={},
        url=f"embedded://{name}",
        wait_until_ready=lambda url, timeout_s: None,
    )


def test_all_servers_are_embedded_unless_given() -> None:
    assert stack.wanted_servers({}) == ["postgres", "cache", "state"]
    assert stack.wanted_servers({"DATABASE_URL": ""}) == ["postgres", "cache", "state"]


def test_each_server_is_given_on_its_own() -> None:
    assert stack.wanted_servers({"REDIS_CACHE_URL": "redis://cache/0"}) == ["postgres", "state"]
    assert stack.wanted_servers(GIVEN) == []


def test_settings_name_the_embedded_server_where_there_is_one(tmp_path: Path) -> None:
    settings = stack.settings_environment(open_home(tmp_path), [server("cache")], PORTS, GIVEN)
    assert settings["REDIS_CACHE_URL"] == "embedded://cache"
    assert settings["DATABASE_URL"] == GIVEN["DATABASE_URL"]
    assert settings["DEMO_UPSTREAM_URL"] == "http://127.0.0.1:8002/v1"
    assert settings["PORT"] == "8001"
    assert settings["HALFPENNY_HOME"] == str(tmp_path)


def test_a_secret_of_the_users_wins_over_the_generated_one(tmp_path: Path) -> None:
    home = open_home(tmp_path)
    assert (
        stack.settings_environment(home, [], PORTS, GIVEN)["HALFPENNY_SECRET_KEY"]
        == home.secrets().secret_key
    )
    given = {**GIVEN, "HALFPENNY_SECRET_KEY": "mine", "CELERY_BROKER_URL": "redis://broker/0"}
    settings = stack.settings_environment(home, [], PORTS, given)
    assert settings["HALFPENNY_SECRET_KEY"] == "mine"
    assert settings["CELERY_BROKER_URL"] == "redis://broker/0"


def orders_of(process: stack.Process) -> Orders:
    words = shlex.split(process.command)
    assert words[0] == "exec"
    return keeper.read_orders(words[words.index(keeper.__file__) + 1 :])


def test_all_but_web_and_worker_give_way_to_others() -> None:
    home = Home(Path("/a home"))
    nice = {
        part.name: orders_of(stack.part_process(part, home, {})).nice for part in stack.parts(home, PORTS)
    }
    assert nice == {"upstream": 10, "worker": 0, "web": 0, "ingest": 10, "housekeeping": 10, "beat": 10}


def test_what_needs_the_database_waits_for_the_gate() -> None:
    home = Home(Path("/a home"))
    gated = {
        part.name for part in stack.parts(home, PORTS) if orders_of(stack.part_process(part, home, {})).gate
    }
    assert gated == {"web", "ingest", "housekeeping", "beat"}


def test_servers_stop_after_the_others() -> None:
    orders = orders_of(stack.server_process(server("state"), Home(Path("/a home")), ["web", "worker"]))
    assert orders.after == ("web", "worker")
    assert orders.nice == 0


def test_a_server_keeps_the_user_it_must_run_as() -> None:
    process = stack.server_process(replace(server("postgres"), user="nobody"), Home(Path("/h")), [])
    assert orders_of(process).user == "nobody"


def test_the_conductor_is_not_started_twice() -> None:
    assert orders_of(stack.conductor_process(Home(Path("/h")), ["cache"], {})).once
