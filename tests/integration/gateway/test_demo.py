"""The demo upstream spoken to over HTTP, as providers are."""

import base64
import json
import time
from typing import Any

import httpx
import pytest

from tests.demo_upstream import Demo

HEADERS = {"authorization": "Bearer any"}


def post(demo: Demo, prompt: str = "Hi", model: str = "small-1", **fields: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], **fields}
    return httpx.post(f"{demo.base_url}/chat/completions", json=body, headers=HEADERS, trust_env=False)


def test_the_same_question_has_the_very_same_answer(demo: Demo) -> None:
    first, second = post(demo, "Why is the sky blue?"), post(demo, "Why is the sky blue?")
    assert first.content == second.content
    usage = first.json()["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0


def test_the_ledger_counts_calls_and_remembers_prompts(demo: Demo) -> None:
    post(demo, "one")
    post(demo, "two", model="large-1")
    ledger = demo.ledger()
    assert ledger["calls"] == 2
    assert ledger["by_model"] == {"small-1": 1, "large-1": 1}
    assert [call["prompt"] for call in ledger["last"]] == ["one", "two"]


def test_a_stream_adds_up_to_the_whole_answer(demo: Demo) -> None:
    whole = post(demo, "Why is the sky blue?", "large-1").json()
    streamed = post(
        demo, "Why is the sky blue?", "large-1", stream=True, stream_options={"include_usage": True}
    )
    assert streamed.headers["content-type"].startswith("text/event-stream")
    events = [line.removeprefix("data: ") for line in streamed.text.split("\n\n") if line]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])
    assert text == whole["choices"][0]["message"]["content"]
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "stop"
    assert chunks[-1]["usage"] == whole["usage"]


def test_models_are_listed(demo: Demo) -> None:
    models = httpx.get(f"{demo.base_url}/models", trust_env=False).json()
    assert [model["id"] for model in models["data"]] == ["small-1", "large-1", "embed-1"]


def test_a_key_is_needed(demo: Demo) -> None:
    for headers in ({}, {"authorization": "Bearer"}, {"authorization": "Basic x"}):
        answer = httpx.post(f"{demo.base_url}/chat/completions", json={}, headers=headers, trust_env=False)
        assert answer.status_code == 401


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"model": "x", "messages": []}', b'{"model": 1}'])
def test_nonsense_is_refused(demo: Demo, content: bytes) -> None:
    url = f"{demo.base_url}/chat/completions"
    assert httpx.post(url, content=content, headers=HEADERS, trust_env=False).status_code == 400


def test_a_fault_is_committed_as_often_as_asked(demo: Demo) -> None:
    statuses = [post(demo, model="fault:429:2").status_code for _ in range(3)]
    assert statuses == [429, 429, 200]
    assert post(demo, model="fault:503:1:7").headers["retry-after"] == "7"


def test_a_fault_can_be_asked_for_in_the_prompt(demo: Demo) -> None:
    assert post(demo, "[[fault:500:1]] please").status_code == 500
    assert post(demo, "[[fault:500:1]] please").status_code == 200


def test_the_latency_is_set_by_the_caller(demo: Demo) -> None:
    body = {"model": "small-1", "messages": [{"role": "user", "content": "Hi"}]}
    answer = httpx.post(
        f"{demo.base_url}/chat/completions",
        json=body,
        headers={**HEADERS, "x-demo-latency-ms": "120"},
        trust_env=False,
    )
    assert answer.elapsed.total_seconds() >= 0.12


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CLOCK = {"type": "function", "function": {"name": "get_time"}}


def choice_of(demo: Demo, prompt: str, **fields: Any) -> dict[str, Any]:
    answer = post(demo, prompt, **fields)
    assert answer.status_code == 200
    choice: dict[str, Any] = answer.json()["choices"][0]
    return choice


def chunks_of(text: str) -> list[dict[str, Any]]:
    events = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    return [json.loads(event) for event in events if event != "[DONE]"]


def deltas_of(demo: Demo, prompt: str, **fields: Any) -> list[dict[str, Any]]:
    chunks = chunks_of(post(demo, prompt, stream=True, **fields).text)
    return [chunk["choices"][0]["delta"] for chunk in chunks]


def test_a_tool_is_called_that_the_prompt_names(demo: Demo) -> None:
    choice = choice_of(demo, "Use get_weather for Paris", tools=[CLOCK, WEATHER])
    (call,) = choice["message"]["tool_calls"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)
    assert call["function"] == {"name": "get_weather", "arguments": '{"city":"Paris"}'}


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("none", []),
        ("auto", []),
        ("required", ["get_time"]),
        ({"type": "function", "function": {"name": "get_weather"}}, ["get_weather"]),
    ],
)
def test_tool_choice_decides_where_the_prompt_names_no_tool(
    demo: Demo, choice: Any, called: list[str]
) -> None:
    message = choice_of(demo, "Hello there", tools=[CLOCK, WEATHER], tool_choice=choice)["message"]
    assert [call["function"]["name"] for call in message.get("tool_calls", ())] == called


def test_streamed_arguments_add_up_to_those_of_the_whole_answer(demo: Demo) -> None:
    fields: dict[str, Any] = {"tools": [CLOCK, WEATHER]}
    prompt = "get_weather and get_time for Oslo"
    whole = choice_of(demo, prompt, **fields)["message"]["tool_calls"]
    pieces = [delta["tool_calls"][0] for delta in deltas_of(demo, prompt, **fields) if "tool_calls" in delta]
    assert len(pieces) > len(whole) == 2
    for index, call in enumerate(whole):
        arguments = [piece["function"]["arguments"] for piece in pieces if piece["index"] == index]
        assert "".join(arguments) == call["function"]["arguments"]
        assert [piece["id"] for piece in pieces if piece["index"] == index and "id" in piece] == [call["id"]]


def test_a_tools_result_is_answered_in_words(demo: Demo) -> None:
    call = choice_of(demo, "get_weather in Rome", tools=[WEATHER])["message"]
    messages = [
        {"role": "user", "content": "get_weather in Rome"},
        call,
        {"role": "tool", "tool_call_id": call["tool_calls"][0]["id"], "content": "21 degrees"},
    ]
    body = {"model": "small-1", "messages": messages, "tools": [WEATHER]}
    answer = httpx.post(
        f"{demo.base_url}/chat/completions", json=body, headers=HEADERS, trust_env=False
    ).json()
    assert "21 degrees" in answer["choices"][0]["message"]["content"]


def test_more_choices_and_seeds_say_it_differently(demo: Demo) -> None:
    choices = post(demo, "What is the capital of France?", n=3).json()["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2]
    assert len({choice["message"]["content"] for choice in choices}) == 3
    seeded = choice_of(demo, "What is the capital of France?", seed=1)
    assert seeded["message"]["content"] == choices[1]["message"]["content"]


def test_a_text_ends_before_its_stop_sequence(demo: Demo) -> None:
    whole = choice_of(demo, "Why is the sky blue?")["message"]["content"]
    place = whole.index(" ", 10)
    stopped = choice_of(demo, "Why is the sky blue?", stop=["never said", whole[place : place + 4]])
    assert (stopped["message"]["content"], stopped["finish_reason"]) == (whole[:place], "stop")


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_a_text_is_cut_at_its_most_tokens(demo: Demo, field: str) -> None:
    assert choice_of(demo, "Why is the sky blue?", **{field: 3})["finish_reason"] == "length"


def test_log_probabilities_cover_the_text_in_whole_and_in_pieces(demo: Demo) -> None:
    fields: dict[str, Any] = {"logprobs": True, "top_logprobs": 2}
    choice = choice_of(demo, "Why is the sky blue?", **fields)
    tokens = choice["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == choice["message"]["content"]
    assert {len(token["top_logprobs"]) for token in tokens} == {2}
    chunks = chunks_of(post(demo, "Why is the sky blue?", stream=True, **fields).text)
    streamed = [
        token for c in chunks for token in (c["choices"][0]["logprobs"] or {"content": []})["content"]
    ]
    assert streamed == tokens


def test_a_wished_schema_is_kept_to(demo: Demo) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    wished = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}
    content = choice_of(demo, "Name the capital: Paris", response_format=wished)["message"]["content"]
    assert json.loads(content) == {"city": "Paris"}


def test_images_are_looked_at_and_counted(demo: Demo) -> None:
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]
    body = {"model": "small-1", "messages": [{"role": "user", "content": parts}]}
    answer = httpx.post(
        f"{demo.base_url}/chat/completions", json=body, headers=HEADERS, trust_env=False
    ).json()
    assert answer["choices"][0]["message"]["content"].startswith("I looked at 1 image.")
    assert answer["usage"]["prompt_tokens"] > 85


@pytest.mark.parametrize(("prompt", "model"), [("[[reason]] Hi", "small-1"), ("Hi", "reasoner-1")])
def test_thoughts_come_before_the_answer_and_are_counted(demo: Demo, prompt: str, model: str) -> None:
    answer = post(demo, prompt, model=model).json()
    thoughts = answer["choices"][0]["message"]["reasoning_content"]
    details = answer["usage"]["completion_tokens_details"]
    assert 0 < details["reasoning_tokens"] < answer["usage"]["completion_tokens"]
    kinds = ["reasoning_content" in delta for delta in deltas_of(demo, prompt, model=model) if delta]
    assert kinds == sorted(kinds, reverse=True)
    pieces = [delta.get("reasoning_content", "") for delta in deltas_of(demo, prompt, model=model)]
    assert "".join(pieces) == thoughts


def test_a_long_beginning_is_cached_for_the_key_that_sent_it(demo: Demo) -> None:
    beginning = {"role": "system", "content": "word " * 1100}

    def cached(question: str, key: str) -> int:
        body = {"model": "small-1", "messages": [beginning, {"role": "user", "content": question}]}
        headers = {"authorization": f"Bearer {key}"}
        answer = httpx.post(f"{demo.base_url}/chat/completions", json=body, headers=headers, trust_env=False)
        return int(answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"])

    assert [cached("one", "a"), cached("two", "a"), cached("three", "b")] == [0, 1104, 0]


def test_embeddings_are_served_packed_or_plain(demo: Demo) -> None:
    url = f"{demo.base_url}/embeddings"
    body = {"model": "embed-1", "input": ["a", "b c"]}
    plain = httpx.post(url, json=body, headers=HEADERS, trust_env=False).json()
    packed = httpx.post(
        url, json={**body, "encoding_format": "base64"}, headers=HEADERS, trust_env=False
    ).json()
    assert [len(each["embedding"]) for each in plain["data"]] == [64, 64]
    assert [len(base64.b64decode(each["embedding"])) for each in packed["data"]] == [256, 256]
    assert httpx.post(url, json={"model": "x"}, headers=HEADERS, trust_env=False).status_code == 400
    assert httpx.post(url, json=body, trust_env=False).status_code == 401


STREAM: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


def streamed(demo: Demo, fault: str, prompt: str = "Why is the sky blue?") -> httpx.Response:
    return post(demo, prompt, f"fault:{fault}", **STREAM)


def test_a_stream_in_single_bytes_is_the_same_stream(demo: Demo) -> None:
    split = streamed(demo, "stream-split").text
    whole = post(demo, "Why is the sky blue?", "fault:nothing:0", **STREAM).text
    texts = [
        [c["choices"][0]["delta"].get("content") for c in chunks_of(text) if c["choices"]]
        for text in (split, whole)
    ]
    assert texts[0] == texts[1]


def test_a_cut_stream_is_no_whole_http_answer(demo: Demo) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        streamed(demo, "stream-cut")


@pytest.mark.parametrize("fault", ["stream-stall", "stream-drip", "first-token-hang"])
def test_a_silent_stream_stays_open(demo: Demo, fault: str) -> None:
    body = {"model": f"fault:{fault}", "messages": [{"role": "user", "content": "Hi"}], **STREAM}
    url = f"{demo.base_url}/chat/completions"
    with httpx.stream("POST", url, json=body, headers=HEADERS, trust_env=False, timeout=30) as answer:
        assert answer.status_code == 200
        # The head may take its time; what is read after it is waited for shortly.
        answer.request.extensions["timeout"]["read"] = 0.4
        with pytest.raises(httpx.ReadTimeout):
            answer.read()


def test_the_ledger_tells_who_hung_up_and_what_is_open(demo: Demo) -> None:
    body = {"model": "fault:stream-endless", "messages": [{"role": "user", "content": "Hi"}], **STREAM}
    url = f"{demo.base_url}/chat/completions"
    with httpx.stream("POST", url, json=body, headers=HEADERS, trust_env=False) as answer:
        received = answer.iter_raw()
        assert sum(len(next(received)) for _ in range(20)) > 1000
        assert (demo.ledger()["open"], demo.ledger()["hung_up"]) == (1, 0)
    end = time.monotonic() + 30
    while demo.ledger()["open"] and time.monotonic() < end:
        time.sleep(0.02)
    ledger = demo.ledger()
    assert (ledger["open"], ledger["hung_up"]) == (0, 1)
    assert ledger["last"][0]["hung_up"] is True
    assert ledger["last"][0]["ended_at"] > ledger["last"][0]["began_at"]


def test_an_answered_call_is_neither_open_nor_hung_up(demo: Demo) -> None:
    post(demo)
    post(demo, **STREAM)
    ledger = demo.ledger()
    assert (ledger["open"], ledger["hung_up"]) == (0, 0)


@pytest.mark.parametrize(
    ("fault", "has", "has_not"),
    [
        ("stream-no-done", '"finish_reason":"stop"', "[DONE]"),
        ("stream-no-finish", "[DONE]", '"finish_reason":"stop"'),
        ("stream-no-usage", "[DONE]", "prompt_tokens"),
        ("stream-error", '{"error":', "[DONE]"),
        ("stream-badjson", '"content": "oh\n\n', "{{"),
        ("stream-prose", "<html>", "data:"),
        ("stream-html", "<html>", "data:"),
    ],
)
def test_a_broken_stream_has_one_thing_wrong(demo: Demo, fault: str, has: str, has_not: str) -> None:
    answer = streamed(demo, fault)
    assert has in answer.text
    assert has_not not in answer.text
    assert answer.headers["content-type"].startswith(
        "text/html" if fault == "stream-html" else "text/event-stream"
    )


def test_a_stream_may_be_empty_or_have_a_huge_event(demo: Demo) -> None:
    assert streamed(demo, "stream-empty").content == b""
    assert max(map(len, streamed(demo, "stream-big-event").text.split("\n\n"))) > 5_000_000


def test_stream_faults_befall_only_streams(demo: Demo) -> None:
    assert choice_of(demo, "Hi", model="fault:stream-cut")["finish_reason"] == "stop"


@pytest.mark.parametrize("fault", ["empty", "null", "no-usage", "negative-usage"])
def test_spoilt_answers_can_be_streamed(demo: Demo, fault: str) -> None:
    assert streamed(demo, fault).text.endswith("data: [DONE]\n\n")
