"""Anthropic behind the gateway: asked in OpenAI's words, over real HTTP, by a server as strict as the vendor's."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async

from routing.models import Model, ModelPrice, Provider
from routing.services import provider_key_set
from tests.gateway_house import House, bearer
from tests.sse import DONE, events, said
from tests.vendors.anthropic_server import KEY, MODEL, AnthropicServer, Reply, running

#: Nano-USD per token.
INPUT, CACHE_READ, CACHE_WRITE, OUTPUT = 4000, 200, 5000, 20_000
TOOL = {
    "type": "function",
    "function": {"name": "sky", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}},
}
LONG = {"type": "text", "text": "Be brief. " * 100, "cache_control": {"type": "ephemeral"}}
WORDS = "the vendor's own words, which nobody else may see"


@dataclass(frozen=True, kw_only=True)
class Claude:
    """The gateway with Anthropic behind it, and the vendor itself."""

    house: House
    vendor: AnthropicServer

    async def post(self, content: Any, *, before: tuple[Any, ...] = (), **fields: Any) -> httpx.Response:
        """Ask what `content` says, behind the messages `before`."""
        body = {"model": MODEL, "messages": [*before, {"role": "user", "content": content}], **fields}
        response = await self.house.client.post(
            "/v1/chat/completions", headers=bearer(self.house.alice), content=json.dumps(body)
        )
        await self.house.parts.storer.drain()
        return response

    async def choice(self, content: Any, **fields: Any) -> dict[str, Any]:
        """Ask and return the only choice."""
        response = await self.post(content, **fields)
        assert response.status_code == 200, response.text
        (choice,) = response.json()["choices"]
        return dict(choice)


def _add_provider(base_url: str, secret: str = KEY) -> None:
    provider = Provider.objects.create(
        slug="anthropic", name="Anthropic", kind=Provider.Kind.ANTHROPIC, base_url=base_url
    )
    provider_key_set(provider, "first", secret)
    model = Model.objects.create(
        provider=provider, name=MODEL, upstream_name=MODEL, tier=Model.Tier.STRONG, context_tokens=1_000_000
    )
    ModelPrice.objects.create(
        model=model,
        input_usd=Decimal("4.00"),
        output_usd=Decimal("20.00"),
        cache_read_usd=Decimal("0.20"),
        cache_write_usd=Decimal("5.00"),
    )


@pytest.fixture
async def vendor(transactional_db: None) -> AsyncIterator[AnthropicServer]:
    """The vendor's server, known to the gateway as a provider."""
    server = AnthropicServer()
    with running(server) as base_url:
        await sync_to_async(_add_provider)(base_url)
        yield server


@pytest.fixture
def claude(vendor: AnthropicServer, house: House) -> Claude:
    """The gateway, which opens behind the vendor: it finds its policies made."""
    return Claude(house=house, vendor=vendor)


def cost_of(usage: dict[str, Any]) -> int:
    """Return what the vendor's price list says, in nano-USD."""
    return int(
        usage["input_tokens"] * INPUT
        + usage["cache_read_input_tokens"] * CACHE_READ
        + usage["cache_creation_input_tokens"] * CACHE_WRITE
        + usage["output_tokens"] * OUTPUT
    )


async def test_a_question_is_answered_and_kept(claude: Claude) -> None:
    response = await claude.post("Hello")
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "You said: Hello"}
    assert body["choices"][0]["finish_reason"] == "stop"
    assert response.headers["x-gateway-provider"] == "anthropic"
    assert response.headers["x-gateway-attempts"] == f"anthropic/{MODEL};ok"
    again = await claude.post("Hello")
    assert again.headers["x-gateway-cache"] == "hit_exact"
    assert again.json()["choices"] == body["choices"]
    assert len(claude.vendor.received) == 1


async def test_chat_is_answered_too(claude: Claude) -> None:
    answer = await claude.house.ask(claude.house.alice, "Hello", model=f"anthropic/{MODEL}")
    assert answer["answer"] == "You said: Hello"
    assert answer["provider"] == "anthropic"


@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_vendor_caches_is_paid_at_its_own_price(claude: Claude, stream: bool) -> None:
    system = {"role": "system", "content": [LONG]}
    for question in ("One", "Two"):
        assert (await claude.post(question, before=(system,), stream=stream)).status_code == 200
    written, read = claude.vendor.usages
    assert written["cache_creation_input_tokens"] == read["cache_read_input_tokens"] > 1000
    first, second = claude.house.records
    assert (first.cost_nano, second.cost_nano) == (cost_of(written), cost_of(read))
    assert first.input_tokens == second.input_tokens == read["input_tokens"] + read["cache_read_input_tokens"]
    assert (first.cached_input_tokens, second.cached_input_tokens) == (0, read["cache_read_input_tokens"])
    assert not first.estimated


async def test_a_stream_comes_in_pieces_and_tells_its_usage(claude: Claude) -> None:
    response = await claude.post("Hello", stream=True, stream_options={"include_usage": True})
    *chunks, last, done = events(response.content)
    assert done == DONE
    assert said(chunks) == "You said: Hello"
    assert len(chunks) > 4
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert last["usage"]["completion_tokens"] == claude.vendor.usages[0]["output_tokens"]
    assert (await claude.post("Hello")).headers["x-gateway-cache"] == "hit_exact"


async def test_a_tool_is_called_and_its_result_is_taken(claude: Claude) -> None:
    choice = await claude.choice("What colour?", tools=[TOOL], tool_choice="auto", reasoning_effort="low")
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["reasoning_content"] == "Let me see."
    (call,) = choice["message"]["tool_calls"]
    assert call["function"] == {"name": "sky", "arguments": '{"at":"seven"}'}
    before = (
        {"role": "user", "content": "What colour?"},
        choice["message"],
        {"role": "tool", "tool_call_id": call["id"], "content": "blue"},
    )
    answered = await claude.choice("So?", before=before, tools=[TOOL], reasoning_effort="low")
    assert answered["message"]["content"] == "The tool said: blue"
    assert claude.vendor.refusals == []


async def test_a_tool_is_called_in_a_stream(claude: Claude) -> None:
    response = await claude.post("What colour?", tools=[TOOL], tool_choice="required", stream=True)
    *chunks, done = events(response.content)
    assert done == DONE
    calls = [
        call
        for chunk in chunks
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls", ())
    ]
    assert calls[0]["id"] == "toolu_01A09q90"
    assert "".join(call["function"]["arguments"] for call in calls) == '{"at":"seven"}'
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_an_image_is_seen(claude: Claude) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    choice = await claude.choice([{"type": "text", "text": "What is it?"}, image])
    assert choice["message"]["content"] == "You said: What is it? (1 image)"


async def test_an_answer_keeps_to_a_schema(claude: Claude) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": False}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}}
    choice = await claude.choice("A number", response_format=wanted)
    assert choice["message"]["content"] == '{"n":7}'


async def test_names_of_users_reach_the_vendor_only_salted(claude: Claude) -> None:
    await claude.choice("Hello", user="ann@example.com", seed=7, prompt_cache_key="k")
    (sent,) = claude.vendor.received
    assert sent["metadata"]["user_id"] not in ("", "ann@example.com")
    assert sent["max_tokens"] == 32_000


@pytest.mark.parametrize(
    "fields", [{"n": 2}, {"temperature": 1.5}, {"response_format": {"type": "json_object"}}], ids=str
)
async def test_what_it_cannot_express_is_told(claude: Claude, fields: dict[str, Any]) -> None:
    response = await claude.post("Hello", **fields)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["code"] == "unsupported_parameter"
    assert claude.vendor.received == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "kind", "words", "seen", "code"),
    [
        (529, "overloaded_error", WORDS, 503, "upstream_unavailable"),
        (400, "invalid_request_error", WORDS, 400, "upstream_refused_request"),
        (400, "invalid_request_error", "prompt is too long: " + WORDS, 400, "context_length_exceeded"),
        (401, "authentication_error", WORDS, 502, "upstream_refused_key"),
        (404, "not_found_error", WORDS, 502, "upstream_unknown_model"),
    ],
)
async def test_the_vendors_errors_are_ours_to_word(  # noqa: PLR0917
    claude: Claude, status: int, kind: str, words: str, seen: int, code: str, stream: bool
) -> None:
    claude.vendor.replies.extend([Reply(status=status, error=kind, words=words)] * 10)
    response = await claude.post("Hello", stream=stream)
    assert (response.status_code, response.json()["error"]["code"]) == (seen, code)
    assert WORDS not in response.text
    assert KEY not in response.text
    claude.vendor.replies.clear()
    assert (await claude.post("Hello")).headers.get("x-gateway-cache") != "hit_exact"


@pytest.mark.parametrize(
    "reply", [Reply(error="overloaded_error", words=WORDS), Reply(cut=True)], ids=["error", "cut"]
)
async def test_a_stream_that_breaks_ends_with_an_error_and_is_not_kept(claude: Claude, reply: Reply) -> None:
    claude.vendor.replies.append(reply)
    response = await claude.post("Hello", stream=True)
    *chunks, last = events(response.content)
    assert said(chunks) == "As told."
    assert last["error"]["code"].startswith("upstream_")
    assert WORDS not in response.text
    record = claude.house.records[-1]
    assert record.cost_nano > 0
    assert (await claude.post("Hello")).headers["x-gateway-cache"] == "miss"


async def test_a_refusal_is_filtered_content_and_not_kept(claude: Claude) -> None:
    claude.vendor.replies.append(Reply(blocks=[], stop_reason="refusal"))
    assert (await claude.choice("Hello"))["finish_reason"] == "content_filter"
    assert (await claude.post("Hello")).headers["x-gateway-cache"] == "miss"
