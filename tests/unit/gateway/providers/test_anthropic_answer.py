"""Reading Messages. Format: https://platform.claude.com/docs/en/api/messages/create (Message, Usage)"""

from typing import Any

import orjson
import pytest

from gateway.failures import FailureKind
from gateway.providers.anthropic import Anthropic
from gateway.providers.dialect import Completion, InvalidCompletion, ProviderError
from routing.pricing import Usage

TEXT = {"type": "text", "text": "Hi, I'm Claude."}
USE = {"type": "tool_use", "id": "toolu_01D7FLrfh4", "name": "get_stock_price", "input": {"ticker": "^GSPC"}}
THINKING = {"type": "thinking", "thinking": "A greeting.", "signature": "EqQBCgIYAhIM"}
REDACTED = {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3p"}


def message(*blocks: object, **fields: Any) -> dict[str, Any]:
    return {
        "id": "msg_013Zva2CMHLNnXjNJJKqJ2EF",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5-5",
        "content": list(blocks),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            "input_tokens": 2095,
            "output_tokens": 503,
            "cache_creation_input_tokens": None,
            "cache_read_input_tokens": None,
            "server_tool_use": None,
            "service_tier": "standard",
        },
        **fields,
    }


def read(value: object) -> Completion:
    return Anthropic().read(orjson.dumps(value))


def test_text_is_the_content() -> None:
    answer = read(message(TEXT))
    assert answer.choices == (
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi, I'm Claude."},
            "finish_reason": "stop",
        },
    )
    assert answer.usage == Usage(input_tokens=2095, output_tokens=503)
    assert answer.upstream_id == "msg_013Zva2CMHLNnXjNJJKqJ2EF"


def test_texts_between_citations_are_one_content() -> None:
    assert (
        read(message({"type": "text", "text": "It is "}, {"type": "text", "text": "blue."})).text
        == "It is blue."
    )


def test_uses_of_tools_are_calls_with_json_texts() -> None:
    answer = read(message(TEXT, USE, {**USE, "id": "toolu_2", "input": {}}, stop_reason="tool_use"))
    assert answer.finish_reason == "tool_calls"
    assert answer.text == "Hi, I'm Claude."
    assert answer.message["tool_calls"] == [
        {
            "id": "toolu_01D7FLrfh4",
            "type": "function",
            "function": {"name": "get_stock_price", "arguments": '{"ticker":"^GSPC"}'},
        },
        {"id": "toolu_2", "type": "function", "function": {"name": "get_stock_price", "arguments": "{}"}},
    ]


def test_calls_alone_have_no_content() -> None:
    assert read(message(USE, stop_reason="tool_use")).message["content"] is None


def test_thinking_is_reasoning_and_its_signed_blocks_are_kept() -> None:
    answer = read(message(THINKING, REDACTED, TEXT)).message
    assert answer["reasoning_content"] == "A greeting."
    assert answer["thinking_blocks"] == [THINKING, REDACTED]


def test_thinking_that_is_not_shown_is_kept_for_the_next_turn() -> None:
    answer = read(message({**THINKING, "thinking": ""}, TEXT)).message
    assert "reasoning_content" not in answer
    assert answer["thinking_blocks"] == [{**THINKING, "thinking": ""}]


def test_blocks_of_kinds_that_openai_has_no_room_for_are_left_out() -> None:
    searched = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
    assert read(message(searched, TEXT)).message == {"role": "assistant", "content": "Hi, I'm Claude."}


def test_an_empty_answer_is_an_empty_text() -> None:
    assert read(message()).message == {"role": "assistant", "content": ""}


# https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons
@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("a_later_reason", "unknown"),
    ],
)
def test_reasons_to_stop(stop_reason: str, finish_reason: str) -> None:
    assert read(message(TEXT, stop_reason=stop_reason)).finish_reason == finish_reason


# https://platform.claude.com/docs/en/build-with-claude/prompt-caching (tracking cache performance)
def test_input_counts_what_was_read_from_and_written_to_the_cache() -> None:
    usage = {
        "input_tokens": 21,
        "cache_creation_input_tokens": 188,
        "cache_read_input_tokens": 100_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 188, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 393,
        "output_tokens_details": {"thinking_tokens": 40},
    }
    assert read(message(TEXT, usage=usage)).usage == Usage(
        input_tokens=100_209,
        output_tokens=393,
        cached_input_tokens=100_000,
        cache_write_tokens=188,
        reasoning_tokens=40,
    )


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        {},
        {"input_tokens": 1},
        {"output_tokens": 1},
        {"input_tokens": -1, "output_tokens": 1},
        {"input_tokens": 1, "output_tokens": 1.5},
        {"input_tokens": True, "output_tokens": 1},
        {"input_tokens": 1, "output_tokens": 10**12},
        {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": -5},
        {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": "5"},
    ],
)
def test_missing_or_absurd_usage_is_none(usage: object) -> None:
    assert read(message(TEXT, usage=usage)).usage is None


@pytest.mark.parametrize("thought", [{"thinking_tokens": 99}, {"thinking_tokens": -1}, {}, None, 3])
def test_thinking_is_never_more_than_the_output(thought: object) -> None:
    usage = {"input_tokens": 1, "output_tokens": 2, "output_tokens_details": thought}
    read_usage = read(message(TEXT, usage=usage)).usage
    assert read_usage is not None
    assert 0 <= read_usage.reasoning_tokens <= 2


def test_an_error_in_a_good_status_is_an_error() -> None:
    error = {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"},
        "request_id": "req_1",
    }
    with pytest.raises(ProviderError) as caught:
        read(error)
    assert caught.value.kind is FailureKind.OVERLOADED


@pytest.mark.parametrize(
    "value",
    [
        [],
        "text",
        {},
        message(TEXT, content=None),
        message(TEXT, content="text"),
        message("text"),
        message({"type": "text"}),
        message({"type": "text", "text": 5}),
        message({**USE, "input": "x"}),
        message({**USE, "input": None}),
        message({**USE, "name": None}),
        message({**USE, "id": 7}),
        message({**THINKING, "signature": 1}),
        message({"type": "redacted_thinking"}),
        message(TEXT, stop_reason=None),
        message(TEXT, stop_reason=1),
    ],
)
def test_what_is_no_message_is_invalid(value: object) -> None:
    with pytest.raises(InvalidCompletion):
        read(value)


@pytest.mark.parametrize("raw", [b"", b"<html>", b'{"content": [', b"\xff"])
def test_what_is_no_json_is_invalid(raw: bytes) -> None:
    with pytest.raises(InvalidCompletion, match="not JSON"):
        Anthropic().read(raw)


def test_a_tools_input_that_is_nested_too_deep_is_invalid() -> None:
    raw = orjson.dumps(message({**USE, "input": "DEEP"}))
    deep = b'{"a":' * 500 + b"1" + b"}" * 500
    with pytest.raises(InvalidCompletion, match="too deep"):
        Anthropic().read(raw.replace(b'"DEEP"', deep))


@pytest.mark.parametrize("upstream_id", [None, 5, "", "a b", "x" * 200, "<script>"])
def test_an_id_that_is_not_plain_is_left_out(upstream_id: object) -> None:
    assert read(message(TEXT, id=upstream_id)).upstream_id == ""
