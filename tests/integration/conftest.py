"""The real demo upstream, and a gateway of real parts before it; only the embedding worker is stood in for."""

import time
from collections.abc import AsyncIterator, Iterator

import pytest
import redis

from gateway.upstream import HttpxUpstream
from tests.demo_upstream import Demo, running_demo
from tests.gateway_house import House, WordEmbedder, open_house


@pytest.fixture(scope="session")
def running_upstream() -> Iterator[Demo]:
    with running_demo() as demo:
        yield demo


@pytest.fixture
def demo(running_upstream: Demo) -> Demo:
    """The demo upstream, which has not been asked anything yet."""
    running_upstream.reset()
    return running_upstream


@pytest.fixture
async def upstream() -> AsyncIterator[HttpxUpstream]:
    """The real client of upstreams."""
    client = HttpxUpstream()
    yield client
    await client.aclose()


@pytest.fixture
async def house(
    demo: Demo,
    transactional_db: None,
    cache_redis: "redis.Redis",
    state_redis: "redis.Redis",
) -> AsyncIterator[House]:
    async with open_house(demo, WordEmbedder()) as opened:
        yield opened


@pytest.fixture
def one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """No minute may turn between a test's first guess and its last: the count would begin anew."""
    ends_at = int(time.time()) + 300
    monkeypatch.setattr("django_ratelimit.core._get_window", lambda value, period: ends_at)
