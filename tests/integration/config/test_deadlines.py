"""Every client of the outside has deadlines, and none repeats a request by itself.

The limits of each library's defaults were measured: a frozen Redis costs seconds with the default retries, a
frozen broker blocks for good.
"""

import pytest
import redis
import redis.asyncio.retry
from django.conf import settings

from gateway import runtime
from tenants import snapshots
from tenants.database import TenantDatabase
from tenants.redis_line import RedisLine
from tests.gateway_house import House

REQUEST_PATH_SECONDS = 0.5


def assert_bounded(pool: object, most_s: float = REQUEST_PATH_SECONDS) -> None:
    if isinstance(pool, RedisLine):
        # It never repeats a command (tests/integration/tenants/test_redis_line.py).
        assert 0 < pool._timeout_s <= most_s
        return
    options = pool.connection_kwargs  # type: ignore[attr-defined]
    assert 0 < options["socket_timeout"] <= most_s
    assert 0 < options["socket_connect_timeout"] <= most_s
    assert options["retry"].get_retries() == 0
    # An asyncio client with the blocking Retry doesn't disconnect on failure: it would go on with a stale reply.
    assert is_asyncio(options["retry"]) == isinstance(pool, redis.asyncio.ConnectionPool)


def is_asyncio(retry: object) -> bool:
    return isinstance(retry, redis.asyncio.retry.Retry)


def redis_clients_of(part: object) -> list[object]:
    """Return the pool or line of every Redis client that a part holds, also those of the parts within it."""
    found: list[object] = []
    for value in vars(part).values():
        if isinstance(value, RedisLine):
            found.append(value)
        elif isinstance(value, redis.asyncio.Redis | redis.Redis):
            found.append(value.connection_pool)
        elif type(value).__module__.startswith(
            ("tenants.", "caching.", "analytics.", "gateway.")
        ) and hasattr(value, "__dict__"):
            found += redis_clients_of(value)
    return found


@pytest.fixture
def parts(house: House) -> runtime.RunningParts:
    return house.parts


@pytest.mark.parametrize("name", ["policies", "limiter", "exact", "leases", "records"])
async def test_each_part_asks_redis_within_a_deadline_and_once(
    parts: runtime.RunningParts, name: str
) -> None:
    clients = redis_clients_of(getattr(parts, name))
    assert clients
    for client in clients:
        assert_bounded(client, most_s=1.5)


def test_the_publisher_of_policies_is_bounded() -> None:
    with snapshots._publisher() as client:
        assert_bounded(client.connection_pool, most_s=1.0)


def test_celery_publishes_once_within_the_embedding_budget() -> None:
    transport = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    assert transport["socket_timeout"] < settings.EMBEDDING_BUDGET_SECONDS
    assert transport["socket_connect_timeout"] < settings.EMBEDDING_BUDGET_SECONDS
    assert transport["max_retries"] == 0
    assert settings.CELERY_TASK_PUBLISH_RETRY is False


def test_django_waits_for_the_database_only_shortly() -> None:
    options = settings.DATABASES["default"]["OPTIONS"]
    assert options["pool"]["timeout"] <= 2.0
    assert options["connect_timeout"] <= 3


async def test_the_data_planes_pool_is_bounded() -> None:
    assert TenantDatabase()._pool.timeout <= 1.0
