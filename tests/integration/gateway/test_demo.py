"""The demo upstream spoken to over HTTP, as providers are."""

import json
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
    assert [model["id"] for model in models["data"]] == ["small-1", "large-1"]


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
