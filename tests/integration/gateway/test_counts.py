"""What a request costs in round trips, by count: no machine is too slow or too busy for these figures.

Top-level commands that each server was really sent (MONITOR) until the call was ended and stored, the records'
XADD apart (its own test below); SQL statements, BEGIN and COMMIT counted (a search and its settings go together);
calls that the upstream counted; works handed to threads. "exact": a limit below 1,000 a window, which asks the
state Redis each time; "leased": larger limits or none, whose permits are in hand.

| request                                   | state | cache | SQL | upstream | threads |
|-------------------------------------------|-------|-------|-----|----------|---------|
| 401, no well-formed key                   |   0   |   0   |  0  |    0     |    0    |
| 401, a key never seen: looked for once    |   1   |   0   |  1  |    0     |    1    |
| 401, the same key again                   |   0   |   0   |  0  |    0     |    0    |
| 429, known to be full                     |   0   |   0   |  0  |    0     |    0    |
| L0 hit, leased                            |   0   |   0   |  0  |    0     |    0    |
| L0 hit, exact                             |   1   |   0   |  0  |    0     |    0    |
| L1 hit, leased                            |   0   |   1   |  0  |    0     |    0    |
| L1 hit, exact: both at once               |   1   |   1   |  0  |    0     |    0    |
| L2 hit, and its copy to L1                |   0   |   2   |  2  |    0     |    0    |
| miss, and both its stores                 |   2   |   2   |  4  |    1     |    0    |
| miss without L2, and its store            |   2   |   2   |  0  |    1     |    0    |
| refresh without L2, and its store         |   0   |   1   |  0  |    1     |    0    |
| bypass (cache off)                        |   0   |   0   |  0  |    1     |    0    |
| 422, broken body                          |   0   |   0   |  0  |    0     |    0    |

A miss claims the lease of its question before it asks upstream, and ends it without waiting (decision 13).
The embedding worker is stood in for: its round trips belong to the embedding tests.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import redis
from asgiref.current_thread_executor import CurrentThreadExecutor
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection
from redis.client import Monitor

from analytics.wire import FIELD, STREAM, lines_of
from caching.memory import AnswerMemory
from tenants import limits, windows
from tenants.key_format import make_key
from tenants.services import key_issue
from tests.asgi_calls import post, send
from tests.gateway_house import House

CAPITAL = "What is the capital of France?"
REPHRASED = "The capital of France is what?"
CAPITAL_BODY = b'{"prompt": "What is the capital of France?"}'
OFF = {"mode": "off"}


#: What the embedding worker that other tests have started sends once a second: it waits for work.
WORKERS_OWN = "BRPOP"


class Wire:
    """Everything that a Redis server is sent on behalf of a call, as the server itself tells it."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url, socket_timeout=10)
        self._monitor: Any = Monitor(self._client.connection_pool)  # type: ignore[no-untyped-call]
        self._monitor.__enter__()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        self._monitor.__exit__(None, None, None)
        self._client.close()

    def taken(self) -> list[str]:
        """Return the names of the commands since the last look; those inside scripts aren't sent by anybody."""
        mark = uuid4().hex
        self._client.echo(mark)
        names: list[str] = []
        for seen in self._monitor.listen():
            command = str(seen["command"])
            if mark in command:
                return names
            name = command.split(" ", 1)[0].upper()
            if seen["client_type"] != "lua" and name != WORKERS_OWN:
                names.append(name)
        raise AssertionError("the monitor ended")


@dataclass(frozen=True, kw_only=True)
class Costs:
    state: int = 0
    cache: int = 0
    sql: int = 0
    upstream: int = 0
    threads: int = 0


@dataclass
class Meter:
    """Counts what calls cost."""

    house: House
    state: Wire
    cache: Wire
    statements: list[object] = field(default_factory=list)
    hops: list[object] = field(default_factory=list)

    async def settle(self) -> None:
        """Forget all that was counted, when nothing of it is still under way."""
        await self.finish()
        await asyncio.sleep(0.06)
        for counted in (self.state.taken(), self.cache.taken(), self.statements, self.hops):
            counted.clear()
        self.house.demo.reset()

    async def costs(self, key: str | None, body: Any, *, status: int, cache: str = "") -> Costs:
        """Ask once; status, cache: how the call has to end, lest something else is counted."""
        await self.settle()
        response = await self.house.post(key, body)
        await self.finish()
        statements, hops = len(self.statements), len(self.hops)
        assert response.status_code == status, response.text
        assert response.headers.get("x-gateway-cache", "") == cache
        return Costs(
            state=sum(name != "XADD" for name in self.state.taken()),
            cache=len(self.cache.taken()),
            sql=statements,
            upstream=self.house.demo.calls(),
            threads=hops,
        )

    async def finish(self) -> None:
        """Wait for what calls leave to be done after them."""
        await self.house.parts.storer.drain()
        await self.house.parts.flights.drain()

    def forget_memory(self) -> None:
        """What this process holds is gone: the same as another process."""
        self.house.parts.memory = AnswerMemory(1 << 20, ttl_s=60)


@pytest.fixture
async def meter(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Meter]:
    await without_background(house, monkeypatch)
    meter = Meter(house, Wire(settings.REDIS_STATE_URL), Wire(settings.REDIS_CACHE_URL))
    note(monkeypatch, psycopg._cursor_base.BaseCursor, "_maybe_prepare_gen", meter.statements)
    note(monkeypatch, psycopg.BaseConnection, "_exec_command", meter.statements)
    # All ways to a thread end in one of these: to_thread, run_in_executor, sync_to_async, async_to_sync.
    note(monkeypatch, ThreadPoolExecutor, "submit", meter.hops)
    note(monkeypatch, CurrentThreadExecutor, "submit", meter.hops)
    # Connections, permits and the policy are there, as in a process that runs for a while.
    await house.ask(house.alice, "Warm up, please")
    await house.ask(house.alice, "Warm up, please", cache=OFF)
    await house.ask(house.alice, "please Warm up,")
    yield meter
    meter.state.close()
    meter.cache.close()


async def without_background(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what a process does by itself, and the turn of the minute, which asks for permits anew."""
    policies = house.parts.policies
    await policies.refresh()
    assert policies._watcher is not None
    policies._watcher.cancel()
    policies._compare_seconds = 1e9
    assert house.parts.upstream_health._poller is not None
    house.parts.upstream_health._poller.cancel()
    monkeypatch.setattr(limits, "_IDLE_SECONDS", 1e9)
    monkeypatch.setattr(windows, "MINUTE_SECONDS", windows.DAY_SECONDS)


def note(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, calls: list[object]) -> None:
    """Have each call of the method noted, and made."""
    method: Callable[..., Any] = getattr(owner, name)

    def noted(self: object, *args: Any, **options: Any) -> Any:
        calls.append(args[:1])
        return method(self, *args, **options)

    monkeypatch.setattr(owner, name, noted)


async def key_of(house: House, *, requests_per_day: int) -> str:
    """Return a new key of an exact limit."""
    issued = await sync_to_async(key_issue)(house.tenant, label="few", requests_per_day=requests_per_day)
    await house.parts.policies.refresh()
    return issued.plaintext


async def without_l2(house: House) -> None:
    policy = await sync_to_async(lambda: house.tenant.cache_policy)()
    policy.semantic_mode = "off"
    await policy.asave()
    await house.parts.policies.refresh()


async def test_no_key_costs_nothing(meter: Meter) -> None:
    assert await meter.costs(None, {"prompt": CAPITAL}, status=401) == Costs()
    assert await meter.costs("hp_made_up", {"prompt": CAPITAL}, status=401) == Costs()


async def test_an_unknown_key_is_looked_for_once(meter: Meter) -> None:
    unknown = make_key().plaintext
    first = await meter.costs(unknown, {"prompt": CAPITAL}, status=401)
    assert first == Costs(state=1, sql=1, threads=1)
    assert await meter.costs(unknown, {"prompt": CAPITAL}, status=401) == Costs()


async def test_a_limit_known_to_be_reached_costs_nothing(meter: Meter) -> None:
    key = await key_of(meter.house, requests_per_day=1)
    await meter.house.ask(key, CAPITAL)
    await meter.house.post(key, {"prompt": CAPITAL})
    assert await meter.costs(key, {"prompt": CAPITAL}, status=429) == Costs()


async def test_a_hit_from_memory_with_permits_in_hand_costs_nothing(meter: Meter) -> None:
    house = meter.house
    await house.ask(house.alice, CAPITAL)
    asked_before = await last_statements()
    for _ in range(3):
        costs = await meter.costs(house.alice, {"prompt": CAPITAL}, status=200, cache="hit_exact")
        assert costs == Costs()
    assert await last_statements() == asked_before


@sync_to_async
def last_statements() -> set[tuple[object, ...]]:
    """Return when each other connection to the database was last asked anything, as Postgres knows it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid, query_start FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        return set(cursor.fetchall())


async def test_a_hit_from_memory_under_an_exact_limit_costs_its_count(meter: Meter) -> None:
    key = await key_of(meter.house, requests_per_day=500)
    await meter.house.ask(key, CAPITAL)
    costs = await meter.costs(key, {"prompt": CAPITAL}, status=200, cache="hit_exact")
    assert costs == Costs(state=1)


async def test_a_hit_from_redis_costs_one_command(meter: Meter) -> None:
    house = meter.house
    await house.ask(house.alice, CAPITAL)
    meter.forget_memory()
    costs = await meter.costs(house.alice, {"prompt": CAPITAL}, status=200, cache="hit_exact")
    assert costs == Costs(cache=1)
    again = await meter.costs(house.alice, {"prompt": CAPITAL}, status=200, cache="hit_exact")
    assert again == Costs()


async def test_a_hit_from_redis_under_an_exact_limit_costs_one_command_at_each_server(meter: Meter) -> None:
    key = await key_of(meter.house, requests_per_day=500)
    await meter.house.ask(key, CAPITAL)
    meter.forget_memory()
    costs = await meter.costs(key, {"prompt": CAPITAL}, status=200, cache="hit_exact")
    assert costs == Costs(state=1, cache=1)


async def test_the_answer_is_asked_for_before_the_limiter_has_answered(meter: Meter) -> None:
    house = meter.house
    key = await key_of(house, requests_per_day=500)
    await house.ask(key, CAPITAL)
    meter.forget_memory()
    await meter.settle()
    with held_up(settings.REDIS_STATE_URL):
        asking = asyncio.create_task(house.post(key, {"prompt": CAPITAL}))
        names: list[str] = []
        while not names and not asking.done():
            await asyncio.sleep(0.01)
            names = meter.cache.taken()
        assert names == ["GET"]
        assert not asking.done()
    assert (await asking).headers["x-gateway-cache"] == "hit_exact"
    assert meter.cache.taken() == []


@contextmanager
def held_up(url: str) -> Iterator[None]:
    """Let the server take scripts but carry none out until the end of the block."""
    with redis.Redis.from_url(url, socket_timeout=10) as client:
        client.execute_command("CLIENT", "PAUSE", 20_000, "WRITE")
        try:
            yield
        finally:
            client.execute_command("CLIENT", "UNPAUSE")


async def test_a_semantic_hit_costs_one_search_its_copy_and_what_it_was_asked(meter: Meter) -> None:
    house = meter.house
    await house.ask(house.alice, CAPITAL)
    costs = await meter.costs(house.alice, {"prompt": REPHRASED}, status=200, cache="hit_semantic")
    assert costs == Costs(cache=3, sql=2)


async def test_a_miss_costs_one_search_one_call_and_its_stores(meter: Meter) -> None:
    costs = await meter.costs(meter.house.alice, {"prompt": CAPITAL}, status=200, cache="miss")
    assert costs == Costs(state=2, cache=2, sql=4, upstream=1)


async def test_a_miss_without_the_semantic_cache_asks_no_sql(meter: Meter) -> None:
    await without_l2(meter.house)
    await meter.house.ask(meter.house.alice, "Warm up under the new policy, please")
    asked_before = await last_statements()
    costs = await meter.costs(meter.house.alice, {"prompt": CAPITAL}, status=200, cache="miss")
    assert costs == Costs(state=2, cache=2, upstream=1)
    assert await last_statements() == asked_before


async def test_a_refresh_asks_no_cache(meter: Meter) -> None:
    await without_l2(meter.house)
    await meter.house.ask(meter.house.alice, "Warm up under the new policy, please")
    body = {"prompt": CAPITAL, "cache": {"mode": "refresh"}}
    costs = await meter.costs(meter.house.alice, body, status=200, cache="refresh")
    assert costs == Costs(cache=1, upstream=1)


async def test_a_bypass_costs_its_call(meter: Meter) -> None:
    body = {"prompt": CAPITAL, "cache": OFF}
    costs = await meter.costs(meter.house.alice, body, status=200, cache="bypass")
    assert costs == Costs(upstream=1)


async def test_a_broken_body_costs_nothing(meter: Meter) -> None:
    assert await meter.costs(meter.house.alice, "not json", status=422) == Costs()


async def test_a_hit_from_memory_is_answered_without_waiting_for_anything(meter: Meter) -> None:
    await meter.house.ask(meter.house.alice, CAPITAL)
    assert [at_once(meter.house.alice) for _ in range(3)] == [200] * 3


def at_once(key: str) -> int:
    """Return the status of a question that is answered in one turn of the event loop, however busy it is."""
    from config.asgi import application  # noqa: PLC0415 (Django is set up by then)

    call = send(application, post(key, CAPITAL_BODY))
    with pytest.raises(StopIteration) as ended:
        call.send(None)
    return int(ended.value.value.status)


async def test_the_records_of_many_calls_cost_one_command(meter: Meter, state_redis: "redis.Redis") -> None:
    house = meter.house
    await house.ask(house.alice, CAPITAL)
    await meter.settle()
    state_redis.delete(STREAM)
    assert {at_once(house.alice) for _ in range(200)} == {200}
    await house.parts.records.stop()
    assert meter.state.taken().count("XADD") == 1
    entries: Any = state_redis.xrange(STREAM)
    assert sum(len(list(lines_of(fields[FIELD]))) for _, fields in entries) == 200
