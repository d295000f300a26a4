"""A gateway of real parts before the real demo upstream; only the embedding worker is stood in for."""

from collections.abc import AsyncIterator, Iterator

import pytest
import redis

from tests.demo_upstream import Demo, running_demo
from tests.gateway_house import House, WordEmbedder, open_house


@pytest.fixture(scope="session")
def running_upstream() -> Iterator[Demo]:
    with running_demo() as demo:
        yield demo


@pytest.fixture
async def house(
    running_upstream: Demo,
    transactional_db: None,
    cache_redis: "redis.Redis",
    state_redis: "redis.Redis",
) -> AsyncIterator[House]:
    running_upstream.reset()
    async with open_house(running_upstream, WordEmbedder()) as opened:
        yield opened
