"""A provider of kind gemini behind the gateway: OpenAI's route in front, Google's own API over HTTP behind."""

import json
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
import redis
from asgiref.sync import sync_to_async
from django.utils import timezone

from routing.models import Model, ModelPrice, Provider
from routing.services import provider_key_set
from tests.demo_upstream import Demo
from tests.gateway_house import House, WordEmbedder, bearer, open_house
from tests.sse import DONE, events, said
from tests.vendors.gemini_server import KEY, RunningGemini, running_gemini

ROUTE = "/v1/chat/completions"
MODEL = "gemini-3.8-flash"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
PNG = "data:image/png;base64,iVBORw0KGgo="
#: USD per million tokens.
PRICES = {"input_usd": "0.75", "output_usd": "3.75", "cache_read_usd": "0.075", "cache_write_usd": "0.75"}


@pytest.fixture(scope="module")
def gemini() -> Iterator[RunningGemini]:
    with running_gemini() as running:
        yield running


@pytest.fixture
async def house(
    gemini: RunningGemini,
    demo: Demo,
    transactional_db: None,
    cache_redis: "redis.Redis",
    state_redis: "redis.Redis",
) -> AsyncIterator[House]:
    """A gateway that knows Gemini from its start."""
    await sync_to_async(add_gemini)(gemini.base_url)
    async with open_house(demo, WordEmbedder()) as opened:
        yield opened


def add_gemini(base_url: str) -> None:
    provider = Provider.objects.create(slug="google", name="Google", kind="gemini", base_url=base_url)
    provider_key_set(provider, "first", KEY)
    tier = Model.Tier.CHEAP
    model = Model.objects.create(
        provider=provider, name=MODEL, upstream_name=MODEL, tier=tier, context_tokens=1_000_000
    )
    prices = {name: Decimal(price) for name, price in PRICES.items()}
    ModelPrice.objects.create(model=model, effective_from=timezone.now(), **prices)


async def complete(house: House, *messages: Any, **fields: Any) -> httpx.Response:
    turns = [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages]
    body = {"model": f"google/{MODEL}", "messages": turns, **fields}
    response = await house.client.post(ROUTE, headers=bearer(house.alice), content=json.dumps(body))
    await house.parts.storer.drain()
    return response


async def test_a_question_is_answered_whole_and_as_a_stream(house: House) -> None:
    whole = await complete(house, {"role": "system", "content": "Be brief."}, "Hello", max_tokens=20)
    assert whole.status_code == 200, whole.text
    assert whole.json()["choices"][0]["message"]["content"] == "You asked: Hello"
    assert whole.headers["x-gateway-provider"] == "google"
    streamed = await complete(house, "Hello there", stream=True, stream_options={"include_usage": True})
    chunks = events(streamed.content)
    assert chunks[-1] == DONE
    assert said(chunks) == "You asked: Hello there"
    assert chunks[-2]["usage"]["prompt_tokens"] == 100


async def test_a_second_question_costs_nothing(house: House) -> None:
    await complete(house, "Hello", stream=True)
    again = await complete(house, "Hello")
    assert again.headers["x-gateway-cache"] == "hit_exact"
    assert again.json()["choices"][0]["message"]["content"] == "You asked: Hello"


@pytest.mark.parametrize("stream", [False, True])
async def test_cached_and_thought_tokens_are_priced_as_google_does(house: House, stream: bool) -> None:
    await complete(house, "think, cached", reasoning_effort="high", stream=stream)
    record = house.records[-1]
    assert (record.input_tokens, record.output_tokens) == (100, 100)
    assert (record.cached_input_tokens, record.reasoning_tokens, record.estimated) == (80, 60, False)
    # 20 x 0.75 + 80 x 0.075 + (40 + 60) x 3.75 USD per million, in nano-USD.
    assert record.cost_nano == 15_000 + 6_000 + 375_000


async def test_thoughts_are_reasoning_content(house: House) -> None:
    answer = (await complete(house, "think hard", reasoning_effort="low")).json()
    assert answer["choices"][0]["message"]["reasoning_content"] == "First I ponder. "
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 60


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_is_called_and_told(house: House, gemini: RunningGemini, stream: bool) -> None:
    called = await complete(house, "What weather?", tools=[TOOL], stream=stream)
    if stream:
        deltas = [chunk["choices"][0]["delta"] for chunk in events(called.content)[:-1] if chunk["choices"]]
        (call,) = [call for delta in deltas for call in delta.get("tool_calls", [])]
    else:
        assert called.json()["choices"][0]["finish_reason"] == "tool_calls"
        (call,) = called.json()["choices"][0]["message"]["tool_calls"]
    said_before = {"role": "assistant", "content": None, "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": call["id"], "content": "sunny"}
    told = await complete(house, "What weather?", said_before, result, tools=[TOOL])
    assert told.json()["choices"][0]["message"]["content"] == 'It says: [{"output": "sunny"}]'
    assert gemini.ledger()[-1]["body"]["contents"][1]["parts"][0]["thoughtSignature"] == "c2lnbmF0dXJl"


async def test_a_picture_reaches_the_model(house: House) -> None:
    parts = [{"type": "image_url", "image_url": {"url": PNG}}, {"type": "text", "text": "What is it?"}]
    answer = await complete(house, {"role": "user", "content": parts})
    assert answer.json()["choices"][0]["message"]["content"] == "I see image/png. You asked: What is it?"


async def test_a_blocked_prompt_is_a_refusal_that_is_not_kept(house: House) -> None:
    for _ in range(2):
        answer = await complete(house, "block")
        assert answer.status_code == 200
        assert answer.headers["x-gateway-cache"] == "miss"
        choice = answer.json()["choices"][0]
        assert choice["finish_reason"] == "content_filter"
        assert choice["message"]["refusal"]


@pytest.mark.parametrize(("wish", "status"), [("fail 503", 503), ("fail 500", 503), ("fail 402", 503)])
async def test_a_failure_is_ours_in_our_words(house: House, wish: str, status: int) -> None:
    refused = await complete(house, wish)
    assert refused.status_code == status
    assert "canary" not in refused.text
    assert KEY not in refused.text


async def test_what_gemini_cannot_say_is_not_asked(house: House, gemini: RunningGemini) -> None:
    asked = len(gemini.ledger())
    refused = await complete(house, "Hello", logit_bias={"50256": -100})
    assert refused.status_code >= 400
    assert len(gemini.ledger()) == asked


@pytest.mark.parametrize("wish", ["break", "error"])
async def test_a_stream_that_breaks_has_no_end_marker_and_is_not_kept(house: House, wish: str) -> None:
    for _ in range(2):
        broken = await complete(house, wish, stream=True)
        assert broken.status_code == 200
        assert broken.headers["x-gateway-cache"] == "miss"
        assert DONE not in broken.text
        assert "canary" not in broken.text
