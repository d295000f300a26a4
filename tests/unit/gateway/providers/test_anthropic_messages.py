"""Conversations as Anthropic takes them.

Format: https://platform.claude.com/docs/en/build-with-claude/working-with-messages, .../vision, .../pdf-support,
https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls
"""

from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.anthropic import Anthropic
from gateway.providers.anthropic_messages import conversation
from gateway.providers.dialect import Unsupported

MARK = {"type": "ephemeral"}
PNG = "iVBORw0KGgo="


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def said(role: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


def call(call_id: str, arguments: str = "{}", name: str = "sky") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def use(call_id: str, **asked: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "sky", "input": asked}


def result(call_id: str, *content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": list(content), **more}


def turns(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    return conversation(messages)[1]


def user(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


def test_system_and_developer_messages_are_the_system_prompt_wherever_they_stand() -> None:
    system, messages = conversation(
        [
            {"role": "system", "content": "Be brief."},
            user("Hi"),
            {"role": "developer", "content": [text("Be kind.", cache_control=MARK)]},
        ]
    )
    assert system == [text("Be brief."), text("Be kind.", cache_control=MARK)]
    assert messages == [said("user", text("Hi"))]


def test_messages_of_one_side_in_a_row_become_one() -> None:
    assert turns(
        user("Hi"),
        user([text("there"), text("!")], name="Ann"),
        {"role": "assistant", "content": "Hello"},
        {"role": "assistant", "content": "again"},
        user("Bye"),
    ) == [
        said("user", text("Hi"), text("there"), text("!")),
        said("assistant", text("Hello"), text("again")),
        said("user", text("Bye")),
    ]


def test_results_of_parallel_calls_come_together_and_before_the_users_next_words() -> None:
    assert turns(
        user("Hi"),
        {"role": "assistant", "content": "", "tool_calls": [call("a", '{"at":"sea"}'), call("b")]},
        {"role": "tool", "tool_call_id": "a", "content": "blue"},
        {"role": "tool", "tool_call_id": "b", "content": [text("grey")]},
        user("And now?"),
    ) == [
        said("user", text("Hi")),
        said("assistant", use("a", at="sea"), use("b")),
        said("user", result("a", text("blue")), result("b", text("grey")), text("And now?")),
    ]


def test_an_empty_result_has_no_content() -> None:
    messages = turns(user("Hi"), {"role": "tool", "tool_call_id": "a", "content": ""})
    assert messages[0]["content"][1] == {"type": "tool_result", "tool_use_id": "a"}


def test_ids_of_other_vendors_calls_are_made_fit_on_both_sides() -> None:
    messages = turns(
        user("Hi"),
        {"role": "assistant", "content": None, "tool_calls": [call("functions.sky:0", "")]},
        {"role": "tool", "tool_call_id": "functions.sky:0", "content": "blue"},
    )
    assert messages[1]["content"] == [use("functions_sky_0")]
    assert messages[2]["content"] == [result("functions_sky_0", text("blue"))]


@pytest.mark.parametrize("arguments", ["[]", "1", '{"at": "se', 5])
def test_arguments_that_are_no_object_are_refused(arguments: Any) -> None:
    with pytest.raises(Unsupported, match=r"^messages\.tool_calls$"):
        turns(user("Hi"), {"role": "assistant", "tool_calls": [call("a", arguments)]})


def test_thinking_goes_back_first_and_only_if_it_is_signed() -> None:
    signed = {"type": "thinking", "thinking": "Hm.", "signature": "EqQB"}
    redacted = {"type": "redacted_thinking", "data": "EmwK"}
    foreign = {"type": "thinking", "thinking": "Ha.", "signature": ""}
    message = {"role": "assistant", "content": "Hello", "thinking_blocks": [signed, foreign, redacted, "x"]}
    assert turns(user("Hi"), message)[1] == said("assistant", signed, redacted, text("Hello"))


def test_an_answer_goes_back_as_it_came() -> None:
    blocks = [
        {"type": "thinking", "thinking": "Hm.", "signature": "EqQB"},
        text("Let me see."),
        use("toolu_1", at="sea"),
    ]
    raw = orjson.dumps({"id": "msg_1", "content": blocks, "stop_reason": "tool_use"})
    assert turns(user("Hi"), Anthropic().read(raw).message)[1] == said("assistant", *blocks)


def test_a_refusal_is_what_the_assistant_said() -> None:
    assert turns(user("Hi"), {"role": "assistant", "content": None, "refusal": "No."})[1] == said(
        "assistant", text("No.")
    )


def test_blank_texts_are_left_out() -> None:
    assert turns(user([text(" "), text("Hi")]), {"role": "assistant", "content": ""}, user("\n")) == [
        said("user", text("Hi"))
    ]


@pytest.mark.parametrize("messages", [[], [{"role": "system", "content": "Be brief."}], [user(" ")]])
def test_a_conversation_in_which_nobody_speaks_is_refused(messages: list[dict[str, Any]]) -> None:
    with pytest.raises(Unsupported, match=r"^messages$"):
        conversation(messages)


@pytest.mark.parametrize("role", ["function", None, ["user"]])
def test_other_roles_are_refused(role: Any) -> None:
    with pytest.raises(Unsupported, match=r"^messages\.role$"):
        turns({"role": role, "content": "Hi"})


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://example.com/a.png", {"type": "url", "url": "https://example.com/a.png"}),
        (f"data:image/png;base64,{PNG}", {"type": "base64", "media_type": "image/png", "data": PNG}),
        (f"data:image/JPG;base64,{PNG}", {"type": "base64", "media_type": "image/jpeg", "data": PNG}),
        (f"data:image/webp;name=a;base64,{PNG}", {"type": "base64", "media_type": "image/webp", "data": PNG}),
    ],
)
def test_images_have_a_source(url: str, source: dict[str, str]) -> None:
    part = {"type": "image_url", "image_url": {"url": url, "detail": "high"}}
    assert turns(user([text("What is it?"), part])) == [
        said("user", text("What is it?"), {"type": "image", "source": source})
    ]


def test_a_tools_result_may_be_an_image() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    messages = turns({"role": "tool", "tool_call_id": "a", "content": [part]})
    assert messages[0]["content"][0]["content"][0]["type"] == "image"


@pytest.mark.parametrize(
    "image_url",
    [
        {"url": "http://example.com/a.png"},
        {"url": "ftp://example.com/a.png"},
        {"url": "data:image/svg+xml;base64,PHN2Zz4="},
        {"url": "data:image/png,raw"},
        {"url": "data:text/html;base64,PHN2Zz4="},
        {"url": None},
        "https://example.com/a.png",
    ],
)
def test_images_that_cannot_be_sent_are_refused(image_url: Any) -> None:
    with pytest.raises(Unsupported, match=r"^messages\.content\.image_url$"):
        turns(user([{"type": "image_url", "image_url": image_url}]))


def test_a_pdf_is_a_document() -> None:
    file = {"filename": "terms.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    assert turns(user([{"type": "file", "file": file, "cache_control": MARK}])) == [
        said("user", {"type": "document", "source": source, "title": "terms.pdf", "cache_control": MARK})
    ]


@pytest.mark.parametrize(
    "file",
    [{"file_id": "file-1"}, {"file_data": "data:text/csv;base64,YQ=="}, {"file_data": "JVBERi0="}, {}, None],
)
def test_other_files_are_refused(file: Any) -> None:
    with pytest.raises(Unsupported, match=r"^messages\.content\.file$"):
        turns(user([{"type": "file", "file": file}]))


@pytest.mark.parametrize(
    ("role", "content"),
    [
        ("user", [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]),
        ("user", [{"type": ["text"], "text": "Hi"}]),
        ("user", [{"type": "text", "text": 5}]),
        ("user", ["Hi"]),
        ("user", 5),
        ("system", [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]),
        ("assistant", [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]),
    ],
)
def test_other_parts_are_refused(role: str, content: Any) -> None:
    with pytest.raises(Unsupported, match=r"^messages\.content"):
        turns(user("Hi"), {"role": role, "content": content})


# https://platform.claude.com/docs/en/build-with-claude/prompt-caching#what-can-be-cached
def test_marks_for_the_vendors_cache_stay_at_their_parts() -> None:
    assert turns(user([text("long", cache_control=MARK), text("short")])) == [
        said("user", text("long", cache_control=MARK), text("short"))
    ]


def test_a_mark_at_a_message_is_at_its_last_part() -> None:
    assert turns(user([text("long"), text("short")], cache_control=MARK)) == [
        said("user", text("long"), text("short", cache_control=MARK))
    ]


def test_a_result_of_a_tool_is_marked_as_a_whole() -> None:
    inside = {"role": "tool", "tool_call_id": "a", "content": [text("long", cache_control=MARK)]}
    outside = {"role": "tool", "tool_call_id": "a", "content": "long", "cache_control": MARK}
    for message in (inside, outside):
        assert turns(message) == [said("user", result("a", text("long"), cache_control=MARK))]


MESSAGES = st.lists(
    st.one_of(
        st.sampled_from(["system", "user", "assistant"]).flatmap(
            lambda role: st.builds(lambda words: {"role": role, "content": words}, st.text(max_size=3))
        ),
        st.just({"role": "assistant", "content": None, "tool_calls": [call("a")]}),
        st.just({"role": "tool", "tool_call_id": "a", "content": "blue"}),
    ),
    max_size=8,
)


@given(MESSAGES)
def test_both_sides_take_turns_and_no_word_is_lost(messages: list[dict[str, Any]]) -> None:
    system, spoken = conversation([*messages, user("end")])
    assert all(one["role"] != two["role"] for one, two in pairwise(spoken))
    words = [message["content"] for message in messages if message["role"] != "tool"]
    blocks = [*system, *(block for turn in spoken for block in turn["content"])]
    kept = [block["text"] for block in blocks if block["type"] == "text"]
    assert sorted(kept) == sorted(["end", *(word for word in words if word and word.strip())])
