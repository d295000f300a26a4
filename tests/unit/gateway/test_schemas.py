from typing import Any

import pytest
from pydantic import ValidationError

from caching.fingerprint import FIELDS_IN, FIELDS_LEFT_OUT
from gateway.schemas import ChatRequest, CompletionRequest


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prompt": ""},
        {"prompt": 7},
        {"prompt": "a", "messages": [{"role": "user", "content": "a"}]},
        {"messages": []},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": ""}]},
        {"messages": [{"role": "wizard", "content": "a"}]},
        {"prompt": "a", "temperature": "0.5"},
        {"prompt": "a", "temperature": 1e308},
        {"prompt": "a", "max_tokens": 0},
        {"prompt": "a", "max_tokens": True},
        {"prompt": "a", "stream": 1},
        {"prompt": "a", "cache": {"mode": "always"}},
        {"prompt": "a", "cache": {"ttl": -1}},
        {"prompt": "a", "api_base": "http://127.0.0.1"},
        {"prompt": "a", "tags": ["x" * 65]},
    ],
)
def test_a_wrong_body_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ChatRequest.model_validate(body)


@pytest.mark.parametrize("role", [None, 1, [], {}, "wizard"])
def test_a_role_that_is_none_is_refused(role: object) -> None:
    with pytest.raises(ValidationError):
        CompletionRequest.model_validate({"messages": [{"role": role, "content": "a"}]})


@pytest.mark.parametrize("name", ["models", "fallbacks", "route", "api_base", "base_url", "api_key"])
def test_no_field_takes_a_question_elsewhere_than_its_model(name: str) -> None:
    asked = {"model": "small-1", "messages": [{"role": "user", "content": "a"}]}
    with pytest.raises(ValidationError, match=name):
        CompletionRequest.model_validate({**asked, name: ["openai/o1-pro"]})


def test_a_prompt_becomes_one_user_message() -> None:
    question = ChatRequest.model_validate({"prompt": "Why?"})
    assert question.wire_messages() == [{"role": "user", "content": "Why?"}]


def test_unset_fields_are_not_sent_on() -> None:
    question = ChatRequest.model_validate({"messages": [{"role": "user", "content": "Why?"}]})
    assert question.wire_messages() == [{"role": "user", "content": "Why?"}]


def test_every_field_is_in_the_fingerprint_or_left_out_for_a_reason() -> None:
    fields = set(ChatRequest.model_fields)
    assert fields <= FIELDS_IN.keys() | FIELDS_LEFT_OUT.keys()
    assert not FIELDS_IN.keys() & FIELDS_LEFT_OUT.keys()
