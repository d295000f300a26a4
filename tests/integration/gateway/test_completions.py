"""`/v1/chat/completions`, and streams at both routes: asked one way, answered from the cache the other way."""

import json
from typing import Any

import httpx
import pytest

from tests.gateway_house import House, bearer
from tests.sse import DONE, events, said

ROUTE = "/v1/chat/completions"
CAPITAL = "What is the capital of France?"
PARIS = "The capital of France is Paris."


async def complete(house: House, key: str, prompt: str = CAPITAL, **fields: Any) -> httpx.Response:
    body = {"model": "small-1", "messages": [{"role": "user", "content": prompt}], **fields}
    response = await house.client.post(ROUTE, headers=bearer(key), content=json.dumps(body))
    await house.parts.storer.drain()
    return response


async def test_a_completion_has_openais_form(house: House) -> None:
    response = await complete(house, house.alice)
    assert response.status_code == 200
    body = response.json()
    assert body["object"] == "chat.completion"
    assert body["id"] == response.headers["x-request-id"].replace("req_", "chatcmpl-")
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": PARIS},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert (
        body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"] == body["usage"]["total_tokens"]
    )
    assert response.headers["x-gateway-cache"] == "miss"
    assert response.headers["x-gateway-provider"] == "demo"
    assert response.headers["x-gateway-attempts"] == "demo/small-1;ok"


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("then", [False, True])
async def test_an_answer_is_the_same_whichever_way_it_is_asked(house: House, first: bool, then: bool) -> None:
    answers = []
    for stream in (first, then):
        response = await complete(house, house.alice, stream=stream)
        assert response.status_code == 200
        answers.append(text_of(response, stream=stream))
    assert answers == [PARIS] * 2
    assert response.headers["x-gateway-cache"] == "hit_exact"
    assert house.demo.calls() == 1


def text_of(response: httpx.Response, *, stream: bool) -> str:
    if not stream:
        return str(response.json()["choices"][0]["message"]["content"])
    assert response.headers["content-type"].startswith("text/event-stream")
    chunks = events(response.content)
    assert chunks.pop() == DONE
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert {chunk["id"] for chunk in chunks} == {
        response.headers["x-request-id"].replace("req_", "chatcmpl-")
    }
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    return said(chunks)


async def test_a_semantic_hit_is_replayed_as_a_stream(house: House) -> None:
    await complete(house, house.alice)
    response = await complete(house, house.alice, "The capital of France is what?", stream=True)
    assert response.headers["x-gateway-cache"] == "hit_semantic"
    assert text_of(response, stream=True) == PARIS
    assert house.demo.calls() == 1


@pytest.mark.parametrize("cache", ["miss", "hit_exact"])
async def test_a_stream_tells_its_usage_when_asked(house: House, cache: str) -> None:
    if cache == "hit_exact":
        await complete(house, house.alice)
    response = await complete(house, house.alice, stream=True, stream_options={"include_usage": True})
    assert response.headers["x-gateway-cache"] == cache
    *chunks, last, done = events(response.content)
    assert done == DONE
    assert all(chunk["usage"] is None for chunk in chunks)
    assert last["choices"] == []
    assert last["usage"]["prompt_tokens"] == 11
    assert last["usage"]["completion_tokens"] == 7


@pytest.mark.parametrize("cache", ["miss", "hit_exact"])
async def test_chat_streams_deltas_and_then_the_rest(house: House, cache: str) -> None:
    if cache == "hit_exact":
        await house.ask(house.alice, CAPITAL)
    response = await house.post(house.alice, {"prompt": CAPITAL, "stream": True})
    await house.parts.storer.drain()
    *deltas, rest, done = events(response.content)
    assert done == DONE
    assert len(deltas) > 1
    assert said(deltas) == PARIS
    assert "answer" not in rest
    assert rest["cache"]["status"] == cache
    assert rest["usage"] == {"input_tokens": 11, "output_tokens": 7}
    record = house.records[-1]
    assert (record.stream, record.status, record.cache_status) == (True, 200, cache)
    assert (record.input_tokens, record.output_tokens) == (11, 7)


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": []},
        {"messages": [{"role": "wizard", "content": "hi"}]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": [{"text": "no type"}]}]},
        {"temperature": "hot"},
        {"n": 0},
    ],
)
async def test_a_bad_request_is_400_here(house: House, fields: dict[str, Any]) -> None:
    response = await complete(house, house.alice, **fields)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert response.json()["error"]["param"].startswith(next(iter(fields)))
    assert response.headers["x-should-retry"] == "false"


async def test_a_failed_upstream_is_an_http_status_before_the_first_byte(house: House) -> None:
    response = await complete(house, house.alice, "[[fault:500]] hi", stream=True)
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "upstream_unavailable"


@pytest.mark.parametrize("fault", ["stream-cut", "stream-no-done", "stream-error", "stream-badjson"])
async def test_a_stream_that_breaks_ends_with_an_error_and_is_not_kept(house: House, fault: str) -> None:
    prompt = f"[[fault:{fault}:1]] {CAPITAL}"
    response = await complete(house, house.alice, prompt, stream=True)
    assert response.status_code == 200
    *chunks, last = events(response.content)
    assert last["error"]["code"].startswith("upstream_")
    assert chunks
    record = house.records[-1]
    assert record.status >= 500
    assert record.output_tokens > 0
    assert record.cost_nano > 0
    assert (await complete(house, house.alice, prompt)).headers["x-gateway-cache"] == "miss"


async def test_nobody_else_gets_an_answer_of_a_stream(house: House) -> None:
    await complete(house, house.alice, stream=True)
    for other in (house.bob, house.charlie):
        assert (await complete(house, other, stream=True)).headers["x-gateway-cache"] == "miss"


async def test_unknown_fields_reach_the_upstream_and_tell_questions_apart(house: House) -> None:
    for answers, status in ((1, "miss"), (1, "hit_exact"), (2, "miss")):
        response = await complete(house, house.alice, some_new_field={"answers": answers})
        assert response.headers["x-gateway-cache"] == status


async def test_all_choices_and_probabilities_of_a_fresh_answer_are_told(house: House) -> None:
    response = await complete(house, house.alice, n=2, logprobs=True)
    assert response.headers["x-gateway-cache"] == "bypass"
    choices = response.json()["choices"]
    assert [choice["index"] for choice in choices] == [0, 1]
    assert all(choice["logprobs"]["content"] for choice in choices)
