import pytest
from django.conf import LazySettings

from gateway import checks


@pytest.fixture
def production(settings: LazySettings) -> LazySettings:
    settings.DEVELOPMENT = False
    settings.ALLOWED_HOSTS = ["halfpenny.example"]
    settings.REDIS_CACHE_URL = "redis://cache:6379/0"
    settings.REDIS_STATE_URL = "redis://state:6379/0"
    return settings


def test_a_good_deployment_is_not_complained_of(production: LazySettings) -> None:
    assert [*checks.check_servers(), *checks.check_hosts(), *checks.check_timeouts()] == []


@pytest.mark.parametrize(
    ("cache", "state"),
    [
        ("redis://one:6379/0", "redis://one:6379/0"),
        ("redis://one:6379/0", "redis://one:6379/1"),
        ("redis://one/0", "redis://:secret@one:6379/1"),
        ("unix:///run/redis.sock?db=0", "unix:///run/redis.sock?db=1"),
    ],
)
def test_cache_and_state_must_be_two_servers(production: LazySettings, cache: str, state: str) -> None:
    production.REDIS_CACHE_URL, production.REDIS_STATE_URL = cache, state
    assert [each.id for each in checks.check_servers()] == ["halfpenny.E001"]
    production.DEVELOPMENT = True
    assert checks.check_servers() == []


def test_two_ports_of_one_host_are_two_servers(production: LazySettings) -> None:
    production.REDIS_CACHE_URL, production.REDIS_STATE_URL = "redis://one:6379", "redis://one:6380"
    assert checks.check_servers() == []


@pytest.mark.parametrize(
    ("hosts", "found"),
    [(["*"], "halfpenny.E002"), (["a.example", "*"], "halfpenny.E002"), ([], "halfpenny.W001")],
)
def test_hosts_must_be_named(production: LazySettings, hosts: list[str], found: str) -> None:
    production.ALLOWED_HOSTS = hosts
    assert [each.id for each in checks.check_hosts()] == [found]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMBEDDING_BUDGET_SECONDS", 2.0),
        ("EMBEDDING_BUDGET_SECONDS", 0.0),
        ("SEMANTIC_SEARCH_TIMEOUT_SECONDS", 30.0),
        ("REDIS_TIMEOUT_SECONDS", 5.0),
        ("UPSTREAM_CONNECT_SECONDS", 1000.0),
        ("UPSTREAM_FIRST_TOKEN_SECONDS", 0.0),
        ("UPSTREAM_BETWEEN_CHUNKS_SECONDS", -1.0),
    ],
)
def test_timeouts_must_be_sane(production: LazySettings, name: str, value: float) -> None:
    setattr(production, name, value)
    assert [each.id for each in checks.check_timeouts()] == ["halfpenny.E003"]


def test_advice_is_no_warning(production: LazySettings) -> None:
    production.METRICS_TOKEN = production.DATABASE_WEB_URL = ""
    assert [(each.id, each.is_serious()) for each in checks.check_advised()] == [
        ("halfpenny.I001", False),
        ("halfpenny.I002", False),
    ]
    production.METRICS_TOKEN, production.DATABASE_WEB_URL = "token", "postgresql://web@db/halfpenny"
    assert checks.check_advised() == []
