"""Fixtures for all tests: real Redis servers that are empty at the start of each test that asks for them."""

from collections.abc import Iterator

import pytest
import redis
from django.conf import settings

import config.celery  # noqa: F401 (shared tasks find the project's broker)


def _emptied(url: str) -> Iterator["redis.Redis"]:
    client = redis.Redis.from_url(url, socket_timeout=5)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
def cache_redis() -> Iterator["redis.Redis"]:
    """The cache Redis, emptied."""
    yield from _emptied(settings.REDIS_CACHE_URL)


@pytest.fixture
def state_redis() -> Iterator["redis.Redis"]:
    """The state Redis, emptied."""
    yield from _emptied(settings.REDIS_STATE_URL)


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The embedded server goes away with its data; dropping the database would race threads' connections."""
    return True
