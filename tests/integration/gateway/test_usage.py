"""What is recorded of tokens and first tokens: the provider's figures where it gives them, else our own count."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest
import redis

from analytics.record import CallRecord
from config.asgi import application
from gateway.tokens import count, partial_usage
from tests.asgi_calls import post, scope_of
from tests.demo_upstream import Demo
from tests.gateway_house import House, WordEmbedder, open_house
from tests.records import until
from tests.sse import events, said

CAPITAL = "What is the capital of France?"
PARIS = "The capital of France is Paris."


def asked(prompt: str) -> int:
    return partial_usage({"messages": [{"role": "user", "content": prompt}]}, "").input_tokens


@pytest.mark.parametrize(("stream", "fault"), [(False, "no-usage"), (True, "stream-no-usage")])
async def test_an_answer_without_usage_is_counted_and_said_to_be(
    house: House, stream: bool, fault: str
) -> None:
    prompt = f"{CAPITAL} [[fault:{fault}]]"
    await house.post(house.alice, {"prompt": prompt, "model": "small-1", "stream": stream})
    (record,) = house.records
    assert (record.status, record.estimated) == (200, True)
    assert (record.input_tokens, record.output_tokens) == (asked(prompt), count(PARIS))
    assert record.cost_nano > 0


async def test_hits_of_a_counted_answer_say_so_too(house: House) -> None:
    prompt = f"{CAPITAL} [[fault:no-usage]]"
    for _ in range(2):
        await house.ask(house.alice, prompt)
    miss, hit = house.records
    assert (hit.cache_status, hit.estimated, hit.saved_nano) == ("hit_exact", True, miss.cost_nano)


async def test_reported_usage_is_recorded_as_it_is(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    (record,) = house.records
    assert (record.input_tokens, record.output_tokens, record.estimated) == (11, 7, False)


async def test_the_first_token_is_timed_where_upstream_streamed(house: House) -> None:
    for stream in (True, True, False):
        cache = {"mode": "on" if stream else "off"}
        await house.post(house.alice, {"prompt": CAPITAL, "stream": stream, "cache": cache})
        await house.parts.storer.drain()
    streamed, hit, whole = house.records
    assert streamed.first_token_ms is not None
    assert 0 <= streamed.first_token_ms <= streamed.upstream_ms
    assert (hit.cache_status, hit.first_token_ms, whole.first_token_ms) == ("hit_exact", None, None)


async def hang_up_in_the_midst(house: House, prompt: str) -> bytes:
    """Ask for a stream, read its first text and hang up; return what had come."""
    body = b'{"prompt": "%s", "model": "small-1", "stream": true}' % prompt.encode()
    question = [{"type": "http.request", "body": body, "more_body": False}]
    enough = asyncio.Event()
    came = bytearray()

    async def receive() -> Mapping[str, Any]:
        if question:
            return question.pop()
        await enough.wait()
        return {"type": "http.disconnect"}

    async def send(event: Mapping[str, Any]) -> None:
        came.extend(event.get("body", b""))
        if said(events(bytes(came))):
            enough.set()

    await cast(Any, application)(scope_of(post(house.alice, body)), receive, send)
    return bytes(came)


async def test_a_hang_up_in_the_midst_leaves_a_record_with_what_it_came_to(house: House) -> None:
    prompt = f"{CAPITAL} [[fault:stream-stall]]"
    text = said(events(await hang_up_in_the_midst(house, prompt)))
    await until(lambda: bool(house.records))
    (record,) = house.records
    assert (record.status, record.stream, record.estimated) == (499, True, True)
    assert (record.model, record.provider, record.cache_status) == ("small-1", "demo", "miss")
    assert PARIS.startswith(text)
    assert text
    assert record.input_tokens == asked(prompt)
    assert count(text) <= record.output_tokens <= count(PARIS)
    assert record.cost_nano == cost_of(record)
    assert record.first_token_ms is not None
    assert record.total_ms >= record.upstream_ms >= record.first_token_ms > 0


def cost_of(record: CallRecord) -> int:
    """Return what so many tokens of the demo's small model cost: 0.15 and 0.60 USD a million."""
    return record.input_tokens * 150 + record.output_tokens * 600


async def test_what_is_still_being_counted_is_recorded_before_the_process_ends(
    demo: Demo, transactional_db: None, state_redis: "redis.Redis"
) -> None:
    async with open_house(demo, WordEmbedder()) as house:
        await hang_up_in_the_midst(house, f"{CAPITAL} [[fault:stream-stall]]")
        assert house.records == []
    assert [record.status for record in house.records] == [499]
