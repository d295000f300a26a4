"""The dialect as a whole: what goes to Anthropic besides the body, and which failures it tells apart."""

import orjson
import pytest

from gateway.failures import FailureKind
from gateway.providers.anthropic import Anthropic
from gateway.providers.dialect import Dialect, Unsupported

DIALECT: Dialect = Anthropic()
QUESTION = {"messages": [{"role": "user", "content": "Hello"}]}


# https://platform.claude.com/docs/en/api/overview (headers)
def test_a_request_goes_to_messages_with_key_and_version() -> None:
    request = DIALECT.request("claude-opus-5-5", QUESTION, "sk-ant-1", stream=False)
    assert request.path == "/messages"
    assert request.headers == {"x-api-key": "sk-ant-1", "anthropic-version": "2023-06-01"}
    assert orjson.loads(request.content) == {
        "model": "claude-opus-5-5",
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
    }


def test_without_a_key_no_key_is_sent() -> None:
    request = DIALECT.request("m", QUESTION, "", stream=False)
    assert request.headers == {"anthropic-version": "2023-06-01"}


def test_a_stream_is_asked_for() -> None:
    assert orjson.loads(DIALECT.request("m", QUESTION, "", stream=True).content)["stream"] is True


def test_neither_key_nor_question_is_in_a_repr() -> None:
    shown = repr(DIALECT.request("m", QUESTION, "sk-ant-1", stream=False))
    assert "sk-ant-1" not in shown
    assert "Hello" not in shown


def test_what_it_cannot_express_is_told_by_the_fields_name_alone() -> None:
    with pytest.raises(Unsupported, match=r"^logit_bias$"):
        DIALECT.request("m", {**QUESTION, "logit_bias": {"50256": -100}}, "", stream=False)


def test_arguments_that_are_nested_too_deep_are_refused() -> None:
    function = {"name": "sky", "arguments": '{"a":' * 500 + "1" + "}" * 500}
    calls = [{"id": "a", "type": "function", "function": function}]
    with pytest.raises(Unsupported, match=r"^messages\.tool_calls$"):
        DIALECT.request("m", {"messages": [{"role": "assistant", "tool_calls": calls}]}, "", stream=False)


def test_failures_are_told_apart() -> None:
    raw = b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}'
    assert DIALECT.failure_kind(529, raw) is FailureKind.OVERLOADED
