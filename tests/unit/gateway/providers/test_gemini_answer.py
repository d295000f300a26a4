"""Answers of the Gemini API, whole and streamed, in OpenAI's form.

The fixtures are in the documented format: ai.google.dev/api/generate-content (GenerateContentResponse, Candidate,
UsageMetadata, LogprobsResult), /gemini-api/docs/thinking, /thought-signatures, /function-calling.
"""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly import Assembly
from gateway.failures import FailureKind
from gateway.providers.dialect import Chunk, Completion, InvalidCompletion, ProviderError
from gateway.providers.gemini import Gemini
from gateway.sse import SseEvent
from routing.pricing import Usage

Json = dict[str, Any]
USAGE = {"promptTokenCount": 10, "candidatesTokenCount": 4, "totalTokenCount": 14}


def candidate(*parts: Json, reason: str | None = "STOP", **more: Any) -> Json:
    content = {"content": {"parts": list(parts), "role": "model"}} if parts else {}
    return {**content, **({"finishReason": reason} if reason else {}), **more}


def response(*candidates: Json, **more: Any) -> Json:
    named = {"modelVersion": "gemini-3.8-flash", "responseId": "mAitaLmkHPPlz7IPvtfUqQ4"}
    return {"candidates": list(candidates), "usageMetadata": USAGE, **named, **more}


def read(answer: object) -> Completion:
    return Gemini().read(orjson.dumps(answer))


def message(*parts: Json, **more: Any) -> Json:
    return read(response(candidate(*parts, **more))).message


def stream(*answers: object) -> tuple[list[Chunk], bool]:
    """Return the chunks of a stream and whether it came to its end."""
    reader = Gemini().reader()
    chunks = [reader.read(SseEvent(orjson.dumps(answer).decode())) for answer in answers]
    return [chunk for chunk in chunks if chunk], reader.ended


def assembled(*answers: object) -> Completion:
    assembly = Assembly()
    for chunk in stream(*answers)[0]:
        assembly.add(chunk)
    return assembly.completion()


def test_an_answers_texts_are_joined_and_its_thoughts_are_kept_apart() -> None:
    answer = read(
        response(
            candidate(
                {"text": "Let me ", "thought": True},
                {"text": "think.", "thought": True},
                {"text": "Forty-"},
                {"text": "two.", "thoughtSignature": "c2ln"},
                index=0,
                safetyRatings=[{"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"}],
            )
        )
    )
    assert answer.choices == (
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Forty-two.",
                "reasoning_content": "Let me think.",
            },
            "finish_reason": "stop",
        },
    )
    assert answer.usage == Usage(input_tokens=10, output_tokens=4)
    assert answer.upstream_id == "mAitaLmkHPPlz7IPvtfUqQ4"


def test_function_calls_become_tool_calls_with_their_ids_and_signatures() -> None:
    answer = message(
        {
            "functionCall": {"id": "8f2b1a3c", "name": "weather", "args": {"city": "Zürich", "days": 2}},
            "thoughtSignature": "c2lnbmF0dXJl",
        },
        {"functionCall": {"name": "now"}},
    )
    assert answer["content"] is None
    first, second = answer["tool_calls"]
    assert first == {
        "id": "8f2b1a3c",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city":"Zürich","days":2}'},
        "extra_content": {"google": {"thought_signature": "c2lnbmF0dXJl"}},
    }
    assert second["function"] == {"name": "now", "arguments": "{}"}
    assert second["id"].startswith("call_")


def test_an_ending_with_calls_is_tool_calls() -> None:
    whole = read(response(candidate({"text": "Wait."}, {"functionCall": {"name": "now", "args": {}}})))
    assert (whole.finish_reason, whole.text) == ("tool_calls", "Wait.")


@given(st.lists(st.tuples(st.sampled_from(["now", "weather"]), st.sampled_from(["", "x", "y"])), min_size=1))
def test_ids_that_are_missing_or_doubled_are_made_one_for_each_call_and_the_same_again(
    calls: list[tuple[str, str]],
) -> None:
    parts = [{"functionCall": {"name": name, **({"id": given} if given else {})}} for name, given in calls]
    ids = [call["id"] for call in message(*parts)["tool_calls"]]
    assert len(set(ids)) == len(ids)
    assert ids == [call["id"] for call in message(*parts)["tool_calls"]]
    streamed = assembled(*(response(candidate(part, reason=None)) for part in parts), response(candidate()))
    assert ids == [call["id"] for call in streamed.message["tool_calls"]]


def test_another_answer_has_other_ids() -> None:
    part = {"functionCall": {"name": "now"}}
    first = read(response(candidate(part), responseId="one")).message["tool_calls"][0]["id"]
    other = read(response(candidate(part), responseId="two")).message["tool_calls"][0]["id"]
    assert first != other


def test_several_candidates_are_choices_in_order() -> None:
    answer = read(response(candidate({"text": "b"}, index=1), candidate({"text": "a"}, index=0)))
    assert [(choice["index"], choice["message"]["content"]) for choice in answer.choices] == [
        (0, "a"),
        (1, "b"),
    ]


@pytest.mark.parametrize(
    ("reason", "finish_reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("LANGUAGE", "content_filter"),
        ("OTHER", "content_filter"),
        ("A_REASON_OF_NEXT_YEAR", "content_filter"),
    ],
)
def test_finish_reasons_are_translated(reason: str, finish_reason: str) -> None:
    assert read(response(candidate({"text": "So far"}, reason=reason))).finish_reason == finish_reason


@pytest.mark.parametrize(
    "reason",
    ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE"],
)
def test_output_that_is_no_answer_is_invalid(reason: str) -> None:
    with pytest.raises(InvalidCompletion):
        read(response(candidate({"text": "So far"}, reason=reason)))


def test_thoughts_that_took_all_tokens_leave_an_empty_text() -> None:
    assert message(reason="MAX_TOKENS")["content"] == ""


def test_a_withheld_answer_is_explained_in_our_words() -> None:
    withheld = read(response(candidate(reason="SAFETY", finishMessage="canary-provider-words")))
    assert (withheld.finish_reason, withheld.text) == ("content_filter", "")
    assert withheld.message["refusal"] == "The provider's filter withheld this answer."
    assert "canary" not in str(withheld.choices)


def test_a_blocked_prompt_is_an_answer_that_says_so() -> None:
    blocked = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": []},
        "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
    }
    for answer in (read(blocked), assembled(blocked)):
        assert answer.finish_reason == "content_filter"
        assert answer.message["refusal"] == "The provider's filter refused this prompt."
        assert answer.usage == Usage(input_tokens=9, output_tokens=0)
    assert stream(blocked)[1]


def test_logprobs_are_translated() -> None:
    result = {
        "chosenCandidates": [
            {"token": "é", "tokenId": 7, "logProbability": -0.25},
            {"token": "!", "tokenId": 8, "logProbability": 0},
        ],
        "topCandidates": [{"candidates": [{"token": "é", "tokenId": 7, "logProbability": -0.25}]}],
    }
    whole = response(candidate({"text": "é!"}, logprobsResult=result))
    first = {"token": "é", "logprob": -0.25, "bytes": [195, 169]}
    wanted = [
        {**first, "top_logprobs": [first]},
        {"token": "!", "logprob": 0, "bytes": [33], "top_logprobs": []},
    ]
    assert read(whole).choices[0]["logprobs"] == {"content": wanted, "refusal": None}
    assert assembled(whole).choices[0]["logprobs"]["content"] == wanted


@pytest.mark.parametrize(
    ("usage", "wanted"),
    [
        (USAGE, Usage(input_tokens=10, output_tokens=4)),
        (
            {
                "promptTokenCount": 1000,
                "cachedContentTokenCount": 800,
                "candidatesTokenCount": 50,
                "thoughtsTokenCount": 200,
                "toolUsePromptTokenCount": 30,
                "totalTokenCount": 1280,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1000}],
            },
            Usage(input_tokens=1030, output_tokens=250, cached_input_tokens=800, reasoning_tokens=200),
        ),
        # Thoughts that the total shows to be among the candidates' tokens are not counted twice.
        (
            {
                "promptTokenCount": 10,
                "candidatesTokenCount": 50,
                "thoughtsTokenCount": 20,
                "totalTokenCount": 60,
            },
            Usage(input_tokens=10, output_tokens=50, reasoning_tokens=20),
        ),
        ({"promptTokenCount": 10}, Usage(input_tokens=10, output_tokens=0)),
        (None, None),
        ("many", None),
        ({"candidatesTokenCount": 4}, None),
        ({**USAGE, "promptTokenCount": -1}, None),
        ({**USAGE, "promptTokenCount": True}, None),
        ({**USAGE, "candidatesTokenCount": 10**12}, None),
        ({**USAGE, "thoughtsTokenCount": "7"}, None),
        ({**USAGE, "cachedContentTokenCount": 11}, None),
    ],
)
def test_usage_counts_what_is_billed(usage: object, wanted: Usage | None) -> None:
    assert read(response(candidate({"text": "x"}), usageMetadata=usage)).usage == wanted


@pytest.mark.parametrize(
    "answer",
    [
        [],
        "text",
        {},
        {"candidates": []},
        {"candidates": {}},
        {"candidates": ["text"]},
        response(candidate({"text": "cut"}, reason=None)),
        response(candidate()),
        response(candidate({"text": "only thought", "thought": True})),
        response(candidate({"text": 7})),
        response(candidate({"text": "x"}, reason="STOP", index=-1)),
        response(candidate({"text": "x"}, index=True)),
        response(candidate({"text": "a"}, index=0), candidate({"text": "b"}, index=0)),
        response({"content": [], "finishReason": "STOP"}),
        response({"content": {"parts": {}}, "finishReason": "STOP"}),
        response({"content": {"parts": [{"text": "x"}]}, "finishReason": 1}),
        response(candidate({"functionCall": "now"})),
        response(candidate({"functionCall": {"name": ""}})),
        response(candidate({"functionCall": {"name": "now", "args": "x"}})),
        response(candidate({"text": "x"}, logprobsResult={"chosenCandidates": [{"token": 1}]})),
    ],
)
def test_what_is_no_answer_is_invalid(answer: object) -> None:
    with pytest.raises(InvalidCompletion):
        read(answer)


def test_arguments_that_no_encoder_takes_are_invalid() -> None:
    deep = b'{"candidates":[{"finishReason":"STOP","content":{"parts":[{"functionCall":{"name":"f","args":'
    deep += b'{"a":' * 300 + b"1" + b"}" * 300 + b"}}]}}]}"
    with pytest.raises(InvalidCompletion):
        Gemini().read(deep)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"<html>", b"nan"])
def test_bytes_that_are_no_json_are_invalid(raw: bytes) -> None:
    with pytest.raises(InvalidCompletion):
        Gemini().read(raw)


# A stream's events: ai.google.dev/api/generate-content, "streamGenerateContent".
STREAM = (
    response(
        candidate({"text": "I ponder.", "thought": True}, reason=None, index=0),
        usageMetadata={"promptTokenCount": 10, "thoughtsTokenCount": 6, "totalTokenCount": 16},
    ),
    response(candidate({"text": "Good "}, reason=None, index=0)),
    response(candidate({"text": "day."}, reason=None, index=0)),
    response(candidate({"text": ""}, index=0), usageMetadata={**USAGE, "thoughtsTokenCount": 6}),
)


def test_a_stream_is_relayed_piece_by_piece_and_ends_with_its_finish_reason() -> None:
    chunks, ended = stream(*STREAM)
    assert [chunk.choices[0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "reasoning_content": "I ponder."},
        {"content": "Good "},
        {"content": "day."},
        {"content": ""},
    ]
    assert [chunk.choices[0]["finish_reason"] for chunk in chunks] == [None, None, None, "stop"]
    assert chunks[-1].usage == Usage(input_tokens=10, output_tokens=10, reasoning_tokens=6)
    assert {chunk.upstream_id for chunk in chunks} == {"mAitaLmkHPPlz7IPvtfUqQ4"}
    assert ended


@pytest.mark.parametrize("events", range(4))
def test_a_stream_that_breaks_off_has_not_ended(events: int) -> None:
    assert not stream(*STREAM[:events])[1]


def test_a_stream_of_two_candidates_ends_with_the_later_one() -> None:
    reader = Gemini().reader()
    ends = []
    for answer in (
        response(
            candidate({"text": "a"}, reason=None, index=0), candidate({"text": "b"}, reason=None, index=1)
        ),
        response(candidate({"text": "A"}, index=0)),
        response(candidate({"text": "B"}, index=1)),
    ):
        reader.read(SseEvent(orjson.dumps(answer).decode()))
        ends.append(reader.ended)
    assert ends == [False, False, True]


def test_an_event_of_usage_alone_brings_just_that() -> None:
    chunks, ended = stream(*STREAM, {"usageMetadata": USAGE})
    assert chunks[-1] == Chunk(choices=(), usage=Usage(input_tokens=10, output_tokens=4))
    assert ended
    assert stream({"modelVersion": "gemini-3.8-flash"}) == ([], False)


def test_calls_in_a_stream_come_whole_and_are_numbered() -> None:
    chunks, _ = stream(
        response(candidate({"functionCall": {"name": "a"}}, reason=None)),
        response(candidate({"functionCall": {"name": "b"}}), usageMetadata=USAGE),
    )
    calls = [chunk.choices[0]["delta"]["tool_calls"][0] for chunk in chunks]
    assert [(call["index"], call["function"]["name"]) for call in calls] == [(0, "a"), (1, "b")]
    assert chunks[-1].choices[0]["finish_reason"] == "tool_calls"


def test_a_stream_without_a_word_is_invalid_at_its_end() -> None:
    with pytest.raises(InvalidCompletion):
        stream(STREAM[0], response(candidate(index=0)))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 503, "message": "canary", "status": "UNAVAILABLE"}, FailureKind.OVERLOADED),
        ({"code": 429, "message": "canary", "status": "RESOURCE_EXHAUSTED"}, FailureKind.RATE_LIMITED),
        ({"status": "DEADLINE_EXCEEDED"}, FailureKind.TIMEOUT),
        ({"code": 200, "status": "PERMISSION_DENIED"}, FailureKind.REFUSED_KEY),
        ("canary", FailureKind.OVERLOADED),
    ],
)
def test_an_error_in_an_answer_or_a_stream_is_a_kind_without_words(error: object, kind: FailureKind) -> None:
    for body in ({"error": error}, [{"error": error}]):
        with pytest.raises(ProviderError) as whole:
            read(body)
        with pytest.raises(ProviderError) as streamed:
            stream(STREAM[0], body)
        assert whole.value.kind == streamed.value.kind == kind
        assert "canary" not in str(whole.value) + str(streamed.value)


pieces = st.one_of(
    st.builds(lambda text: {"text": text}, st.text(max_size=5)),
    st.builds(lambda text: {"text": text, "thought": True}, st.text(max_size=5)),
    st.builds(lambda name: {"functionCall": {"name": name, "args": {}}}, st.sampled_from("fgh")),
)


@given(st.lists(pieces, max_size=8), st.data())
def test_however_an_answer_is_cut_it_adds_up_to_the_same(parts: list[Json], data: st.DataObject) -> None:
    parts = [{"text": "So: "}, *parts]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(parts))))) or [len(parts)]
    bounds = list(zip([0, *cuts], [*cuts, len(parts)], strict=True))
    events = [response(candidate(*parts[start:end], reason=None)) for start, end in bounds[:-1]]
    events.append(response(candidate(*parts[bounds[-1][0] :])))
    assert assembled(*events) == read(response(candidate(*parts)))


KEYS = st.sampled_from(
    [
        *("candidates", "content", "parts", "text", "functionCall", "name", "args", "finishReason", "index"),
        *("usageMetadata", "promptTokenCount", "error", "promptFeedback", "blockReason", "logprobsResult"),
        *("chosenCandidates", "topCandidates", "token", "logProbability", "thought", "id", "role"),
    ]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**40) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(KEYS, json_values, max_size=4), min_size=1, max_size=3))
def test_no_answer_breaks_the_reader(answers: list[Json]) -> None:
    try:
        chunks, _ = stream(*answers)
    except (InvalidCompletion, ProviderError):
        return
    for chunk in chunks:
        assert all({"index", "delta", "finish_reason"} <= choice.keys() for choice in chunk.choices)
        orjson.dumps(chunk.choices)
