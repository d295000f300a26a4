"""OpenAI's own client against the whole running product: nothing but `base_url` and the key differ."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal
from uuid import uuid4

import httpx
import httpx2
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessageParam,
    ChatCompletionToolParam,
)
from pydantic import BaseModel

from tests.acceptance.stack import Stack, eventually

WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
#: One red pixel.
PNG = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8Dw"
    "HwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[OpenAI]:
    with client_of(stack, stack.env["HALFPENNY_KEY"]) as made:
        yield made


def client_of(stack: Stack, key: str, **options: Any) -> OpenAI:
    """A client that retries nothing of itself and asks no proxy."""
    http = openai.DefaultHttpxClient(trust_env=False, **options.pop("http", {}))
    url = stack.env["HALFPENNY_URL"] + "/v1"
    return OpenAI(base_url=url, api_key=key, http_client=http, **{"max_retries": 0, **options})


def asked(text: str, *, once: bool = True) -> list[ChatCompletionMessageParam]:
    """Return the messages of a question; `once`: that nobody has asked before."""
    return [{"role": "user", "content": f"{text} ({uuid4().hex[:6]})" if once else text}]


def ask(client: OpenAI, text: str, **fields: Any) -> ChatCompletion:
    answer: ChatCompletion = client.chat.completions.create(model="auto", messages=asked(text), **fields)
    return answer


def streamed(
    client: OpenAI, messages: list[ChatCompletionMessageParam], **fields: Any
) -> list[ChatCompletionChunk]:
    fields = {"model": "auto", **fields}
    with client.chat.completions.create(messages=messages, stream=True, **fields) as chunks:
        return list(chunks)


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def finish_of(chunks: list[ChatCompletionChunk]) -> list[str | None]:
    return [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]


def test_a_question_is_answered(client: OpenAI) -> None:
    answer = ask(client, "What is the capital of France?")
    assert answer.object == "chat.completion"
    assert "Paris" in (answer.choices[0].message.content or "")
    assert (answer.choices[0].message.role, answer.choices[0].finish_reason) == ("assistant", "stop")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert abs(answer.created - time.time()) < 60


@pytest.mark.parametrize("model", ["auto", "small-1", "demo/small-1"])
def test_models_go_by_several_names(client: OpenAI, model: str) -> None:
    answer = client.chat.completions.create(model=model, messages=asked("Name a large river"))
    assert answer.model in ("small-1", "large-1")


@pytest.mark.parametrize("with_usage", [True, False])
def test_a_stream_tells_its_usage_only_if_asked(client: OpenAI, with_usage: bool) -> None:
    fields = {"stream_options": {"include_usage": True}} if with_usage else {}
    chunks = streamed(client, asked("Why is the sky blue?"), **fields)
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in chunks}) == 1
    assert len(text_of(chunks)) > 10
    assert finish_of(chunks) == ["stop"]
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert len(usages) == int(with_usage)
    assert not with_usage or (chunks[-1].usage is not None and chunks[-1].choices == [])


def test_chunks_come_as_the_upstream_makes_them(client: OpenAI) -> None:
    # Whoever waited for the end would wait for ever.
    messages = asked("[[fault:stream-stall]] Tell me about cats")
    with client.chat.completions.create(model="auto", messages=messages, stream=True) as chunks:
        assert any(chunk.choices[0].delta.content for chunk in chunks)


async def test_the_async_client_is_answered_too(stack: Stack) -> None:
    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    url, key = stack.env["HALFPENNY_URL"] + "/v1", stack.env["HALFPENNY_KEY"]
    async with AsyncOpenAI(base_url=url, api_key=key, http_client=http, max_retries=0) as client:
        plain = await client.chat.completions.create(model="auto", messages=asked("Who wrote Hamlet?"))
        assert "Shakespeare" in (plain.choices[0].message.content or "")
        stream = await client.chat.completions.create(
            model="auto", messages=asked("Who wrote Hamlet?"), stream=True
        )
        assert "Shakespeare" in text_of([chunk async for chunk in stream])


Way = Literal["plain", "stream"]


@pytest.mark.parametrize("second", ["plain", "stream"])
@pytest.mark.parametrize("first", ["plain", "stream"])
def test_a_hit_is_the_same_answer_whichever_way_it_was_and_is_asked(
    client: OpenAI, first: Way, second: Way
) -> None:
    messages = asked("Why do leaves turn red?")
    before = told(client, messages, first)
    assert before["cache"] != "hit_exact"
    hits: list[dict[str, Any]] = []

    def is_hit() -> bool:
        hits.append(told(client, messages, second))
        return bool(hits[-1]["cache"] == "hit_exact")

    assert eventually(is_hit), hits[-1]
    assert (hits[-1]["text"], hits[-1]["usage"]) == (before["text"], before["usage"])
    assert hits[-1]["finish"] == before["finish"] == ["stop"]
    ids = [before["id"], *(hit["id"] for hit in hits), told(client, messages, second)["id"]]
    assert len(set(ids)) == len(ids)


def told(client: OpenAI, messages: list[ChatCompletionMessageParam], way: Way) -> dict[str, Any]:
    """Ask in one of the two ways and return what both tell."""
    if way == "plain":
        raw = client.chat.completions.with_raw_response.create(model="auto", messages=messages)
        answer = raw.parse()
        finish: list[str | None] = [answer.choices[0].finish_reason]
        return {
            "cache": raw.headers["x-gateway-cache"],
            "id": answer.id,
            "text": answer.choices[0].message.content,
            "finish": finish,
            "usage": answer.usage,
        }
    with client.chat.completions.with_streaming_response.create(
        model="auto", messages=messages, stream=True, stream_options={"include_usage": True}
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = [line.removeprefix("data: ") for line in response.iter_lines() if line]
        assert events.count("[DONE]") == 1
        assert events[-1] == "[DONE]"
        chunks = [ChatCompletionChunk.model_validate_json(event) for event in events[:-1]]
        return {
            "cache": response.headers["x-gateway-cache"],
            "id": chunks[0].id,
            "text": text_of(chunks),
            "finish": finish_of(chunks),
            "usage": chunks[-1].usage,
        }


def test_a_tool_is_called_and_its_result_answered(client: OpenAI) -> None:
    messages = asked("Use get_weather for Paris")
    first = client.chat.completions.create(model="auto", messages=messages, tools=[WEATHER])
    (call,) = first.choices[0].message.tool_calls or []
    assert first.choices[0].finish_reason == "tool_calls"
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    said: Any = first.choices[0].message.model_dump(exclude_none=True)
    result: ChatCompletionMessageParam = {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}
    second = client.chat.completions.create(model="auto", messages=[*messages, said, result], tools=[WEATHER])
    assert "21 degrees" in (second.choices[0].message.content or "")


def test_streamed_tool_calls_add_up(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model="auto", messages=asked("Use get_weather for Oslo"), tools=[WEATHER]
    ) as stream:
        events = [event.type for event in stream]
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls or []
    assert json.loads(call.function.arguments) == {"city": "Oslo"}
    assert events.count("tool_calls.function.arguments.delta") > 1
    assert final.choices[0].finish_reason == "tool_calls"


class Place(BaseModel):
    city: str
    population: int
    answer: str


@pytest.mark.parametrize("way", ["plain", "stream"])
def test_structured_output_is_parsed(client: OpenAI, way: Way) -> None:
    messages = asked("The city Lisbon has 545000 people")
    if way == "plain":
        answer = client.chat.completions.parse(model="auto", messages=messages, response_format=Place)
    else:
        with client.chat.completions.stream(model="auto", messages=messages, response_format=Place) as stream:
            answer = stream.get_final_completion()
    place = answer.choices[0].message.parsed
    assert isinstance(place, Place)
    assert (place.city, place.population) == ("Lisbon", 545000)


def test_json_mode_gives_json(client: OpenAI) -> None:
    answer = ask(client, "Hello there", response_format={"type": "json_object"})
    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


def test_images_are_passed_on(client: OpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": f"What is in this picture? ({uuid4().hex[:6]})"},
                {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
            ],
        }
    ]
    answer = client.chat.completions.create(model="auto", messages=messages)
    assert (answer.choices[0].message.content or "").startswith("I looked at 1 image.")


def test_sampling_fields_do_what_they_say(client: OpenAI) -> None:
    several = ask(client, "What is the capital of Italy?", n=2, seed=7, stop=["never said"], temperature=0.5)
    assert [choice.index for choice in several.choices] == [0, 1]
    assert len({choice.message.content for choice in several.choices}) == 2
    short = ask(client, "Tell me about the sea", max_completion_tokens=3)
    assert short.choices[0].finish_reason == "length"
    likely = ask(client, "Hello there", logprobs=True, top_logprobs=2)
    logprobs = likely.choices[0].logprobs
    assert logprobs is not None
    assert "".join(token.token for token in logprobs.content or []) == likely.choices[0].message.content


def test_thoughts_are_passed_on_and_counted(client: OpenAI) -> None:
    answer = ask(client, "[[reason]] Why is the sky blue?")
    assert (answer.choices[0].message.model_extra or {})["reasoning_content"]
    assert answer.usage is not None
    details = answer.usage.completion_tokens_details
    assert details is not None
    assert (details.reasoning_tokens or 0) > 0


def test_unknown_fields_reach_the_provider(client: OpenAI, upstream: "Ledger") -> None:
    upstream.reset()
    ask(client, "Hello there", extra_body={"vendor_wish": {"deep": True}})
    assert "vendor_wish" in upstream.report()["last"][-1]["fields"]


class Ledger:
    """What the stack's demo upstream was asked."""

    def __init__(self, url: str) -> None:
        self._url = url.removesuffix("/v1") + "/ledger"

    def report(self) -> dict[str, Any]:
        return dict(httpx.get(self._url, trust_env=False, timeout=30).json())

    def reset(self) -> None:
        httpx.delete(self._url, trust_env=False, timeout=30)


@pytest.fixture(scope="module")
def upstream(stack: Stack) -> Ledger:
    return Ledger(stack.env["HALFPENNY_UPSTREAM_URL"])


def error_of(error: openai.APIStatusError) -> dict[str, Any]:
    """Return the error object, whose form is checked."""
    body = error.response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "code", "param"}
    assert error.request_id is not None
    assert error.request_id.startswith("req_")
    return dict(body["error"])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 9}, "temperature"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages.0"),
        ({"n": "two"}, "n"),
        ({"tools": "all"}, "tools"),
    ],
)
def test_an_invalid_request_is_a_bad_request(client: OpenAI, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{"model": "auto", "messages": asked("Hello"), **fields})
    assert (caught.value.code, caught.value.param) == ("invalid_request", param)
    assert error_of(caught.value)["type"] == "invalid_request_error"


def test_a_wrong_key_is_an_authentication_error(stack: Stack) -> None:
    with client_of(stack, "hp_wrong_key") as client, pytest.raises(openai.AuthenticationError) as caught:
        ask(client, "Hello")
    assert error_of(caught.value)["code"] == "invalid_api_key"


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-nothing", messages=asked("Hello"))
    assert (error_of(caught.value)["code"], caught.value.param) == ("model_not_found", "model")


def test_a_key_with_few_models_is_denied_the_others(stack: Stack) -> None:
    issued = issue(stack, "--models", "small-1")
    with client_of(stack, issued) as client:
        assert client.chat.completions.create(model="small-1", messages=asked("Hello")).choices
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.chat.completions.create(model="large-1", messages=asked("Hello"))
    assert error_of(caught.value)["code"] == "model_not_allowed"


def test_a_key_beyond_its_limit_is_a_rate_limit_error(stack: Stack) -> None:
    with (
        client_of(stack, issue(stack, "--rpm", "1")) as client,
        pytest.raises(openai.RateLimitError) as caught,
    ):
        ask_often(client)
    assert error_of(caught.value)["code"] == "rate_limit_exceeded"
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60


def ask_often(client: OpenAI) -> None:
    """Ask three times: a minute may turn between two of them, not twice."""
    for _ in range(3):
        ask(client, "Hello")


def issue(stack: Stack, *options: str) -> str:
    words = ("key_issue", "acme", "--label", uuid4().hex[:8], *options, "--json")
    return str(json.loads(stack.manage(*words))["key"])


def test_headers_tell_of_cache_limits_and_request(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=asked("Hello there"))
    assert raw.headers["x-gateway-cache"] in ("miss", "bypass", "error", "hit_semantic")
    assert raw.headers["cache-status"].startswith("halfpenny;")
    assert raw.headers["x-request-id"].startswith("req_")
    assert "total;dur=" in raw.headers["server-timing"]
    assert raw.parse().choices


@pytest.fixture
def rested(client: OpenAI) -> None:
    """Both models answer: neither is left alone for what the tests before had it do."""

    def answers(model: str) -> bool:
        try:
            return bool(client.chat.completions.create(model=model, messages=asked("Hello")).choices)
        except openai.InternalServerError:
            return False

    assert eventually(lambda: answers("small-1") and answers("large-1"))


@pytest.mark.usefixtures("rested")
@pytest.mark.parametrize("fault", ["500", "503", "404", "echo-key", "html", "badjson", "empty"])
def test_a_final_failure_is_not_asked_again_by_the_client(stack: Stack, fault: str) -> None:
    sent: list[httpx2.Request] = []
    with (
        client_of(
            stack, stack.env["HALFPENNY_KEY"], max_retries=2, http={"event_hooks": {"request": [sent.append]}}
        ) as client,
        pytest.raises(openai.InternalServerError) as caught,
    ):
        ask(client, f"[[fault:{fault}]] please")
    assert len(sent) == 1
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert caught.value.status_code in (502, 503)
    assert "demo" not in error_of(caught.value)["message"].lower()


@pytest.mark.usefixtures("rested")
def test_a_failure_that_passes_is_not_seen(client: OpenAI, upstream: Ledger) -> None:
    upstream.reset()
    assert ask(client, "[[fault:503:1]] please").choices[0].finish_reason == "stop"


def upstream_closed(upstream: Ledger) -> bool:
    return eventually(lambda: (r := upstream.report())["hung_up"] == 1 and r["open"] == 0)


@pytest.mark.usefixtures("rested")
def test_a_stream_that_is_abandoned_is_closed_upstream(
    client: OpenAI, upstream: Ledger, stack: Stack
) -> None:
    upstream.reset()
    messages = asked("[[fault:stream-endless]] please")
    with client.chat.completions.create(model="auto", messages=messages, stream=True) as chunks:
        for _ in range(5):
            next(iter(chunks))
    assert upstream_closed(upstream)
    assert eventually(lambda: last_status(stack) == (499, True))


def last_status(stack: Stack) -> tuple[Any, ...]:
    """Return the status of acme's latest record and whether tokens of an answer are in it."""
    query = (
        "SELECT status, output_tokens > 0 FROM analytics_requestrecord r"
        " JOIN tenants_tenant t ON t.id = r.tenant_id WHERE t.slug = 'acme' ORDER BY started_at DESC LIMIT 1"
    )
    return stack.rows(query)[0]


def test_a_client_that_gives_up_waiting_ends_the_call(client: OpenAI, upstream: Ledger) -> None:
    upstream.reset()
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=2, max_retries=0).chat.completions.create(
            model="auto", messages=asked("[[fault:hang]] please")
        )
    assert upstream_closed(upstream)


BROKEN_AFTER_ITS_BEGINNING = [
    "stream-cut",
    "stream-error",
    "stream-badjson",
    "stream-big-event",
    "stream-no-finish",
]


@pytest.mark.usefixtures("rested")
@pytest.mark.parametrize("fault", BROKEN_AFTER_ITS_BEGINNING)
def test_a_stream_that_breaks_is_an_error_and_never_a_hit(
    client: OpenAI, upstream: Ledger, fault: str
) -> None:
    upstream.reset()
    messages = asked(f"[[fault:{fault}:1]] Why is the sea salty?")
    received: list[ChatCompletionChunk] = []
    with pytest.raises(openai.APIError):
        collect(client, messages, received.append)
    assert received
    assert finish_of(received) == []
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=messages)
    assert not raw.headers["x-gateway-cache"].startswith("hit")


@pytest.mark.usefixtures("rested")
@pytest.mark.parametrize("fault", ["stream-empty", "stream-html", "stream-prose"])
def test_a_stream_that_never_begins_is_a_bad_gateway(client: OpenAI, fault: str) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        streamed(client, asked(f"[[fault:{fault}]] please"))
    assert caught.value.status_code == 502
    assert error_of(caught.value)["code"] == "upstream_invalid_response"


def collect(
    client: OpenAI,
    messages: list[ChatCompletionMessageParam],
    keep: Callable[[ChatCompletionChunk], None],
) -> None:
    with client.chat.completions.create(model="auto", messages=messages, stream=True) as chunks:
        for chunk in chunks:
            keep(chunk)


@pytest.mark.usefixtures("rested")
@pytest.mark.parametrize("fault", ["stream-split", "stream-no-usage"])
def test_a_stream_of_an_odd_form_is_whole(client: OpenAI, fault: str) -> None:
    messages = asked(f"[[fault:{fault}]] Why is the sea salty?")
    chunks = streamed(client, messages, stream_options={"include_usage": True})
    assert finish_of(chunks) == ["stop"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


def test_models_are_listed_and_shown(client: OpenAI) -> None:
    names = {model.id for model in client.models.list()}
    assert {"auto", "small-1", "demo/small-1"} <= names
    assert client.models.retrieve("small-1").owned_by == "demo"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-nothing")


def test_texts_are_embedded(client: OpenAI) -> None:
    embedder = next(model.id for model in client.models.list() if "MiniLM" in model.id)
    texts = ["The sky is blue", "The heavens are azure", "Rust never sleeps"]
    answer = client.embeddings.create(model=embedder, input=texts)
    first, second, third = (each.embedding for each in answer.data)
    assert {len(first), len(second), len(third)} == {384}
    assert similarity(first, second) > similarity(first, third)
    plain = client.embeddings.create(model=embedder, input=texts[0], encoding_format="float", dimensions=384)
    assert plain.data[0].embedding == pytest.approx(first, abs=1e-3)
    assert answer.usage.total_tokens > 0


def similarity(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_texts_that_cannot_be_embedded_are_bad_requests(client: OpenAI) -> None:
    impossible: list[str | list[str]] = ["word " * 2000, [], ""]
    for bad in impossible:
        with pytest.raises(openai.BadRequestError) as caught:
            client.embeddings.create(model="auto", input=bad)
        assert caught.value.param == "input"
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="text-embedding-3-small", input="Hello")
