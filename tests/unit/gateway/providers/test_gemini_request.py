"""Questions to the Gemini API: what OpenAI's fields become, held to the documented rules (tests/vendors)."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from gateway.providers.dialect import Unsupported
from gateway.providers.gemini import Gemini
from gateway.providers.gemini_request import IMPOSSIBLE, LEFT_OUT, PASSED, TRANSLATED
from tests.vendors.gemini_rules import check_question

NEW, OLD = "gemini-3.8-flash", "gemini-2.5-flash"
PNG = "data:image/png;base64,aWNvbg=="
HI = {"role": "user", "content": "Hi"}
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "Tells it.", "parameters": WEATHER, "strict": True},
}


def asked(model: str = NEW, *messages: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """Return what Gemini gets; it breaks no rule of its API."""
    body = {"messages": list(messages) or [HI], **fields}
    question = orjson.loads(Gemini().request(model, body, "key", stream=False).content)
    check_question(question, model)
    return dict(question)


def unsupported(*messages: Mapping[str, Any], model: str = NEW, **fields: Any) -> str:
    with pytest.raises(Unsupported) as refusal:
        Gemini().request(model, {"messages": list(messages) or [HI], **fields}, "key", stream=False)
    return refusal.value.param


def call(call_id: str, arguments: str = '{"city":"Paris"}', **more: Any) -> dict[str, Any]:
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": "weather", "arguments": arguments},
        **more,
    }


# Address and key: ai.google.dev/api/generate-content, "Endpoint"; ai.google.dev/gemini-api/docs/api-key.


@pytest.mark.parametrize(
    ("model", "stream", "path"),
    [
        (NEW, False, "/models/gemini-3.8-flash:generateContent"),
        (NEW, True, "/models/gemini-3.8-flash:streamGenerateContent?alt=sse"),
        ("models/gemini-3.8-flash", False, "/models/gemini-3.8-flash:generateContent"),
        ("tunedModels/mine-1", False, "/tunedModels/mine-1:generateContent"),
        ("../files", False, "/models/..%2Ffiles:generateContent"),
        ("x?key=1#y", False, "/models/x%3Fkey%3D1%23y:generateContent"),
        ("tunedModels/../x", False, "/tunedModels/..%2Fx:generateContent"),
        ("a:batch%2e", False, "/models/a%3Abatch%252e:generateContent"),
    ],
)
def test_a_models_name_is_one_segment_of_the_path(model: str, stream: bool, path: str) -> None:
    assert Gemini().request(model, {"messages": [HI]}, "key", stream=stream).path == path


@given(st.text(min_size=1))
def test_no_models_name_leaves_its_segment(model: str) -> None:
    path = Gemini().request(model, {"messages": [HI]}, "key", stream=False).path
    assert path.count("/") == 2
    assert not set(path) & set("?#\\ \r\n")
    assert path.isascii()


def test_the_key_is_in_a_header_and_nowhere_else() -> None:
    request = Gemini().request(NEW, {"messages": [HI]}, "sk-canary", stream=True)
    assert request.headers == {"x-goog-api-key": "sk-canary"}
    assert "sk-canary" not in request.path + request.content.decode() + repr(request)


def test_without_a_key_there_is_no_header() -> None:
    assert Gemini().request(NEW, {"messages": [HI]}, "", stream=False).headers == {}


# Contents: ai.google.dev/api/caching, "Content" and "Part".


def test_instructions_go_apart_and_neighbours_of_one_role_are_one_content() -> None:
    question = asked(
        NEW,
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": "One"},
        {"role": "user", "content": [{"type": "text", "text": "Two"}], "name": "ann"},
        {"role": "assistant", "content": "Three", "reasoning_content": "Hm."},
        {"role": "user", "content": "Four"},
    )
    assert question == {
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "One"}, {"text": "Two"}]},
            {"role": "model", "parts": [{"text": "Three"}]},
            {"role": "user", "parts": [{"text": "Four"}]},
        ],
    }


def test_instructions_alone_are_asked_as_the_users_words() -> None:
    assert asked(NEW, {"role": "system", "content": "Tell a joke."}) == {
        "contents": [{"role": "user", "parts": [{"text": "Tell a joke."}]}]
    }


def test_a_refusal_in_the_history_is_what_the_model_said() -> None:
    question = asked(NEW, HI, {"role": "assistant", "content": None, "refusal": "No."}, HI)
    assert question["contents"][1] == {"role": "model", "parts": [{"text": "No."}]}


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        (
            {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
            {"inlineData": {"mimeType": "image/png", "data": "aWNvbg=="}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "DATA:image/JPG;charset=x;base64,aWNvbg=="}},
            {"inlineData": {"mimeType": "image/jpeg", "data": "aWNvbg=="}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://example.com/cat.WebP?x=1"}},
            {"fileData": {"fileUri": "https://example.com/cat.WebP?x=1", "mimeType": "image/webp"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://example.com/cat"}},
            {"fileData": {"fileUri": "https://example.com/cat"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"format": "mp3", "data": "aWNvbg=="}},
            {"inlineData": {"mimeType": "audio/mp3", "data": "aWNvbg=="}},
        ),
        (
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aWNvbg=="},
            },
            {"inlineData": {"mimeType": "application/pdf", "data": "aWNvbg=="}},
        ),
    ],
)
def test_pictures_sounds_and_files_become_parts(part: dict[str, Any], wanted: dict[str, Any]) -> None:
    question = asked(NEW, {"role": "user", "content": [{"type": "text", "text": "Look"}, part]})
    assert question["contents"][0]["parts"] == [{"text": "Look"}, wanted]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/cat.png",
        "gs://bucket/cat.png",
        "files/abc",
        "https://",
        "https://[::1",
        # Files that were uploaded under the provider key are not the callers'.
        "https://generativelanguage.googleapis.com/v1beta/files/abc",
        "https://user@GenerativeLanguage.googleapis.com./v1beta/files/abc",
        "https://generativelangu%61ge.googleapis.com/v1beta/files/abc",
        "data:image/png,plain",
        "data:;base64,aWNvbg==",
        "data:image/png;base64,",
    ],
)
def test_what_gemini_cannot_or_must_not_fetch_is_unsupported(url: str) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    assert unsupported({"role": "user", "content": [part]}) == "messages"


def test_older_models_fetch_nothing() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
    assert unsupported({"role": "user", "content": [part]}, model="gemini-2.0-flash") == "messages"


@pytest.mark.parametrize(
    "message",
    [
        {"role": "function", "name": "f", "content": "x"},
        {"role": "user", "content": [{"type": "video_url", "video_url": {"url": "https://example.com"}}]},
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]},
        {"role": "user", "content": ["text"]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"detail": "low"}}]},
        {"role": "system", "content": [{"type": "image_url", "image_url": {"url": PNG}}]},
        {"role": "user", "content": ""},
        {"role": "tool", "tool_call_id": "unknown", "content": "1"},
        {"role": "assistant", "content": None, "tool_calls": [call("1", "{broken")]},
        {"role": "assistant", "content": None, "tool_calls": [call("1", "[1]")]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "custom", "custom": {}}]},
        {"role": "assistant", "content": None, "tool_calls": [call("1", '{"a":' * 300 + "1" + "}" * 300)]},
    ],
)
def test_messages_that_gemini_has_no_form_for_are_unsupported(message: dict[str, Any]) -> None:
    assert unsupported(message) == "messages"


# Calls: ai.google.dev/gemini-api/docs/function-calling and /thought-signatures.


def test_calls_and_their_results_go_back_with_names_ids_and_signatures() -> None:
    signature = {"google": {"thought_signature": "c2ln"}}
    question = asked(
        NEW,
        HI,
        {
            "role": "assistant",
            "content": "Wait.",
            "tool_calls": [call("a", extra_content=signature), call("b", "")],
        },
        {"role": "tool", "tool_call_id": "a", "content": '{"degrees": 21}'},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "sunny"}]},
        {"role": "user", "content": "And?"},
    )
    assert question["contents"][1:] == [
        {
            "role": "model",
            "parts": [
                {"text": "Wait."},
                {
                    "functionCall": {"id": "a", "name": "weather", "args": {"city": "Paris"}},
                    "thoughtSignature": "c2ln",
                },
                {"functionCall": {"id": "b", "name": "weather", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "a", "name": "weather", "response": {"degrees": 21}}},
                {"functionResponse": {"id": "b", "name": "weather", "response": {"output": "sunny"}}},
                {"text": "And?"},
            ],
        },
    ]


def test_calls_of_other_models_get_the_documented_word_in_place_of_a_signature() -> None:
    answer = {"role": "assistant", "content": None, "tool_calls": [call("a"), call("b")]}
    results = [{"role": "tool", "tool_call_id": name, "content": "[1]"} for name in "ab"]
    parts = asked(NEW, HI, answer, *results)["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == ["skip_thought_signature_validator", None]


def test_models_before_the_third_generation_get_no_ids_and_no_made_up_signatures() -> None:
    answer = {"role": "assistant", "content": None, "tool_calls": [call("a")]}
    result = {"role": "tool", "tool_call_id": "a", "content": "7"}
    assert asked(OLD, HI, answer, result)["contents"][1:] == [
        {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {"city": "Paris"}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"output": "7"}}}]},
    ]


def test_functions_are_declared_with_their_json_schema() -> None:
    bare = {"type": "function", "function": {"name": "now"}}
    declared = asked(tools=[TOOL, bare])["tools"]
    weather = {"name": "weather", "description": "Tells it.", "parametersJsonSchema": WEATHER}
    assert declared == [{"functionDeclarations": [weather, {"name": "now"}]}]


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (
            {"type": "function", "function": {"name": "weather"}},
            {"mode": "ANY", "allowedFunctionNames": ["weather"]},
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TOOL]}},
            {"mode": "ANY", "allowedFunctionNames": ["weather"]},
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOL]}},
            {"mode": "VALIDATED", "allowedFunctionNames": ["weather"]},
        ),
    ],
)
def test_the_choice_of_tools_is_translated(choice: object, config: dict[str, Any]) -> None:
    question = asked(tools=[TOOL], tool_choice=choice)
    assert question["toolConfig"] == {"functionCallingConfig": config}


def test_a_choice_without_tools_says_nothing() -> None:
    assert set(asked(tool_choice="none", tools=[], parallel_tool_calls=False)) == {"contents"}


# Generation: ai.google.dev/api/generate-content, "GenerationConfig"; /gemini-api/docs/structured-output.


@pytest.mark.parametrize(
    ("fields", "config"),
    [
        ({"temperature": 0.0, "top_p": 0.5, "top_k": 40}, {"temperature": 0.0, "topP": 0.5, "topK": 40}),
        ({"max_tokens": 7}, {"maxOutputTokens": 7}),
        ({"max_completion_tokens": 8, "max_tokens": 7}, {"maxOutputTokens": 8}),
        ({"stop": "END"}, {"stopSequences": ["END"]}),
        ({"stop": ["a", "b"]}, {"stopSequences": ["a", "b"]}),
        ({"n": 3}, {"candidateCount": 3}),
        ({"seed": 2**40 + 5}, {"seed": 5}),
        ({"seed": -1}, {"seed": 2**31 - 1}),
        (
            {"presence_penalty": 0.5, "frequency_penalty": -1},
            {"presencePenalty": 0.5, "frequencyPenalty": -1},
        ),
        ({"logprobs": True, "top_logprobs": 4}, {"responseLogprobs": True, "logprobs": 4}),
        ({"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "w", "strict": True, "schema": WEATHER},
                }
            },
            {"responseMimeType": "application/json", "responseJsonSchema": WEATHER},
        ),
        ({"mediaResolution": "MEDIA_RESOLUTION_LOW"}, {"mediaResolution": "MEDIA_RESOLUTION_LOW"}),
        (
            {
                "extra_body": {"google": {"thinkingConfig": {"thinkingLevel": "LOW"}}},
                "reasoning_effort": "high",
            },
            {"thinkingConfig": {"thinkingLevel": "LOW"}},
        ),
    ],
)
def test_parameters_become_the_generation_config(fields: dict[str, Any], config: dict[str, Any]) -> None:
    assert asked(**fields)["generationConfig"] == config


# Levels and budgets: ai.google.dev/gemini-api/docs/openai, "Thinking"; Google's guides to 3.7 and 3.8 Flash.
@pytest.mark.parametrize(
    ("model", "effort", "thinking"),
    [
        (NEW, "none", {"includeThoughts": False, "thinkingLevel": "LOW"}),
        (NEW, "minimal", {"includeThoughts": True, "thinkingLevel": "LOW"}),
        (NEW, "medium", {"includeThoughts": True, "thinkingLevel": "MEDIUM"}),
        (NEW, "xhigh", {"includeThoughts": True, "thinkingLevel": "HIGH"}),
        ("gemini-3.5-flash-lite", "minimal", {"includeThoughts": True, "thinkingLevel": "MINIMAL"}),
        ("gemini-flash-latest", "low", {"includeThoughts": True, "thinkingLevel": "LOW"}),
        (OLD, "none", {"includeThoughts": False, "thinkingBudget": 0}),
        (OLD, "low", {"includeThoughts": True, "thinkingBudget": 1024}),
        (OLD, "high", {"includeThoughts": True, "thinkingBudget": 24576}),
        ("gemini-2.5-pro", "none", {"includeThoughts": False, "thinkingBudget": 128}),
    ],
)
def test_an_effort_becomes_a_level_or_a_budget(model: str, effort: str, thinking: dict[str, Any]) -> None:
    assert asked(model, reasoning_effort=effort)["generationConfig"] == {"thinkingConfig": thinking}


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 1, "stop": [], "user": "u", "metadata": {"a": "b"}, "store": True, "service_tier": "flex"},
        {"response_format": {"type": "text"}, "temperature": None, "logit_bias": {}, "modalities": ["text"]},
        {"parallel_tool_calls": True, "prediction": {"type": "content"}, "verbosity": "low"},
        {"min_p": 0.1, "cachedContent": "cachedContents/of-another", "cached_content": "x", "contents": []},
        {"extra_body": {"google": {"cached_content": "cachedContents/of-another"}}},
    ],
)
def test_what_needs_no_answer_of_its_own_is_left_out(fields: dict[str, Any]) -> None:
    assert asked(**fields) == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def test_safety_settings_are_passed_on() -> None:
    settings = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_ONLY_HIGH"}]
    assert asked(safety_settings=settings)["safetySettings"] == settings
    assert asked(extra_body={"google": {"safetySettings": settings}})["safetySettings"] == settings


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("logit_bias", {"logit_bias": {"50256": -100}}),
        ("audio", {"audio": {"voice": "alloy", "format": "wav"}}),
        ("modalities", {"modalities": ["text", "audio"]}),
        ("web_search_options", {"web_search_options": {"search_context_size": "low"}}),
        ("functions", {"functions": [{"name": "f"}]}),
        ("function_call", {"function_call": "auto"}),
        ("parallel_tool_calls", {"parallel_tool_calls": False, "tools": [TOOL]}),
        ("tools", {"tools": [{"type": "custom", "custom": {"name": "x"}}]}),
        ("tools", {"tools": ["weather"]}),
        ("tools", {"tools": True}),
        ("tool_choice", {"tools": [TOOL], "tool_choice": "sometimes"}),
        ("tool_choice", {"tools": [TOOL], "tool_choice": {"type": "function"}}),
        ("response_format", {"response_format": {"type": "grammar"}}),
        ("reasoning_effort", {"reasoning_effort": "enormous"}),
        ("seed", {"seed": "7"}),
    ],
)
def test_what_would_change_the_answer_and_cannot_be_said_is_unsupported(
    param: str, fields: dict[str, Any]
) -> None:
    assert unsupported(**fields) == param


def test_each_of_openais_fields_is_handled_in_one_way() -> None:
    assert CompletionCreateParamsBase.__annotations__.keys() <= TRANSLATED | LEFT_OUT | IMPOSSIBLE
    lists = [TRANSLATED, LEFT_OUT, IMPOSSIBLE, PASSED]
    assert sum(map(len, lists)) == len(frozenset().union(*lists))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(sorted(TRANSLATED | LEFT_OUT | IMPOSSIBLE | PASSED | {"extra_body"}))


@given(
    st.dictionaries(names.filter(lambda name: name != "messages"), json_values), st.sampled_from([NEW, OLD])
)
def test_whatever_the_fields_hold_there_is_a_question_or_a_reason(fields: dict[str, Any], model: str) -> None:
    said = param = ""
    try:
        said = Gemini().request(model, {"messages": [HI], **fields}, "key", stream=False).content.decode()
    except Unsupported as refusal:
        param = refusal.param
    assert param in fields or '"contents":[{' in said


texts = st.text(max_size=4)
user = st.builds(lambda text: [{"role": "user", "content": text or "?"}], texts)
instruction = st.builds(lambda text: [{"role": "system", "content": text}], texts)
spoken = st.builds(lambda text: [{"role": "assistant", "content": text}], texts)
results = st.one_of(texts, st.sampled_from(['{"a": 1}', "[1]", "7", "null"]))


@st.composite
def rounds(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A step of tool calls and their results, in any order."""
    ids = draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3, unique=True))
    answer = {"role": "assistant", "content": draw(texts), "tool_calls": [call(one) for one in ids]}
    told = [{"role": "tool", "tool_call_id": one, "content": draw(results)} for one in ids]
    return [answer, *draw(st.permutations(told))]


@given(st.lists(user | instruction | spoken | rounds(), max_size=6), st.sampled_from([NEW, OLD]))
def test_every_conversation_becomes_one_that_gemini_takes(
    steps: list[list[dict[str, Any]]], model: str
) -> None:
    """Every step of calls begins with the user's words: Gemini wants calls right behind them or behind results."""
    messages = [message for step in steps for message in [HI, *step]]
    question = asked(model, *messages)
    roles = [content["role"] for content in question["contents"]]
    assert all(first != second for first, second in pairwise(roles))
