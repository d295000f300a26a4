import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.completion import InvalidCompletion, estimate_usage, read, read_usage
from routing.pricing import Usage


def raw(message: object, **more: object) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], **more}).encode()


def test_text_and_finish_reason_are_read() -> None:
    completion = read(raw({"role": "assistant", "content": "Paris"}, id="chatcmpl-1"))
    assert (completion.text, completion.finish_reason, completion.upstream_id) == (
        "Paris",
        "stop",
        "chatcmpl-1",
    )


def test_missing_content_is_accepted_only_beside_tool_calls_or_a_refusal() -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    assert read(raw({"content": None, "tool_calls": calls})).text == ""
    assert read(raw({"content": None, "refusal": "no"})).text == ""
    with pytest.raises(InvalidCompletion):
        read(raw({"content": None, "tool_calls": []}))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"choices": null}',
        b'{"choices": []}',
        b'{"choices": [null]}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {}}]}',
        b'{"choices": [{"message": {"content": 5}}]}',
        b'{"choices": [{"message": {"content": ["parts"]}}]}',
        b'{"error": {"message": "x"}, "choices": [{"message": {"content": "x"}}]}',
        b'{"choices": [{"message": {"content": "\\ud800"}}]}',
        b'{"choices": [{"message": {"content": NaN}}]}',
        b'{"choices": [{"message": {"content": "\xff"}}]}',
        b"[" * 100_000,
        b'{"choices": [{"message": {"content": "cut',
    ],
)
def test_anything_else_is_not_a_completion(body: bytes) -> None:
    with pytest.raises(InvalidCompletion):
        read(body)


def test_strange_ids_and_finish_reasons_are_left_out() -> None:
    odd = json.dumps({"id": "a\nb", "choices": [{"message": {"content": "x"}, "finish_reason": {"a": 1}}]})
    completion = read(odd.encode())
    assert (completion.upstream_id, completion.finish_reason) == ("", "unknown")


def test_usage_is_read_with_its_cached_part() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 6}}
    assert read_usage(usage) == Usage(input_tokens=10, output_tokens=4, cached_input_tokens=6)
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "prompt_cache_hit_tokens": 7}
    assert read_usage(usage) == Usage(input_tokens=10, output_tokens=4, cached_input_tokens=7)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        "10",
        {},
        {"prompt_tokens": 10},
        {"prompt_tokens": -1, "completion_tokens": 4},
        {"prompt_tokens": 10, "completion_tokens": 10**12},
        {"prompt_tokens": 1.5, "completion_tokens": 4},
        {"prompt_tokens": True, "completion_tokens": 4},
        {"prompt_tokens": "10", "completion_tokens": 4},
        {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 11}},
        {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": "x"}},
    ],
)
def test_absurd_usage_is_no_usage(usage: object) -> None:
    assert read_usage(usage) is None


def test_the_estimate_counts_a_token_for_every_four_characters() -> None:
    assert estimate_usage({"messages": []}, "12345").output_tokens == 2
    longer = estimate_usage({"messages": [{"role": "user", "content": "x" * 4000}]}, "")
    assert 1000 <= longer.input_tokens <= 1020


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(
    message=json_values,
    usage=json_values
    | st.fixed_dictionaries({"prompt_tokens": json_values, "completion_tokens": json_values}),
    finish_reason=json_values,
)
def test_no_json_can_break_the_reader(message: object, usage: object, finish_reason: object) -> None:
    body = {"choices": [{"message": message, "finish_reason": finish_reason}], "usage": usage}
    try:
        completion = read(json.dumps(body).encode())
    except InvalidCompletion:
        return
    read_usage(completion.usage)
    assert isinstance(completion.text, str)
