import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.tokenizer import encoding_of
from gateway.tokens import count, estimate_usage, in_background, partial_usage
from routing.pricing import Usage

# The example of OpenAI's cookbook ("How to count tokens with tiktoken"): 129 tokens for gpt-4, by the API's count.
COOKBOOK = [
    {
        "role": "system",
        "content": "You are a helpful, pattern-following assistant that translates corporate jargon into plain "
        "English.",
    },
    {
        "role": "system",
        "name": "example_user",
        "content": "New synergies will help drive top-line growth.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Things working well together will increase revenue.",
    },
    {
        "role": "system",
        "name": "example_user",
        "content": "Let's circle back when we have more bandwidth to touch base on opportunities for increased "
        "leverage.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Let's talk later when we're less busy about how to do better.",
    },
    {
        "role": "user",
        "content": "This late pivot means we don't have time to boil the ocean for the client deliverable.",
    },
]
HELLO = {"messages": [{"role": "user", "content": "Hello"}]}
HELLO_TOKENS = 3 + 1 + 1 + 3


def asked(*content: Any, **fields: Any) -> int:
    body = {"messages": [{"role": "user", "content": list(content)}], **fields}
    return partial_usage(body, "").input_tokens


def answer(**message: Any) -> list[dict[str, Any]]:
    return [{"index": 0, "message": {"role": "assistant", "content": None, **message}}]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("tiktoken is great!", 6),
        ("antidisestablishmentarianism", 6),
        ("2 + 2 = 4", 7),
        ("お誕生日おめでとう", 9),
        ("", 0),
    ],
)
def test_texts_have_the_tokens_that_openai_publishes(text: str, tokens: int) -> None:
    assert count(text, "gpt-4") == tokens


def test_messages_have_the_tokens_that_the_api_counted() -> None:
    assert partial_usage({"messages": COOKBOOK}, "", "gpt-4-0613").input_tokens == 129


def test_a_broken_off_answer_costs_what_came_of_it() -> None:
    assert partial_usage(HELLO, "one two three") == Usage(input_tokens=HELLO_TOKENS, output_tokens=3)


def test_thoughts_are_output_and_counted_as_such_once() -> None:
    usage = estimate_usage(HELLO, answer(content="yes", reasoning_content="one two three"))
    assert (usage.output_tokens, usage.reasoning_tokens) == (4, 3)


def test_every_choice_is_paid() -> None:
    assert estimate_usage(HELLO, answer(content="yes") * 3).output_tokens == 3


def test_tool_calls_and_refusals_are_output() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"city":"Paris"}'}}
    assert estimate_usage(HELLO, answer(tool_calls=[call])).output_tokens > count(
        call["function"]["arguments"]  # type: ignore[index]
    )
    assert estimate_usage(HELLO, answer(refusal="I can't")).output_tokens == count("I can't")


def test_tools_and_schemas_count_by_their_json() -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    plain = partial_usage(HELLO, "").input_tokens
    assert partial_usage({**HELLO, "tools": tools}, "").input_tokens > plain + count("weather object")
    assert partial_usage({**HELLO, "response_format": {"type": "json_object"}}, "").input_tokens > plain


def test_images_count_by_their_detail_and_never_by_their_bytes() -> None:
    url = "data:image/png;base64," + "A" * 100_000
    text = {"type": "text", "text": "Hello"}
    assert asked(text) == HELLO_TOKENS
    assert asked(text, {"type": "image_url", "image_url": {"url": url}}) == HELLO_TOKENS + 765
    low = {"type": "image_url", "image_url": {"url": url, "detail": "low"}}
    assert asked(text, low, low) == HELLO_TOKENS + 2 * 85
    assert asked(text, {"type": "file", "file": {"file_data": url}}) == HELLO_TOKENS + 765


@settings(max_examples=20, deadline=None)
@given(words=st.lists(st.sampled_from(["word", "Größe", "12", "x=1;", "a\n", "漢字", "x "]), min_size=1))
def test_cutting_a_long_text_into_pieces_changes_nothing(words: list[str]) -> None:
    text = " ".join(words * (50_000 // len(words)))
    assert count(text) == len(encoding_of("").encode_ordinary(text))


def test_a_text_beyond_all_measure_is_extrapolated() -> None:
    text = "The quick brown fox jumps over the lazy dog. "
    assert count(text * 200_000) == pytest.approx(10 * 200_000, rel=0.01)


@pytest.mark.parametrize("letter", "a ^漢😀\n")
def test_a_million_equal_letters_are_counted(letter: str) -> None:
    assert 0 < count(letter * 1_000_000) <= 3_000_000


async def test_counting_aside_has_a_thread_of_its_own() -> None:
    names = []

    def counted() -> Usage:
        names.append(threading.current_thread().name)
        return partial_usage(HELLO, "")

    assert await in_background(counted) == partial_usage(HELLO, "")
    assert names[0].startswith("tokens")
