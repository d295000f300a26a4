"""Fixtures for all tests: real Redis servers that are empty at the start of each test that asks for them."""

from collections.abc import Iterator
from functools import cache

import httpx
import pytest
import redis
from django.conf import settings
from django.test import TransactionTestCase
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from config.celery import app  # shared tasks find the project's broker
from tests.emptying import empty_tables

# A busy machine must not make a test about something else meet the broker's deadlines of production.
app.conf.update(
    broker_transport_options={"socket_timeout": 30.0, "socket_connect_timeout": 30.0, "max_retries": 0},
    broker_connection_timeout=30.0,
)
# Nor must an example that takes long, or long to be made up, fail a test of something else.
hypothesis_settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("patient")
# Real hashing takes a quarter of a second for each password, as it should.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Reading the certificate authorities takes 20 ms, and each gateway that a test starts would read them.
httpx.create_ssl_context = cache(httpx.create_ssl_context)
TransactionTestCase._fixture_teardown = empty_tables  # type: ignore[attr-defined]


def _emptied(url: str) -> Iterator["redis.Redis"]:
    client = redis.Redis.from_url(url, socket_timeout=30)
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
