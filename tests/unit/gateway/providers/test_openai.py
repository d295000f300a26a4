import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly import Assembly
from gateway.failures import FailureKind
from gateway.providers.dialect import Chunk, Completion, Dialect, InvalidCompletion, ProviderError
from gateway.providers.openai import OpenAi, read_usage
from gateway.sse import SseEvent, SseReader
from routing.pricing import Usage
from tests.vendors import openai_wire as wire

DIALECT: Dialect = OpenAi()
BODY = {"messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 5, "brand_new": {"x": [1]}}


def raw(message: object, **more: object) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], **more}).encode()


def read_stream(stream: bytes) -> tuple[Completion, bool]:
    """Return what the stream amounts to and whether its end marker came."""
    reader, assembly = DIALECT.reader(), Assembly()
    for event in SseReader().feed(stream):
        if chunk := reader.read(event):
            assembly.add(chunk)
    return assembly.completion(), reader.ended


def read_event(data: object, name: str = "message") -> Chunk | None:
    return DIALECT.reader().read(SseEvent(data if isinstance(data, str) else json.dumps(data), name))


def choice(delta: object, **more: object) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None, **more}]}


# Questions


def test_the_question_is_passed_on_with_the_models_name_and_the_key() -> None:
    request = DIALECT.request("gpt-x", {**BODY, "model": "ours"}, "sk-1", stream=False)
    assert request.path == "/chat/completions"
    assert request.headers == {"authorization": "Bearer sk-1"}
    assert orjson.loads(request.content) == {**BODY, "model": "gpt-x"}
    assert "sk-1" not in repr(request)


def test_a_provider_without_keys_gets_no_authorization() -> None:
    assert DIALECT.request("m", BODY, "", stream=False).headers == {}


def test_a_stream_is_asked_for_with_its_usage() -> None:
    asked = orjson.loads(DIALECT.request("m", BODY, "", stream=True).content)
    assert (asked["stream"], asked["stream_options"]) == (True, {"include_usage": True})


# Whole answers


def test_an_answer_is_read_with_its_text_usage_and_id() -> None:
    completion = DIALECT.read(json.dumps(wire.ANSWER).encode())
    assert completion.text == "Paris is the capital of France."
    assert (completion.finish_reason, completion.upstream_id) == ("stop", "chatcmpl-9ZkQ2f")
    assert completion.usage == Usage(
        input_tokens=1117, output_tokens=46, cached_input_tokens=1024, reasoning_tokens=32
    )
    assert completion.choices[0]["message"] == wire.ANSWER["choices"][0]["message"]


def test_tool_calls_are_read_without_content() -> None:
    completion = DIALECT.read(json.dumps(wire.TOOL_ANSWER).encode())
    assert (completion.text, completion.finish_reason) == ("", "tool_calls")
    assert completion.message["tool_calls"] == wire.TWO_CALLS[:1]


def test_blank_lines_that_keep_a_connection_alive_are_no_part_of_the_answer() -> None:
    assert DIALECT.read(b"\n\n\n" + json.dumps(wire.ANSWER).encode()).finish_reason == "stop"


def test_all_choices_are_read_in_order_with_their_logprobs() -> None:
    likely = {
        "content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}],
        "refusal": None,
    }
    choices = [
        {"index": 1, "message": {"role": "assistant", "content": "b"}, "finish_reason": "length"},
        {"index": 0, "message": {"content": "a"}, "finish_reason": "stop", "logprobs": likely, "extra": 1},
    ]
    assert DIALECT.read(json.dumps({"choices": choices}).encode()).choices == (
        {
            "index": 0,
            "message": {"content": "a", "role": "assistant"},
            "finish_reason": "stop",
            "logprobs": likely,
        },
        choices[0],
    )


@pytest.mark.parametrize(
    "instead",
    [
        {"tool_calls": wire.TWO_CALLS},
        {"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}]},
        {"function_call": {"name": "f", "arguments": "{}"}},
        {"refusal": "No."},
        {"audio": {"id": "audio_1", "data": "UklGRg==", "transcript": "Hi", "expires_at": 1}},
        {"reasoning_content": "Hm."},
        {"reasoning": "Hm."},
    ],
)
def test_missing_content_is_accepted_beside_what_stands_in_for_it(instead: dict[str, Any]) -> None:
    completion = DIALECT.read(raw({"role": "assistant", "content": None, **instead}))
    assert completion.text == ""
    assert completion.message == {"role": "assistant", "content": None, **instead}


@pytest.mark.parametrize("reason", ["content_filter", "length"])
def test_missing_content_is_accepted_where_a_filter_or_the_callers_limit_took_it(reason: str) -> None:
    without = {"choices": [{"message": {"role": "assistant", "content": None}, "finish_reason": reason}]}
    assert DIALECT.read(json.dumps(without).encode()).text == ""


def test_what_a_message_has_besides_is_passed_on() -> None:
    message = {
        "role": "assistant",
        "content": "x",
        "annotations": [{"type": "url_citation"}],
        "new": {"a": 1},
    }
    assert DIALECT.read(raw(message)).message == message


def test_thoughts_among_the_content_get_a_field_of_their_own() -> None:
    message = DIALECT.read(raw(wire.MISTRAL_MESSAGE)).message
    assert (message["content"], message["reasoning_content"]) == ("Paris", "France: Paris.")


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
        b'{"choices": {}}',
        b'{"choices": [null]}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {}}]}',
        b'{"choices": [{"message": {"content": null, "tool_calls": []}}]}',
        b'{"choices": [{"message": {"content": 5}}]}',
        b'{"choices": [{"message": {"content": ["parts"]}}]}',
        b'{"choices": [{"message": {"content": [{"type": "image_url"}]}}]}',
        b'{"choices": [{"message": {"content": [{"type": "thinking", "thinking": [5]}]}}]}',
        b'{"choices": [{"message": {"content": "x", "role": 5}}]}',
        b'{"choices": [{"message": {"content": "x", "refusal": {}}}]}',
        b'{"choices": [{"message": {"content": "x", "tool_calls": {}}}]}',
        b'{"choices": [{"message": {"content": "x", "tool_calls": [5]}}]}',
        b'{"choices": [{"message": {"content": "x", "tool_calls": [{"id": 5}]}}]}',
        b'{"choices": [{"message": {"content": "x", "tool_calls": [{"function": "f"}]}}]}',
        b'{"choices": [{"message": {"content": "x", "tool_calls": [{"function": {"arguments": {}}}]}}]}',
        b'{"choices": [{"message": {"content": "x", "function_call": "f"}}]}',
        b'{"choices": [{"message": {"content": "x", "audio": "UklGRg=="}}]}',
        b'{"choices": [{"message": {"content": "x"}, "logprobs": []}]}',
        b'{"choices": [{"message": {"content": "x"}, "index": -1}]}',
        b'{"choices": [{"message": {"content": "x"}, "index": 128}]}',
        b'{"choices": [{"message": {"content": "x"}, "index": true}]}',
        b'{"choices": [{"message": {"content": "x"}, "index": 0}, {"message": {"content": "y"}, "index": 0}]}',
        b'{"choices": [%b]}' % b",".join([b'{"message": {"content": "x"}}'] * 129),
        b'{"choices": [{"message": {"content": "\\ud800"}}]}',
        b'{"choices": [{"message": {"content": NaN}}]}',
        b'{"choices": [{"message": {"content": "\xff"}}]}',
        b'{"choices": [{"message": {"content": "x", "new": %b1%b}}]}' % (b"[" * 70, b"]" * 70),
        b"[" * 100_000,
        b'{"choices": [{"message": {"content": "cut',
    ],
)
def test_anything_else_is_not_a_completion(body: bytes) -> None:
    with pytest.raises(InvalidCompletion):
        DIALECT.read(body)


@pytest.mark.parametrize("reason", [None, "", {"a": 1}, 5, "a\nb", "x" * 33])
def test_strange_finish_reasons_are_unknown(reason: object) -> None:
    body = {"choices": [{"message": {"content": "x"}, "finish_reason": reason}]}
    assert DIALECT.read(json.dumps(body).encode()).finish_reason == "unknown"


@pytest.mark.parametrize("given_id", ["a\nb", "", "x" * 129, 5, None])
def test_strange_ids_are_left_out(given_id: object) -> None:
    assert DIALECT.read(raw({"content": "x"}, id=given_id)).upstream_id == ""


# Usage


def test_usage_is_read_with_its_parts() -> None:
    usage: dict[str, Any] = {"prompt_tokens": 10, "completion_tokens": 4}
    assert read_usage(usage) == Usage(input_tokens=10, output_tokens=4)
    parts = {"prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 2}}
    assert read_usage({**usage, **parts}) == Usage(
        input_tokens=10, output_tokens=4, cached_input_tokens=6, cache_write_tokens=2
    )
    assert read_usage({**usage, "prompt_cache_hit_tokens": 7}) == Usage(
        input_tokens=10, output_tokens=4, cached_input_tokens=7
    )
    assert read_usage({**usage, "prompt_tokens_details": None, "completion_tokens_details": None}) == Usage(
        input_tokens=10, output_tokens=4
    )


def test_thoughts_that_a_provider_counts_besides_its_output_are_output() -> None:
    assert read_usage(wire.XAI_USAGE) == Usage(
        input_tokens=663, output_tokens=174, cached_input_tokens=654, reasoning_tokens=124
    )


@pytest.mark.parametrize("thought", [-1, "x", None, 1.5, 10**12])
def test_absurd_counts_of_thoughts_do_no_harm_to_the_rest(thought: object) -> None:
    usage = {
        "prompt_tokens": 1,
        "completion_tokens": 4,
        "completion_tokens_details": {"reasoning_tokens": thought},
    }
    assert read_usage(usage) == Usage(input_tokens=1, output_tokens=4)


def test_no_more_was_thought_than_was_put_out() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 4, "completion_tokens_details": {"reasoning_tokens": 9}}
    assert read_usage(usage) == Usage(input_tokens=1, output_tokens=4, reasoning_tokens=4)


@pytest.mark.parametrize(
    "usage",
    [
        # No question has no tokens; some proxies report nothing but zeros.
        {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
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


# Streams


def test_a_stream_amounts_to_the_answer_that_would_have_come_whole() -> None:
    completion, ended = read_stream(wire.STREAM)
    whole = DIALECT.read(json.dumps(wire.ANSWER).encode())
    assert ended
    assert completion.text == whole.text
    assert (completion.usage, completion.upstream_id) == (whole.usage, whole.upstream_id)
    assert completion.finish_reason == whole.finish_reason


@pytest.mark.parametrize(
    "stream",
    [wire.TOOL_STREAM, wire.GOOGLE_TOOL_STREAM, wire.OLLAMA_TOOL_STREAM],
    ids=["openai", "google", "ollama"],
)
def test_tool_calls_are_kept_apart_whatever_index_they_have(stream: bytes) -> None:
    completion, _ = read_stream(stream)
    assert completion.message["tool_calls"] == wire.TWO_CALLS
    assert completion.finish_reason == "tool_calls"


def test_tool_calls_of_each_choice_have_numbers_of_their_own() -> None:
    reader = DIALECT.reader()
    for index in (0, 1):
        delta = wire.tool_piece(None, "{}", id=f"call_{index}", name="f")
        event = SseEvent(json.dumps({"choices": [{"index": index, "delta": delta, "finish_reason": None}]}))
        chunk = reader.read(event)
        assert chunk is not None
        assert chunk.choices[0]["delta"]["tool_calls"][0]["index"] == 0


def test_a_call_without_an_index_goes_on_with_the_one_before_it() -> None:
    completion, _ = read_stream(
        wire.stream(
            wire.chunk(wire.tool_piece(0, '{"city": ', id="call_a1", name="weather")),
            wire.chunk(wire.tool_piece(None, '"Bonn"}')),
            wire.chunk(wire.tool_piece(5, "", id="call_b2", name="time")),
            wire.chunk(
                {
                    "tool_calls": [
                        {"index": 5, "id": "", "function": {"name": "time", "arguments": '{"city": '}}
                    ]
                }
            ),
            wire.chunk(wire.tool_piece(5, '"Rome"}'), "tool_calls"),
        )
    )
    assert completion.message["tool_calls"] == wire.TWO_CALLS


def test_names_that_a_provider_repeats_are_passed_on_once() -> None:
    reader = DIALECT.reader()
    call = {"index": 0, "id": "call_a1", "type": "function", "function": {"name": "f", "arguments": "{"}}
    piece = json.dumps(choice({"role": "assistant", "content": "x", "tool_calls": [call]}))
    first, second = reader.read(SseEvent(piece)), reader.read(SseEvent(piece))
    assert first is not None
    assert second is not None
    assert first.choices[0]["delta"] == {"role": "assistant", "content": "x", "tool_calls": [call]}
    assert second.choices[0]["delta"] == {
        "content": "x",
        "tool_calls": [{"index": 0, "function": {"arguments": "{"}}],
    }


def test_a_name_that_comes_late_is_passed_on() -> None:
    completion, _ = read_stream(
        wire.stream(
            wire.chunk(
                {"role": None, "tool_calls": [{"index": 0, "id": "", "function": {"arguments": '{"city": '}}]}
            ),
            wire.chunk(
                {"role": "assistant", **wire.tool_piece(0, '"Bonn"}', id="call_a1", name="weather")}, "stop"
            ),
        )
    )
    assert completion.message == {"role": "assistant", "content": None, "tool_calls": wire.TWO_CALLS[:1]}


def test_more_calls_than_anybody_asks_for_are_refused() -> None:
    calls = [wire.tool_piece(None, "{}", id=f"call_{n}", name="f")["tool_calls"][0] for n in range(129)]
    assert read_event(choice({"tool_calls": calls[:128]})) is not None
    with pytest.raises(InvalidCompletion):
        read_event(choice({"tool_calls": calls}))


def test_notes_of_azures_filter_bring_no_content() -> None:
    completion, ended = read_stream(wire.AZURE_STREAM)
    assert (completion.text, completion.finish_reason, ended) == ("Paris", "stop", True)
    assert completion.upstream_id == "chatcmpl-9ZkQ2f"


def test_deepseeks_thoughts_and_cache_hits_are_read() -> None:
    completion, ended = read_stream(wire.DEEPSEEK_STREAM)
    assert (completion.text, completion.message["reasoning_content"], ended) == (
        "Paris",
        "France: Paris.",
        True,
    )
    assert completion.usage == Usage(
        input_tokens=100, output_tokens=9, cached_input_tokens=64, reasoning_tokens=7
    )


def test_openrouters_thoughts_are_read_between_its_comments() -> None:
    completion, ended = read_stream(wire.OPENROUTER_STREAM)
    assert (completion.text, completion.message["reasoning"], ended) == ("Paris", "Easy.", True)
    assert [detail.get("summary") for detail in completion.message["reasoning_details"]] == ["Easy.", None]
    assert completion.usage is not None


def test_mistrals_content_in_parts_becomes_text() -> None:
    completion, _ = read_stream(wire.MISTRAL_STREAM)
    assert (completion.text, completion.message["reasoning_content"]) == ("Paris", "France: Paris.")


def test_vllms_usage_comes_behind_its_end() -> None:
    completion, _ = read_stream(wire.VLLM_STREAM)
    assert (completion.text, completion.usage) == ("Paris", Usage(input_tokens=9, output_tokens=2))


def test_the_last_of_many_usages_holds() -> None:
    counts = [{"prompt_tokens": 5, "completion_tokens": n} for n in (1, 2, 3)]
    pieces = [wire.chunk({"content": "x"}, "stop" if n == 2 else None, usage=counts[n]) for n in range(3)]
    assert read_stream(wire.stream(*pieces))[0].usage == Usage(input_tokens=5, output_tokens=3)


def test_a_stream_has_not_ended_before_its_marker_whatever_its_finish_reason_says() -> None:
    completion, ended = read_stream(wire.stream(wire.chunk({"content": "x"}, "stop"), end=b""))
    assert (completion.finish_reason, ended) == ("stop", False)


def test_nothing_behind_the_end_marker_counts() -> None:
    stream = wire.stream(wire.chunk({"content": "x"}, "stop")) + wire.stream(
        wire.chunk({"content": "y"}), b"data: {\n\n"
    )
    assert read_stream(stream)[0].text == "x"


@pytest.mark.parametrize("event", [SseEvent(""), SseEvent("{}", "ping"), SseEvent(" [DONE] ")])
def test_some_events_bring_nothing(event: SseEvent) -> None:
    assert DIALECT.reader().read(event) is None


def test_an_empty_finish_reason_is_none_yet() -> None:
    chunk = read_event(choice({"content": "x"}, finish_reason=""))
    assert chunk is not None
    assert chunk.choices[0]["finish_reason"] is None


def test_a_strange_finish_reason_is_unknown() -> None:
    chunk = read_event(choice({}, finish_reason="STOP!"))
    assert chunk is not None
    assert chunk.choices[0]["finish_reason"] == "unknown"


def test_a_delta_keeps_what_is_unknown_and_a_choice_only_what_is_known() -> None:
    chunk = read_event(
        choice({"content": "x", "new": [1]}, native_finish_reason="STOP", logprobs={"content": []})
    )
    assert chunk is not None
    assert chunk.choices == (
        {
            "index": 0,
            "delta": {"content": "x", "new": [1]},
            "finish_reason": None,
            "logprobs": {"content": []},
        },
    )


@pytest.mark.parametrize(
    "data",
    [
        "not JSON",
        "[]",
        "5",
        "{}",
        '{"usage": null}',
        '{"choices": {}}',
        '{"choices": [5]}',
        '{"choices": [{"delta": {}}]}',
        '{"choices": [{"index": -1, "delta": {}}]}',
        '{"choices": [{"index": 128, "delta": {}}]}',
        '{"choices": [{"index": 0.0, "delta": {}}]}',
        '{"choices": [{"index": true, "delta": {}}]}',
        '{"choices": [{"index": 0, "delta": "x"}]}',
        '{"choices": [{"index": 0, "delta": {"content": 5}}]}',
        '{"choices": [{"index": 0, "delta": {"content": [5]}}]}',
        '{"choices": [{"index": 0, "delta": {"reasoning": []}}]}',
        '{"choices": [{"index": 0, "delta": {"tool_calls": [{"index": -1}]}}]}',
        '{"choices": [{"index": 0, "delta": {"tool_calls": [{"index": "0"}]}}]}',
        '{"choices": [{"index": 0, "delta": {"tool_calls": [5]}}]}',
        '{"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": 5}]}}]}',
        '{"choices": [{"index": 0, "delta": {}, "finish_reason": 5}]}',
        '{"choices": [{"index": 0, "delta": {}, "logprobs": 5}]}',
        '{"choices": [{"index": 0, "delta": {"new": DEEP}}]}'.replace("DEEP", "[" * 70 + "]" * 70),
        '{"choices": [{"index": 0, "delta": {"content": "\\ud800"}}]}',
        "[" * 100_000,
    ],
)
def test_anything_else_is_not_a_chunk(data: str) -> None:
    with pytest.raises(InvalidCompletion):
        read_event(data)


# Errors inside answers


REPORTED = [
    (wire.error("rate_limit_exceeded", "tokens"), FailureKind.RATE_LIMITED),
    (wire.error(None, "rate_limit_error"), FailureKind.RATE_LIMITED),
    (wire.error("insufficient_quota", "insufficient_quota"), FailureKind.OUT_OF_QUOTA),
    (wire.error("invalid_api_key", "invalid_request_error"), FailureKind.REFUSED_KEY),
    (wire.error(None, "server_error"), FailureKind.OVERLOADED),
    (wire.error("model_not_found", "invalid_request_error"), FailureKind.UNKNOWN_MODEL),
    (wire.error("context_length_exceeded", "invalid_request_error"), FailureKind.CONTEXT_LENGTH),
    (
        wire.error(400, "BadRequestError", "This model's maximum context length is 1024 tokens."),
        FailureKind.CONTEXT_LENGTH,
    ),
    (wire.error(None, "invalid_request_error"), FailureKind.REFUSED_REQUEST),
    (wire.openrouter_error(502, provider_name="X", raw="{}"), FailureKind.OVERLOADED),
    (wire.openrouter_error(429), FailureKind.RATE_LIMITED),
    (wire.openrouter_error(408), FailureKind.TIMEOUT),
    (wire.mistral_error("InternalServerError", "3000"), FailureKind.OVERLOADED),
    (wire.error("3700", "strange"), FailureKind.INVALID_RESPONSE),
    (wire.error(200), FailureKind.INVALID_RESPONSE),
    ({"error": "told in words alone"}, FailureKind.INVALID_RESPONSE),
    ({"error": {"code": {"a": 1}, "type": ["x"], "message": 5}}, FailureKind.INVALID_RESPONSE),
]


@pytest.mark.parametrize(("body", "kind"), REPORTED)
def test_an_error_in_an_answer_or_a_chunk_is_told_by_its_kind(
    body: dict[str, Any], kind: FailureKind
) -> None:
    with pytest.raises(ProviderError) as in_answer:
        DIALECT.read(json.dumps({**wire.ANSWER, **body}).encode())
    with pytest.raises(ProviderError) as in_chunk:
        read_event(body)
    assert (in_answer.value.kind, in_chunk.value.kind) == (kind, kind)
    assert "words" not in str(in_answer.value)


@pytest.mark.parametrize("error", [None, {}, "", False])
def test_an_error_that_says_nothing_is_none(error: object) -> None:
    assert DIALECT.read(raw({"content": "x"}, error=error)).text == "x"


def test_an_event_named_error_is_one_whatever_it_holds() -> None:
    with pytest.raises(ProviderError) as caught:
        read_event({"message": "Told in words.", "type": "overloaded_error"}, "error")
    assert caught.value.kind is FailureKind.OVERLOADED
    with pytest.raises(InvalidCompletion):
        read_event("no JSON", "error")


def test_openrouters_break_in_the_middle_is_an_error() -> None:
    with pytest.raises(ProviderError) as caught:
        read_stream(wire.OPENROUTER_BROKEN_STREAM)
    assert caught.value.kind is FailureKind.OVERLOADED


@pytest.mark.parametrize("reason", ["error", "insufficient_system_resource"])
def test_a_finish_reason_by_which_the_provider_gave_up_is_an_error(reason: str) -> None:
    with pytest.raises(ProviderError):
        read_event(choice({"content": "x"}, finish_reason=reason))
    with pytest.raises(ProviderError):
        DIALECT.read(
            json.dumps({"choices": [{"message": {"content": "x"}, "finish_reason": reason}]}).encode()
        )


# Statuses other than 200

TOO_LARGE = (
    "Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Requested 36278. "
    "The input or output tokens must be reduced in order to run successfully."
)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (302, {}, FailureKind.REDIRECT),
        (400, wire.error(None, "invalid_request_error"), FailureKind.REFUSED_REQUEST),
        (400, wire.error("context_length_exceeded", "invalid_request_error"), FailureKind.CONTEXT_LENGTH),
        (
            400,
            wire.error(400, "BadRequestError", "the model's context length is only 1024 tokens"),
            FailureKind.CONTEXT_LENGTH,
        ),
        (400, wire.error(400, "exceed_context_size_error"), FailureKind.CONTEXT_LENGTH),
        (400, wire.mistral_error("invalid_model", "1500"), FailureKind.UNKNOWN_MODEL),
        (
            400,
            wire.error("invalid_request_error", "invalid_request_error", "Model Not Exist"),
            FailureKind.UNKNOWN_MODEL,
        ),
        (400, [wire.error(400, None, "API key not valid.")], FailureKind.REFUSED_REQUEST),
        (400, [wire.error("invalid_api_key")], FailureKind.REFUSED_KEY),
        (401, wire.error("invalid_api_key", "invalid_request_error"), FailureKind.REFUSED_KEY),
        (401, {}, FailureKind.REFUSED_KEY),
        (
            402,
            wire.error("invalid_request_error", "unknown_error", "Insufficient Balance"),
            FailureKind.OUT_OF_QUOTA,
        ),
        (403, wire.error("unsupported_country_region_territory"), FailureKind.REFUSED_KEY),
        (403, wire.error("model_not_found"), FailureKind.UNKNOWN_MODEL),
        (403, wire.openrouter_error(403, reasons=["x"], flagged_input="y"), FailureKind.REFUSED_REQUEST),
        (403, wire.openrouter_error(403), FailureKind.REFUSED_KEY),
        (404, wire.error("model_not_found", "invalid_request_error"), FailureKind.UNKNOWN_MODEL),
        (404, {}, FailureKind.UNKNOWN_MODEL),
        (408, {}, FailureKind.TIMEOUT),
        (413, {}, FailureKind.REFUSED_REQUEST),
        (418, {}, FailureKind.REFUSED_REQUEST),
        (422, {"detail": [{"loc": ["body"], "msg": "x"}]}, FailureKind.REFUSED_REQUEST),
        (429, wire.error("rate_limit_exceeded", "requests"), FailureKind.RATE_LIMITED),
        # One call asked for more than a minute's worth: it says nothing of what other calls may use.
        (429, wire.error("rate_limit_exceeded", "tokens", TOO_LARGE), FailureKind.CONTEXT_LENGTH),
        (413, wire.error("rate_limit_exceeded", "tokens", TOO_LARGE), FailureKind.CONTEXT_LENGTH),
        (429, wire.error("insufficient_quota", "insufficient_quota"), FailureKind.OUT_OF_QUOTA),
        (429, wire.error(None, "insufficient_quota"), FailureKind.OUT_OF_QUOTA),
        (429, {"message": "Requests rate limit exceeded"}, FailureKind.RATE_LIMITED),
        (500, wire.error("insufficient_quota"), FailureKind.OVERLOADED),
        (503, {}, FailureKind.OVERLOADED),
        (529, {}, FailureKind.OVERLOADED),
        (204, {}, FailureKind.INVALID_RESPONSE),
    ],
)
def test_a_status_is_told_by_its_kind(status: int, body: object, kind: FailureKind) -> None:
    assert DIALECT.failure_kind(status, json.dumps(body).encode()) is kind


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b"[[]]",
        b'"x"',
        b'{"error": []}',
        b'{"error": {"code": %b}}' % (b"[" * 900 + b"]" * 900),
    ],
)
def test_an_error_body_that_says_nothing_leaves_it_to_the_status(body: bytes) -> None:
    assert DIALECT.failure_kind(429, body) is FailureKind.RATE_LIMITED
    assert DIALECT.failure_kind(400, body) is FailureKind.REFUSED_REQUEST


@pytest.mark.parametrize("body", [b"", b"<html>blocked</html>", b"null", b"[]", b"blocked"])
def test_a_firewall_that_refuses_a_question_says_nothing_of_the_key(body: bytes) -> None:
    assert DIALECT.failure_kind(403, body) is FailureKind.INVALID_RESPONSE


def test_a_refused_question_says_nothing_of_the_key_in_a_stream_either() -> None:
    refused = wire.openrouter_error(403, reasons=["x"], flagged_input="y")
    with pytest.raises(ProviderError) as raised:
        DIALECT.reader().read(SseEvent(json.dumps(refused)))
    assert raised.value.kind is FailureKind.REFUSED_REQUEST


# Anything at all


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
KNOWN = ["role", "content", "refusal", "reasoning", "tool_calls", "function_call", "audio", "annotations"]
part_values = (
    json_values
    | st.dictionaries(st.sampled_from(KNOWN), json_values, max_size=4)
    | st.fixed_dictionaries(
        {
            "tool_calls": st.lists(
                st.dictionaries(
                    st.sampled_from(["index", "id", "function"]), json_values | st.integers(0, 3)
                ),
                max_size=3,
            )
        }
    )
)


@given(
    part=part_values,
    usage=json_values
    | st.fixed_dictionaries({"prompt_tokens": json_values, "completion_tokens": json_values}),
    finish_reason=json_values,
    error=st.none() | json_values,
)
def test_no_json_can_break_the_reading(
    part: object, usage: object, finish_reason: object, error: object
) -> None:
    one = {"index": 0, "message": part, "delta": part, "finish_reason": finish_reason}
    body = json.dumps({"choices": [one], "usage": usage, "error": error})
    assembly = Assembly()
    try:
        completion = DIALECT.read(body.encode())
    except (InvalidCompletion, ProviderError):
        pass
    else:
        assert isinstance(completion.text, str)
        orjson.dumps(completion.choices)
    try:
        chunk = DIALECT.reader().read(SseEvent(body))
    except (InvalidCompletion, ProviderError):
        return
    assert chunk is not None
    assembly.add(chunk)
    assembly.add(Chunk(choices=({"index": 0, "delta": {}, "finish_reason": "stop"},)))
    orjson.dumps(assembly.completion().choices)
    assert isinstance(DIALECT.failure_kind(400, body.encode()), FailureKind)
