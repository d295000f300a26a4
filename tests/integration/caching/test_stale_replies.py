"""A reply that comes too late is never taken for the answer to somebody else's question."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pytest_django import Settings
from redis.exceptions import TimeoutError as RedisTimeoutError

from caching.cache_redis import async_client


class LateRedis:
    """Speaks just enough RESP: answers GET with the key itself, but GET late only when it is told to."""

    def __init__(self) -> None:
        self.asked, self.answers, self.answered = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def answer_late(self) -> None:
        self.answers.set()
        await self.answered.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            words = await self._command(reader)
            if not words:
                break
            if words[0] != b"GET":
                writer.write(b"+OK\r\n")
                continue
            if words[1] == b"late":
                self.asked.set()
                await self.answers.wait()
            writer.write(b"$%d\r\n%s\r\n" % (len(words[1]), words[1]))
            if words[1] == b"late":
                self.answered.set()
        writer.close()

    async def _command(self, reader: asyncio.StreamReader) -> list[bytes]:
        header = await reader.readline()
        words = []
        for _ in range(int(header[1:] or 0)):
            length = int((await reader.readline())[1:])
            words.append((await reader.readexactly(length + 2))[:-2])
        return words


@pytest.fixture
async def late_redis(settings: Settings) -> AsyncIterator[LateRedis]:
    late = LateRedis()
    server = await asyncio.start_server(late.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings.REDIS_CACHE_URL = f"redis://127.0.0.1:{port}/0?protocol=2"
    yield late
    server.close()


async def test_after_a_timeout_the_next_question_gets_its_own_answer(late_redis: LateRedis) -> None:
    client = async_client(max_connections=1, timeout_s=1.0)
    with pytest.raises(RedisTimeoutError):
        await client.get("late")
    await late_redis.answer_late()
    assert await client.get("mine") == b"mine"
    await client.aclose()


async def test_after_a_cancelled_question_the_next_one_gets_its_own_answer(late_redis: LateRedis) -> None:
    client = async_client(max_connections=1, timeout_s=20.0)
    asking = asyncio.ensure_future(client.get("late"))
    await late_redis.asked.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await late_redis.answer_late()
    assert await client.get("mine") == b"mine"
    await client.aclose()
