from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly import AnswerTooLarge, Assembly
from gateway.providers.dialect import Chunk, InvalidCompletion
from routing.pricing import Usage


def piece(delta: dict[str, Any], finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason, **more}


def assembled(*pieces: dict[str, Any], most_characters: int = 10**6) -> Assembly:
    assembly = Assembly(most_characters=most_characters)
    for one in pieces:
        assembly.add(Chunk(choices=(one,)))
    return assembly


def message(*deltas: dict[str, Any]) -> dict[str, Any]:
    return assembled(*map(piece, deltas), piece({}, "stop")).completion().message


def test_texts_grow_and_the_role_is_said_once() -> None:
    whole = message(
        {"role": "assistant", "content": "", "refusal": None},
        {"role": "assistant", "content": "Par"},
        {"content": "is"},
    )
    assert whole == {"role": "assistant", "content": "Paris", "refusal": None}


def test_a_message_says_its_role_and_its_content_even_if_no_chunk_does() -> None:
    calls = [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    assert message({"role": None, "tool_calls": calls}) == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }


def test_tool_calls_are_put_together_by_their_index_and_ordered() -> None:
    whole = message(
        {
            "tool_calls": [
                {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}}
            ]
        },
        {
            "tool_calls": [
                {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{"}}
            ]
        },
        {"tool_calls": [{"index": 1, "id": "", "function": {"name": "g", "arguments": '{"x'}}]},
        {
            "tool_calls": [
                {"index": 0, "function": {"arguments": "}"}},
                {"index": 1, "function": {"arguments": '":1}'}},
            ]
        },
    )
    assert whole["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"x":1}'}},
    ]


def test_old_function_calls_and_spoken_answers_are_put_together() -> None:
    whole = message(
        {"function_call": {"name": "f", "arguments": ""}, "audio": {"id": "audio_1", "transcript": "Good "}},
        {"function_call": {"arguments": "{}"}, "audio": {"transcript": "day", "expires_at": 1}},
        {"audio": {"expires_at": 2}},
    )
    assert whole["function_call"] == {"name": "f", "arguments": "{}"}
    assert whole["audio"] == {"id": "audio_1", "transcript": "Good day", "expires_at": 2}


def test_annotations_gather_and_unknown_fields_grow_if_they_are_text_and_are_replaced_if_not() -> None:
    whole = message(
        {"annotations": [{"type": "url_citation"}], "mood": "ca", "sure": 1},
        {"annotations": [{"type": "url_citation"}], "mood": "lm", "sure": 2},
    )
    assert whole["annotations"] == [{"type": "url_citation"}, {"type": "url_citation"}]
    assert (whole["mood"], whole["sure"]) == ("calm", 2)


def test_thoughts_in_numbered_details_are_joined_and_those_of_another_type_are_not() -> None:
    def thought(kind: str, **fields: str) -> dict[str, Any]:
        return {"reasoning_details": [{"type": kind, "format": "openai-responses-v1", "index": 0, **fields}]}

    whole = message(
        thought("reasoning.summary", summary="**Look"),
        thought("reasoning.summary", summary="ing**"),
        thought("reasoning.encrypted", data="gAAA"),
    )
    assert whole["reasoning_details"] == [
        {"type": "reasoning.summary", "format": "openai-responses-v1", "index": 0, "summary": "**Looking**"},
        {"type": "reasoning.encrypted", "format": "openai-responses-v1", "index": 0, "data": "gAAA"},
    ]


def test_a_value_of_another_kind_makes_way() -> None:
    assert message({"x": "text"}, {"x": {"y": 1}})["x"] == {"y": 1}
    assert message({"x": {"y": 1}}, {"x": [1]}, {"x": None})["x"] == [1]
    assert message({"x": [1]}, {"x": "text"})["x"] == "text"
    assert message({"x": True}, {"x": 0.5})["x"] == 0.5


def test_logprobs_of_content_and_refusal_gather() -> None:
    token = {"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}
    assembly = assembled(
        piece({"content": "a"}, logprobs={"content": [token], "refusal": None}),
        piece({"content": "a"}, logprobs={"content": [token], "refusal": None}),
        piece({}, "stop", logprobs=None),
    )
    assert assembly.completion().choices[0]["logprobs"] == {"content": [token, token], "refusal": None}


def test_choices_without_logprobs_have_no_such_field() -> None:
    assert assembled(piece({"content": "a"}, "stop", logprobs=None)).completion().choices[0] == {
        "index": 0,
        "message": {"role": "assistant", "content": "a"},
        "finish_reason": "stop",
    }


def test_the_text_so_far_is_the_first_choices() -> None:
    assembly = Assembly()
    assert assembly.text == ""
    assembly.add(Chunk(choices=({"index": 1, "delta": {"content": "B"}, "finish_reason": None},)))
    assert assembly.text == ""
    assembly.add(Chunk(choices=(piece({"content": "A"}),)))
    assembly.add(Chunk(choices=(piece({"content": "h"}),)))
    assert assembly.text == "Ah"


def test_the_last_usage_and_the_first_id_hold() -> None:
    assembly = Assembly()
    first, last = Usage(input_tokens=1, output_tokens=1), Usage(input_tokens=1, output_tokens=2)
    for usage, upstream_id in [(None, ""), (first, "a"), (None, "b"), (last, ""), (None, "c")]:
        assembly.add(Chunk(choices=(), usage=usage, upstream_id=upstream_id))
    assert (assembly.usage, assembly.upstream_id) == (last, "a")
    assembly.add(Chunk(choices=(piece({}, "stop"),)))
    whole = assembly.completion()
    assert (whole.usage, whole.upstream_id) == (last, "a")


def test_an_answer_without_an_end_is_none() -> None:
    with pytest.raises(InvalidCompletion):
        Assembly().completion()
    with pytest.raises(InvalidCompletion):
        assembled(piece({"content": "a"})).completion()
    with pytest.raises(InvalidCompletion):
        assembled(
            piece({}, "stop"), {"index": 1, "delta": {"content": "b"}, "finish_reason": None}
        ).completion()


def test_what_comes_behind_the_finish_reason_still_counts() -> None:
    whole = assembled(piece({"content": "a"}, "stop"), piece({"content": "b"})).completion()
    assert (whole.text, whole.finish_reason) == ("ab", "stop")


@pytest.mark.parametrize(
    "delta",
    [
        pytest.param({"content": "x" * 60}, id="content"),
        pytest.param({"tool_calls": [{"index": 0, "function": {"arguments": "x" * 60}}]}, id="arguments"),
        pytest.param({"x" * 60: 1}, id="names"),
        pytest.param({"unknown": [0] * 60}, id="numbers"),
        pytest.param({"unknown": [[], [], [], []]}, id="empty lists"),
        pytest.param({}, id="empty deltas"),
    ],
)
def test_an_answer_beyond_the_cap_is_refused_whatever_it_is_made_of(delta: dict[str, Any]) -> None:
    with pytest.raises(AnswerTooLarge):
        assembled(*[piece(delta)] * 100, most_characters=1000)


def test_logprobs_count_towards_the_cap() -> None:
    with pytest.raises(AnswerTooLarge):
        assembled(piece({}, logprobs={"content": [{"token": "x" * 60}]}), most_characters=50)


texts = st.text(max_size=12)
calls = st.fixed_dictionaries(
    {
        "id": st.text(min_size=1, max_size=4),
        "type": st.just("function"),
        "function": st.fixed_dictionaries({"name": st.text(min_size=1, max_size=4), "arguments": texts}),
    }
)
tokens = st.fixed_dictionaries(
    {"token": texts, "logprob": st.floats(-9, 0), "bytes": st.lists(st.integers(0, 255))}
)
messages = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": texts},
    optional={
        "refusal": texts,
        "reasoning_content": texts,
        "reasoning": texts,
        "tool_calls": st.lists(calls, min_size=1, max_size=3),
        "annotations": st.lists(
            st.fixed_dictionaries({"type": st.just("url_citation"), "at": texts}), min_size=1
        ),
        "audio": st.fixed_dictionaries({"id": texts, "data": texts}),
    },
)
choices = st.fixed_dictionaries(
    {"message": messages, "finish_reason": st.sampled_from(["stop", "length", "tool_calls"])},
    optional={"logprobs": st.fixed_dictionaries({"content": st.lists(tokens, min_size=1, max_size=3)})},
)


class Cutter:
    """Cuts whole choices into deltas as providers send them."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def cut(self, text: str) -> list[str]:
        places = sorted(self._draw(st.lists(st.integers(0, len(text)), max_size=3)))
        return [text[start:end] for start, end in pairwise([0, *places, len(text)])]

    def deltas(self, whole: dict[str, Any]) -> list[list[dict[str, Any]]]:
        """Return the deltas of each field in order; fields may mix."""
        return [list(self._of_field(name, value)) for name, value in whole.items()]

    def _of_field(self, name: str, value: Any) -> Iterator[dict[str, Any]]:
        if name == "role":
            yield {name: value}
        elif name == "tool_calls":
            for index, call in enumerate(value):
                first, *rest = self.cut(call["function"]["arguments"])
                yield {name: [{"index": index, **call, "function": {**call["function"], "arguments": first}}]}
                for text in rest:
                    yield {name: [{"index": index, "function": {"arguments": text}}]}
        elif name == "audio":
            yield {name: {"id": value["id"]}}
            yield from ({name: {"data": text}} for text in self.cut(value["data"]))
        elif isinstance(value, list):
            yield from ({name: [item]} for item in value)
        else:
            yield from ({name: text} for text in self.cut(value))

    def mix(self, rows: list[list[Any]]) -> Iterator[Any]:
        """Yield all items, those of each row in order."""
        rows = [row for row in rows if row]
        while rows:
            row = self._draw(st.sampled_from(rows))
            yield row.pop(0)
            rows = [row for row in rows if row]


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return whole choices, and pieces that they were cut into."""
    cutter = Cutter(draw)
    whole: list[dict[str, Any]] = [
        {"index": index, **choice}
        for index, choice in enumerate(draw(st.lists(choices, min_size=1, max_size=3)))
    ]
    rows = []
    for choice in whole:
        index = choice["index"]
        said = [{"delta": delta} for delta in cutter.mix(cutter.deltas(choice["message"]))]
        likely = [
            {"delta": {}, "logprobs": {"content": [token]}}
            for token in choice.get("logprobs", {}).get("content", [])
        ]
        end = {"delta": {}, "finish_reason": choice["finish_reason"]}
        rows.append(
            [{"index": index, "finish_reason": None, **one} for one in [*cutter.mix([said, likely]), end]]
        )
    return whole, list(cutter.mix(rows))


@given(answer=answers())
def test_an_answer_cut_into_any_chunks_is_the_same_when_assembled(
    answer: tuple[list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    whole, pieces = answer
    assert list(assembled(*pieces).completion().choices) == whole
