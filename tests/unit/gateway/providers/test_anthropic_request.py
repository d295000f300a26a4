"""The fields of a question as Anthropic takes them. Format: https://platform.claude.com/docs/en/api/messages/create"""

from typing import Any

import pytest

from gateway.providers.anthropic_request import DEFAULT_MAX_TOKENS, message_request
from gateway.providers.dialect import Unsupported

MESSAGES = [{"role": "user", "content": "Hi"}]
PARAMETERS = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
FUNCTION: dict[str, Any] = {"name": "sky", "description": "Its colour.", "parameters": PARAMETERS}
SKY = {"type": "function", "function": FUNCTION}
MARK = {"type": "ephemeral", "ttl": "1h"}


def sent(**fields: Any) -> dict[str, Any]:
    """Return what is sent besides what is always sent."""
    request = message_request("m", {"messages": MESSAGES, **fields}, stream=False)
    return {name: value for name, value in request.items() if name not in ("model", "messages")}


def parameters(**fields: Any) -> dict[str, Any]:
    request = sent(**fields)
    assert request.pop("max_tokens") == DEFAULT_MAX_TOKENS
    return request


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({}, 32_000),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 7}, 7),
        ({"max_tokens": 5, "max_completion_tokens": 7}, 7),
        ({"max_tokens": None}, 32_000),
    ],
)
def test_there_is_always_a_limit_of_tokens(fields: dict[str, Any], most: int) -> None:
    assert sent(**fields) == {"max_tokens": most}


@pytest.mark.parametrize(
    ("field", "request_fields"),
    [
        ({"temperature": 0}, {"temperature": 0}),
        ({"temperature": 1.0}, {"temperature": 1.0}),
        ({"top_p": 0.5}, {"top_p": 0.5}),
        ({"top_k": 5}, {"top_k": 5}),
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"stop": []}, {}),
        ({"user": "u-1"}, {"metadata": {"user_id": "u-1"}}),
        ({"user": "u-1", "safety_identifier": "s-1"}, {"metadata": {"user_id": "s-1"}}),
        ({"thinking": {"type": "adaptive"}}, {"thinking": {"type": "adaptive"}}),
        ({"cache_control": MARK}, {"cache_control": MARK}),
        ({"a_later_field": 5}, {"a_later_field": 5}),
        ({"service_tier": "auto"}, {"service_tier": "auto"}),
        ({"service_tier": "default"}, {"service_tier": "standard_only"}),
        ({"response_format": {"type": "text"}}, {}),
        ({"top_p": None, "a_later_field": None, "n": None}, {}),
    ],
)
def test_fields_that_are_carried_over(field: dict[str, Any], request_fields: dict[str, Any]) -> None:
    assert parameters(**field) == request_fields


# https://platform.claude.com/docs/en/build-with-claude/effort
@pytest.mark.parametrize(
    ("effort", "thinking", "output_config"),
    [
        ("none", "disabled", None),
        ("minimal", "adaptive", {"effort": "low"}),
        ("low", "adaptive", {"effort": "low"}),
        ("medium", "adaptive", {"effort": "medium"}),
        ("high", "adaptive", {"effort": "high"}),
        ("xhigh", "adaptive", {"effort": "xhigh"}),
    ],
)
def test_reasoning_effort_is_effort_and_thinking(
    effort: str, thinking: str, output_config: dict[str, str] | None
) -> None:
    request = parameters(reasoning_effort=effort)
    assert request["thinking"] == {"type": thinking}
    assert request.get("output_config") == output_config


def test_what_is_said_in_the_vendors_own_words_holds() -> None:
    budget = {"type": "enabled", "budget_tokens": 2048}
    assert parameters(reasoning_effort="low", thinking=budget, output_config={"effort": "max"}) == {
        "thinking": budget,
        "output_config": {"effort": "max"},
    }


# https://platform.claude.com/docs/en/build-with-claude/structured-outputs
def test_a_schema_of_the_answer_is_structured_output() -> None:
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    wanted = {"type": "json_schema", "json_schema": {"name": "sky", "strict": True, "schema": schema}}
    assert parameters(response_format=wanted, reasoning_effort="low")["output_config"] == {
        "format": {"type": "json_schema", "schema": schema},
        "effort": "low",
    }


# https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools
def test_functions_are_tools() -> None:
    assert parameters(tools=[SKY])["tools"] == [
        {"name": "sky", "description": "Its colour.", "input_schema": PARAMETERS}
    ]


def test_a_function_without_parameters_takes_an_object_without_any() -> None:
    tool = {"type": "function", "function": {"name": "now"}}
    assert parameters(tools=[tool])["tools"] == [
        {"name": "now", "input_schema": {"type": "object", "properties": {}}}
    ]


@pytest.mark.parametrize("strict", [None, False, True])
def test_a_tool_is_strict_only_if_it_was_asked_to_be(strict: bool | None) -> None:
    tool = {"type": "function", "function": {**FUNCTION, "strict": strict}}
    assert parameters(tools=[tool])["tools"][0].get("strict") is (strict or None)


def test_marks_for_the_vendors_cache_stay_at_tools() -> None:
    inside = {"type": "function", "function": {**FUNCTION, "cache_control": MARK}}
    for tool in ({**SKY, "cache_control": MARK}, inside):
        assert parameters(tools=[tool])["tools"][0]["cache_control"] == MARK


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, None),
        ({"parallel_tool_calls": True}, None),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": {"type": "function", "function": {"name": "sky"}}}, {"type": "tool", "name": "sky"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        (
            {"tool_choice": "required", "parallel_tool_calls": False},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
    ],
)
def test_the_choice_of_tools(fields: dict[str, Any], choice: dict[str, Any] | None) -> None:
    assert parameters(tools=[SKY], **fields).get("tool_choice") == choice


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_without_tools_there_is_no_choice(choice: str) -> None:
    assert parameters(tool_choice=choice, tools=[], parallel_tool_calls=False) == {}


@pytest.mark.parametrize(
    "field",
    [
        {"seed": 5},
        {"store": True},
        {"metadata": {"team": "a"}},
        {"prediction": {"type": "content", "content": "x"}},
        {"prompt_cache_key": "k"},
        {"n": 1},
        {"logprobs": False},
        {"presence_penalty": 0},
        {"frequency_penalty": 0.0},
        {"logit_bias": {}},
        {"modalities": ["text"]},
        {"verbosity": "medium"},
        {"function_call": "none"},
    ],
)
def test_fields_that_the_answer_does_not_depend_on_are_left_out(field: dict[str, Any]) -> None:
    assert parameters(**field) == {}


@pytest.mark.parametrize(
    "field",
    [
        {"n": 2},
        {"logprobs": True},
        {"top_logprobs": 3},
        {"logit_bias": {"5": 1}},
        {"presence_penalty": 0.5},
        {"frequency_penalty": -1},
        {"modalities": ["text", "audio"]},
        {"audio": {"voice": "alloy", "format": "wav"}},
        {"functions": [{"name": "sky"}]},
        {"function_call": {"name": "sky"}},
        {"verbosity": "low"},
        {"web_search_options": {}},
        {"temperature": 1.2},
        {"stop": "\n"},
        {"stop": ["a", " "]},
        {"service_tier": "flex"},
        {"reasoning_effort": "extreme"},
        {"output_config": "low"},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "sky"}}},
        {"tools": [{"type": "custom", "custom": {"name": "x"}}]},
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {"tool_choice": {"type": "allowed_tools", "allowed_tools": {}}},
        {"tool_choice": "sometimes"},
    ],
    ids=str,
)
def test_what_cannot_be_expressed_is_refused_by_name(field: dict[str, Any]) -> None:
    (name,) = field
    with pytest.raises(Unsupported) as caught:
        sent(**field)
    assert caught.value.param == name


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"stop": "a", "stop_sequences": ["b"]}, "stop_sequences"),
        ({"messages": [{"role": "system", "content": "a"}, *MESSAGES], "system": "b"}, "system"),
        ({"model": "another"}, "model"),
    ],
)
def test_a_field_under_two_names_is_refused(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(Unsupported) as caught:
        sent(**fields)
    assert caught.value.param == name


def test_the_system_prompt_is_a_field_of_its_own() -> None:
    messages = [{"role": "system", "content": "Be brief."}, *MESSAGES]
    assert parameters(messages=messages) == {"system": [{"type": "text", "text": "Be brief."}]}
