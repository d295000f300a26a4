"""compose.yaml holds every part of the design, in production mode, hardened, without a secret in it."""

import re
from typing import Any

import pytest

from tests.docker_files import DOCKER, compose, own_services, service, stages

PARTS = {
    "migrate", "web", "worker", "worker-gpu", "housekeeping", "beat", "ingest",
    "postgres", "redis-cache", "redis-state", "jaeger", "prometheus",
}  # fmt: skip
SERVICES = sorted(PARTS)
LONG_RUNNING = sorted(PARTS - {"migrate", "jaeger"})


def redis_configuration(name: str) -> dict[str, str]:
    """Return the directives of the file that a Redis service is started with."""
    mounted = next(
        each for each in service(name)["volumes"] if each.endswith(":/etc/halfpenny/redis.conf:ro")
    )
    lines = (DOCKER / mounted.split(":")[0]).read_text().splitlines()
    return dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))


def test_every_part_of_the_design_is_there() -> None:
    assert set(compose()["services"]) == PARTS


def test_the_cache_evicts_and_the_state_does_not() -> None:
    cache, state = redis_configuration("redis-cache"), redis_configuration("redis-state")
    assert cache["maxmemory-policy"] == "allkeys-lfu"
    assert "maxmemory" in cache
    assert state["maxmemory-policy"] == "noeviction"
    assert (state["appendonly"], state["appendfsync"]) == ("yes", "everysec")


def test_only_the_state_is_kept_on_disk() -> None:
    assert any(each.startswith("redis-state:/data") for each in service("redis-state")["volumes"])
    assert not any(":/data" in each for each in service("redis-cache")["volumes"])


def test_postgres_is_18_with_pgvector() -> None:
    assert re.fullmatch(r"pgvector/pgvector:[\d.]+-pg18", service("postgres")["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_hardened(name: str) -> None:
    found = service(name)
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in found["security_opt"]
    assert not found.get("privileged")
    assert not found["image"].endswith(":latest")
    assert re.search(r":v?\d+\.\d+\.\d+", found["image"])


def test_only_postgres_gets_capabilities_back_to_leave_root() -> None:
    given = {name: each["cap_add"] for name, each in compose()["services"].items() if "cap_add" in each}
    assert given == {"postgres": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]}


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_a_service_tells_whether_it_works(name: str) -> None:
    assert service(name)["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@pytest.mark.parametrize("name", sorted(own_services()))
def test_our_own_services_run_in_production_mode_with_secrets_from_files(name: str) -> None:
    found = service(name)
    environment = found["environment"]
    assert environment["HALFPENNY_ENV"] == "production"
    files = {
        value.removeprefix("/run/secrets/") for key, value in environment.items() if key.endswith("_FILE")
    }
    assert files == set(found["secrets"])
    assert {"secret_key", "encryption_key", "database_url", "redis_cache_url", "redis_state_url"} <= files


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    return [text for each in value for text in _texts(each)] if isinstance(value, list) else [str(value)]


def test_no_secret_stands_in_the_file() -> None:
    secret = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY|DATABASE_URL|REDIS")
    for name, each in compose()["services"].items():
        plain = [
            key for key in each.get("environment", {}) if secret.search(key) and not key.endswith("_FILE")
        ]
        assert plain == [], name
    assert not [text for text in _texts(compose()["services"]) if re.search(r"://[^/]*:[^/]*@", text)]
    assert all(set(secret) == {"file"} for secret in compose()["secrets"].values())


def test_every_secret_is_used_and_made() -> None:
    used = {secret for each in compose()["services"].values() for secret in each.get("secrets", [])}
    assert used == set(compose()["secrets"])
    script = (DOCKER / "make_secrets.py").read_text()
    for name in used - {"redis_cache.conf", "redis_cache_url", "redis_state.conf", "redis_state_url"}:
        assert f'"{name}"' in script


@pytest.mark.parametrize("name", sorted(set(own_services()) - {"migrate"}))
def test_nothing_starts_before_the_tables_are_up_to_date(name: str) -> None:
    assert service(name)["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


@pytest.mark.parametrize("name", sorted(own_services()))
def test_a_service_is_built_from_a_stage_that_exists(name: str) -> None:
    assert service(name)["build"]["target"] in stages()


def test_data_servers_are_reached_from_inside_only() -> None:
    assert compose()["networks"]["data"]["internal"] is True
    for name in ("postgres", "redis-cache", "redis-state"):
        assert service(name)["networks"] == ["data"]
        assert "ports" not in service(name)


def test_ports_are_open_to_this_machine_alone_unless_said_otherwise() -> None:
    published = [port for each in compose()["services"].values() for port in each.get("ports", [])]
    assert published
    assert all("127.0.0.1:" in port for port in published)


def test_the_gpu_worker_is_started_on_request_and_gets_a_gpu() -> None:
    found = service("worker-gpu")
    assert found["profiles"] == ["gpu"]
    (device,) = found["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert found["build"]["target"] == "worker-cuda"


def test_web_gets_longer_to_stop_than_its_drain_takes() -> None:
    found = service("web")
    drain = int(found["command"][found["command"].index("--drain-seconds") + 1])
    assert int(found["stop_grace_period"].removesuffix("s")) > drain


def test_every_variable_that_has_to_be_set_is_in_the_example() -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+)", (DOCKER / "compose.yaml").read_text()))
    given = set(re.findall(r"^([A-Z_]+)=", (DOCKER / ".env.example").read_text(), re.MULTILINE))
    assert asked == given
