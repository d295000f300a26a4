"""Replies reach the commands that they belong to, whatever happens to callers, server and connection."""

import asyncio
import gc
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
import uvloop
from django.conf import settings
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tenants.redis_line import RedisLine
from tests.certificates import certificate
from tests.own_valkey import OwnValkey, own_valkey


@pytest.fixture
async def line(state_redis: "redis.Redis") -> AsyncIterator[RedisLine]:
    made = RedisLine(settings.REDIS_STATE_URL, timeout_s=10)
    yield made
    await made.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[OwnValkey]:
    with own_valkey(tmp_path) as server:
        yield server


async def echoes(line: RedisLine, numbers: range) -> list[int]:
    return [int(reply) for reply in await asyncio.gather(*(line.ask("ECHO", number) for number in numbers))]


async def test_each_of_many_concurrent_commands_gets_its_own_reply(line: RedisLine) -> None:
    for _ in range(10):
        assert await echoes(line, range(500)) == list(range(500))


async def test_values_of_every_kind_come_back(line: RedisLine) -> None:
    big = bytes(range(256)) * 20_000
    assert await line.ask("SET", "a", big) == b"OK"
    assert await line.ask("GET", "a") == big
    assert await line.ask("GET", "nothing") is None
    assert await line.ask("INCRBY", "n", 7) == 7
    assert await line.ask("MGET", "n", "nothing") == [b"7", None]


async def test_a_command_is_on_its_way_before_its_reply_is_awaited(line: RedisLine) -> None:
    line.ask("SET", "a", "never awaited")
    assert await line.ask("GET", "a") == b"never awaited"


async def test_concurrent_commands_share_one_connection(line: RedisLine, state_redis: "redis.Redis") -> None:
    before = state_redis.info("stats")["total_connections_received"]
    await echoes(line, range(100))
    assert state_redis.info("stats")["total_connections_received"] == before + 1


async def test_a_refused_command_is_told_and_shifts_no_reply(line: RedisLine) -> None:
    first, refused, unknown, last = (
        line.ask("ECHO", 1),
        line.ask("INCR"),
        line.ask("EVALSHA", "0" * 40, 0),
        line.ask("ECHO", 2),
    )
    assert (await first, await last) == (b"1", b"2")
    with pytest.raises(ResponseError):
        await refused
    with pytest.raises(NoScriptError):
        await unknown


async def test_cancelled_callers_shift_no_reply(line: RedisLine) -> None:
    await line.ask("PING")
    for _ in range(50):
        asked = [line.ask("ECHO", number) for number in range(100)]
        for future in asked[::3]:
            future.cancel()
        replies = await asyncio.gather(*asked, return_exceptions=True)
        kept = [reply for reply in replies if isinstance(reply, bytes)]
        assert kept == [b"%d" % number for number in range(100) if number % 3]


async def test_callers_cancelled_while_their_commands_are_under_way_shift_no_reply(line: RedisLine) -> None:
    async def ask(number: int) -> tuple[int, int]:
        return number, int(await line.ask("ECHO", number))

    for turn in range(50):
        tasks = [asyncio.create_task(ask(1000 * turn + number)) for number in range(40)]
        for _ in range(turn % 5):
            await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, tuple):
                assert result[0] == result[1]


async def test_a_frozen_server_costs_every_waiter_the_timeout_and_its_late_replies_reach_nobody(
    own: OwnValkey,
) -> None:
    line = RedisLine(own.url, timeout_s=0.3)
    await eventually(line, "PING")
    own.freeze()
    asked = [line.ask("ECHO", number) for number in range(20)]
    await asyncio.sleep(0.1)
    asked += [line.ask("ECHO", number) for number in range(20, 40)]
    failures = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(failure) for failure in failures} == {RedisTimeoutError}
    own.thaw()
    assert int(await eventually(line, "ECHO", 100)) == 100
    assert await echoes(line, range(200, 300)) == list(range(200, 300))
    await line.close()


async def eventually(line: RedisLine, *command: str | int) -> bytes:
    """Ask until the server, which was just thawed or started, answers in time."""
    for _ in range(300):
        try:
            return bytes(await line.ask(*command))
        except RedisError:
            await asyncio.sleep(0.1)
    raise AssertionError("the server does not come back")


async def test_freezing_and_thawing_in_the_middle_of_traffic_never_mixes_replies_up(own: OwnValkey) -> None:
    line = RedisLine(own.url, timeout_s=0.05)
    failures = 0

    async def caller(name: int) -> None:
        nonlocal failures
        for turn in range(150):
            try:
                assert await line.ask("ECHO", f"{name}-{turn}") == f"{name}-{turn}".encode()
            except RedisError:
                failures += 1
            await asyncio.sleep(0.002)

    callers = asyncio.gather(*(caller(name) for name in range(16)))
    for _ in range(4):
        await asyncio.sleep(0.05)
        own.freeze()
        await asyncio.sleep(0.12)
        own.thaw()
    await callers
    assert failures > 0
    assert await eventually(line, "ECHO", 1) == b"1"
    await line.close()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_stalled_process_finds_the_replies_that_came_meanwhile(
    state_redis: "redis.Redis", run: Callable[[Coroutine[None, None, None]], None]
) -> None:
    async def stalled() -> None:
        patient = RedisLine(settings.REDIS_STATE_URL, timeout_s=0.1)
        await eventually(patient, "PING")
        asked = patient.ask("ECHO", 1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(0.3)  # noqa: ASYNC251 (the stall is what is tested)
        state_redis.ping()  # whatever the server was asked before has its reply
        assert await asked == b"1"
        await patient.close()

    # uvloop looks at its timers before it looks at its sockets.
    run(stalled())


async def test_nothing_is_logged_of_failures_that_nobody_waits_for(
    own: OwnValkey, caplog: pytest.LogCaptureFixture
) -> None:
    line = RedisLine(own.url, timeout_s=0.1)
    await eventually(line, "PING")
    line.ask("INCR")
    own.freeze()
    for _ in range(3):
        line.ask("PING")
    await asyncio.sleep(0.3)
    gc.collect()
    assert caplog.records == []
    await line.close()


async def test_a_stopped_server_is_told_and_a_new_one_is_found(own: OwnValkey) -> None:
    line = RedisLine(own.url, timeout_s=5)
    await line.ask("PING")
    own.stop()
    for _ in range(3):
        with pytest.raises(RedisConnectionError):
            await line.ask("PING")
    own.start()
    assert await eventually(line, "ECHO", 1) == b"1"
    await line.close()


async def test_a_lost_command_is_not_sent_again(own: OwnValkey) -> None:
    line = RedisLine(own.url, timeout_s=0.1)
    await eventually(line, "SET", "n", 0)
    own.freeze()
    with pytest.raises(RedisTimeoutError):
        await line.ask("INCR", "n")
    own.thaw()
    assert int(await eventually(line, "GET", "n")) <= 1
    await line.close()


async def test_too_many_waiting_commands_are_refused_at_once(own: OwnValkey) -> None:
    line = RedisLine(own.url, timeout_s=5)
    await line.ask("PING")
    own.freeze()
    asked = [line.ask("PING") for _ in range(10_001)]
    assert isinstance(asked[-1].exception(), RedisConnectionError)
    assert not asked[0].done()
    own.thaw()
    await line.close()
    assert isinstance(asked[0].exception(), RedisConnectionError)


async def test_closing_twice_and_closing_while_connecting_leaves_nothing_open() -> None:
    line = RedisLine(settings.REDIS_STATE_URL, timeout_s=5)
    await line.close()
    asked = line.ask("PING")
    await line.close()
    await line.close()
    assert isinstance(asked.exception(), RedisConnectionError)


@pytest.mark.parametrize("host", ["127.0.0.1:1", f"{'a' * 64}.invalid"])
async def test_a_server_that_cannot_be_reached_is_a_failed_connection(host: str) -> None:
    line = RedisLine(f"redis://{host}/0", timeout_s=5)
    with pytest.raises(RedisConnectionError):
        await line.ask("PING")
    await line.close()


async def test_user_password_and_database_are_those_of_the_url(own: OwnValkey) -> None:
    with redis.Redis.from_url(own.url) as admin:
        admin.execute_command("ACL", "SETUSER", "alice", "on", ">p%ss", "~*", "+@all")
        admin.execute_command("CONFIG", "SET", "requirepass", "open sesame")
    for credentials, user in (("alice:p%25ss", "alice"), (":open%20sesame", "default")):
        line = RedisLine(f"redis://{credentials}@127.0.0.1:{urlsplit(own.url).port}/3", timeout_s=5)
        told = (await line.ask("CLIENT", "INFO")).decode().split()
        assert {"db=3", f"user={user}"} <= set(told)
        await line.close()


@pytest.mark.parametrize("credentials", ["alice:wrong@", ":wrong@"])
async def test_a_wrong_password_is_a_failed_connection(own: OwnValkey, credentials: str) -> None:
    line = RedisLine(f"redis://{credentials}127.0.0.1:{urlsplit(own.url).port}/0", timeout_s=5)
    with pytest.raises(RedisConnectionError):
        await line.ask("PING")
    await line.close()


async def test_no_command_runs_in_another_database_when_that_of_the_url_does_not_exist(
    own: OwnValkey,
) -> None:
    line = RedisLine(f"{own.url.rpartition('/')[0]}/99999", timeout_s=5)
    with pytest.raises(RedisConnectionError):
        await line.ask("SET", "a", "b")
    await line.close()
    with redis.Redis.from_url(own.url) as client:
        assert client.keys() == []


class Relay:
    """Passes bytes between clients and the state Redis."""

    def __init__(self) -> None:
        self._port = urlsplit(settings.REDIS_STATE_URL).port
        self._calls: list[asyncio.Task[None]] = []

    def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._calls.append(asyncio.create_task(self._relay(reader, writer)))

    async def end(self) -> None:
        """Wait until every client is gone."""
        await asyncio.gather(*self._calls)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
        for each in (back, writer):
            with suppress(OSError):
                await each.wait_closed()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                sink.write(data)
        sink.close()


async def test_a_unix_socket_is_spoken_to(state_redis: "redis.Redis", tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    password = urlsplit(settings.REDIS_STATE_URL).password or ""
    relay = Relay()
    async with await asyncio.start_unix_server(relay, path):
        line = RedisLine(f"unix://:{password}@{path}?db=2", timeout_s=10)
        assert b" db=2 " in await line.ask("CLIENT", "INFO")
        await line.close()
        await relay.end()


async def test_tls_is_spoken_and_the_certificate_is_checked(
    state_redis: "redis.Redis", tmp_path: Path
) -> None:
    file = certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    relay = Relay()
    async with await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"rediss://:{urlsplit(settings.REDIS_STATE_URL).password or ''}@localhost:{port}/0"
        line = RedisLine(f"{url}?ssl_ca_certs={file}", timeout_s=10)
        assert await echoes(line, range(100)) == list(range(100))
        await line.close()
        distrustful = RedisLine(url, timeout_s=10)
        with pytest.raises(RedisConnectionError, match="certificate"):
            await distrustful.ask("PING")
        await distrustful.close()
        await relay.end()
