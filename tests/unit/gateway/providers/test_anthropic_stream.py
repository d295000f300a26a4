"""Reading streamed Messages. Format: https://platform.claude.com/docs/en/build-with-claude/streaming"""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly import Assembly
from gateway.failures import FailureKind
from gateway.providers.anthropic import Anthropic
from gateway.providers.dialect import Chunk, InvalidCompletion, ProviderError
from gateway.sse import SseEvent, SseReader
from routing.pricing import Usage


def event(kind: str, **fields: Any) -> SseEvent:
    return SseEvent(orjson.dumps({"type": kind, **fields}).decode(), kind)


def start(**usage: Any) -> SseEvent:
    message: dict[str, Any] = {
        "id": "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "claude-opus-5-5",
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 25, "output_tokens": 1, **usage},
    }
    return event("message_start", message=message)


def block(index: int, content_block: dict[str, Any], *deltas: dict[str, Any]) -> list[SseEvent]:
    return [
        event("content_block_start", index=index, content_block=content_block),
        *(event("content_block_delta", index=index, delta=delta) for delta in deltas),
        event("content_block_stop", index=index),
    ]


def text(index: int, *pieces: str) -> list[SseEvent]:
    return block(
        index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": piece} for piece in pieces)
    )


def use(index: int, name: str, *pieces: str) -> list[SseEvent]:
    tool = {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}}
    return block(index, tool, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces))


def thinking(index: int, *pieces: str) -> list[SseEvent]:
    return block(
        index,
        {"type": "thinking", "thinking": "", "signature": ""},
        *({"type": "thinking_delta", "thinking": piece} for piece in pieces),
        {"type": "signature_delta", "signature": "EqQBCgIYAhIM"},
    )


def finish(stop_reason: str = "end_turn", **usage: Any) -> SseEvent:
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    return event("message_delta", delta=delta, usage={"output_tokens": 15, **usage})


PING = event("ping")
STOP = event("message_stop")


def read(*events: SseEvent) -> list[Chunk]:
    reader = Anthropic().reader()
    return [chunk for one in events if (chunk := reader.read(one)) is not None]


def deltas(*events: SseEvent) -> list[dict[str, Any]]:
    return [choice["delta"] for chunk in read(*events) for choice in chunk.choices]


def test_a_text_comes_piece_by_piece() -> None:
    chunks = read(start(), PING, *text(0, "Hello", "!"), finish(), STOP)
    assert [(choice["delta"], choice["finish_reason"]) for chunk in chunks for choice in chunk.choices] == [
        ({"role": "assistant"}, None),
        ({"content": "Hello"}, None),
        ({"content": "!"}, None),
        ({}, "stop"),
    ]
    assert chunks[0].upstream_id == "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY"
    assert [chunk.usage for chunk in chunks if chunk.usage] == [
        Usage(input_tokens=25, output_tokens=1),
        Usage(input_tokens=25, output_tokens=15),
    ]


def test_it_ended_only_with_the_end_marker() -> None:
    reader = Anthropic().reader()
    for one in (start(), *text(0, "Hello"), finish()):
        reader.read(one)
        assert not reader.ended
    assert reader.read(STOP) is None
    assert reader.ended


def test_calls_are_numbered_among_themselves_and_their_input_comes_as_text() -> None:
    said = deltas(
        start(), *text(0, "Okay"), *use(1, "sky", "", '{"at": ', '"sea"}'), *use(2, "now"), finish("tool_use")
    )
    assert [call for delta in said for call in delta.get("tool_calls", ())] == [
        {"index": 0, "id": "toolu_1", "type": "function", "function": {"name": "sky", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"at": '}},
        {"index": 0, "function": {"arguments": '"sea"}'}},
        {"index": 1, "id": "toolu_2", "type": "function", "function": {"name": "now", "arguments": ""}},
        {"index": 1, "function": {"arguments": "{}"}},
    ]


def test_thinking_comes_as_reasoning_and_its_signed_block_at_its_end() -> None:
    said = deltas(start(), *thinking(0, "27 ", "* 453"), *text(1, "12,231"), finish())
    assert said[1:-2] == [
        {"reasoning_content": "27 "},
        {"reasoning_content": "* 453"},
        {"thinking_blocks": [{"type": "thinking", "thinking": "27 * 453", "signature": "EqQBCgIYAhIM"}]},
    ]


def test_redacted_thinking_is_kept() -> None:
    redacted = {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3p"}
    assert {"thinking_blocks": [redacted]} in deltas(start(), *block(0, redacted), finish())


def test_an_empty_answer_is_an_empty_text() -> None:
    assert deltas(start(), finish())[-1] == {"content": ""}


def test_counts_are_of_the_whole_call_and_missing_ones_hold() -> None:
    chunks = read(
        start(cache_read_input_tokens=1000, cache_creation_input_tokens=50),
        *text(0, "Hi"),
        finish(input_tokens=30, cache_read_input_tokens=None, output_tokens_details={"thinking_tokens": 4}),
        STOP,
    )
    assert chunks[-1].usage == Usage(
        input_tokens=1080,
        output_tokens=15,
        cached_input_tokens=1000,
        cache_write_tokens=50,
        reasoning_tokens=4,
    )


def test_what_may_be_added_is_passed_over() -> None:
    later = block(0, {"type": "a_later_block", "x": 1}, {"type": "a_later_delta", "x": 2})
    cited = block(1, {"type": "text", "text": "So."}, {"type": "citations_delta", "citation": {}})
    assert deltas(start(), event("a_later_event"), *later, *cited, finish()) == [
        {"role": "assistant"},
        {"content": "So."},
        {},
    ]


# The error event: https://platform.claude.com/docs/en/build-with-claude/streaming#error-events
@pytest.mark.parametrize(
    ("failed", "kind"),
    [
        (event("error", error={"type": "overloaded_error", "message": "Overloaded"}), FailureKind.OVERLOADED),
        (event("error", error={"type": "rate_limit_error", "message": "Slow"}), FailureKind.RATE_LIMITED),
        (SseEvent('{"type":"error","error":{"type":"timeout_error"}}'), FailureKind.TIMEOUT),
        (SseEvent('{"error":{"type":"api_error"}}', "error"), FailureKind.OVERLOADED),
        (SseEvent("upstream connect error", "error"), FailureKind.OVERLOADED),
    ],
)
def test_an_error_event_is_an_error_wherever_it_comes(failed: SseEvent, kind: FailureKind) -> None:
    for before in ([], [start()], [start(), *text(0, "Hel")]):
        with pytest.raises(ProviderError) as caught:
            read(*before, failed)
        assert caught.value.kind is kind


HELLO = text(0, "Hello")


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([SseEvent("not JSON")], id="no JSON"),
        pytest.param([SseEvent("[]")], id="no object"),
        pytest.param([event("message_start")], id="no message"),
        pytest.param([start(), start()], id="two beginnings"),
        pytest.param([HELLO[0]], id="a block before the beginning"),
        pytest.param([finish()], id="an end before the beginning"),
        pytest.param([start(), HELLO[1]], id="a delta before its block"),
        pytest.param([start(), HELLO[2]], id="a block's end before its beginning"),
        pytest.param([start(), HELLO[0], HELLO[0]], id="a block twice"),
        pytest.param([start(), *HELLO, HELLO[1]], id="a delta after its block"),
        pytest.param([start(), HELLO[0], finish()], id="an end inside a block"),
        pytest.param([start(), finish(), HELLO[0]], id="a block after the end"),
        pytest.param([start(), finish(), finish()], id="two ends"),
        pytest.param([start(), STOP], id="an end marker before the end"),
        pytest.param([start(), finish(), STOP, STOP], id="two end markers"),
        pytest.param([start(), event("message_delta", usage={})], id="an end without a delta"),
        pytest.param([start(), event("message_delta", delta={"stop_reason": 1})], id="no stop reason"),
        pytest.param([start(), event("content_block_start", index=0)], id="no block"),
        pytest.param([start(), event("content_block_start", index="0", content_block={})], id="no number"),
        pytest.param([start(), *block(0, {"type": "text"})], id="a text without text"),
        pytest.param(
            [start(), *block(0, {"type": "tool_use", "id": 1, "name": "x"})], id="a tool without id"
        ),
        pytest.param([start(), *block(0, {"type": "redacted_thinking"})], id="redacted without data"),
        pytest.param([start(), *text(0), HELLO[0], event("content_block_delta", index=0)], id="no delta"),
        pytest.param(
            [
                start(),
                *block(0, {"type": "text", "text": ""}, {"type": "input_json_delta", "partial_json": "{"}),
            ],
            id="a delta of another kind",
        ),
        pytest.param(
            [start(), *block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": 1})],
            id="no text",
        ),
    ],
)
def test_what_is_malformed_or_out_of_order_is_invalid(events: list[SseEvent]) -> None:
    with pytest.raises(InvalidCompletion):
        read(*events)


def test_the_documented_bytes_are_read() -> None:
    # The shape of the basic example of the page named above.
    raw = b"""event: message_start
data: {"type": "message_start", "message": {"id": "msg_1nZdL29x", "type": "message", "role": "assistant", \
"content": [], "model": "claude-opus-5-5", "stop_reason": null, "stop_sequence": null, \
"usage": {"input_tokens": 25, "output_tokens": 1}}}

event: content_block_start
data: {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}

event: content_block_stop
data: {"type": "content_block_stop", "index": 0}

event: message_delta
data: {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": \
{"output_tokens": 15}}

event: message_stop
data: {"type": "message_stop"}

"""
    reader, assembly = Anthropic().reader(), Assembly()
    for one in SseReader().feed(raw):
        if chunk := reader.read(one):
            assembly.add(chunk)
    assert reader.ended
    assert assembly.completion().text == "Hello"
    assert assembly.usage == Usage(input_tokens=25, output_tokens=15)


PIECES = st.lists(st.text(min_size=1, max_size=4), max_size=3)
INPUTS = st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2)
SPOKEN: st.SearchStrategy[tuple[str, Any]] = st.one_of(
    st.tuples(st.just("text"), PIECES),
    st.tuples(st.just("thinking"), PIECES),
    st.tuples(st.just("redacted_thinking"), st.just([])),
    st.tuples(st.just("tool_use"), INPUTS),
)


@given(
    spoken=st.lists(SPOKEN, max_size=4), stop_reason=st.sampled_from(["end_turn", "tool_use", "max_tokens"])
)
def test_a_stream_amounts_to_the_message_that_would_have_come_whole(
    spoken: list[tuple[str, Any]], stop_reason: str
) -> None:
    events, whole = [start()], []
    for index, (kind, what) in enumerate(spoken):
        if kind == "text":
            events += text(index, *what)
            whole.append({"type": "text", "text": "".join(what)})
        elif kind == "thinking":
            events += thinking(index, *what)
            whole.append({"type": kind, "thinking": "".join(what), "signature": "EqQBCgIYAhIM"})
        elif kind == "redacted_thinking":
            redacted = {"type": kind, "data": "EmwKAhgB"}
            events += block(index, redacted)
            whole.append(redacted)
        else:
            raw = orjson.dumps(what).decode() if what else ""
            events += use(index, "sky", raw[:3], raw[3:])
            whole.append({"type": kind, "id": f"toolu_{index}", "name": "sky", "input": what})
    assembly = Assembly()
    for chunk in read(*events, finish(stop_reason), STOP):
        assembly.add(chunk)
    message = {"id": "x", "content": whole, "stop_reason": stop_reason}
    assert assembly.completion().choices == Anthropic().read(orjson.dumps(message)).choices


KINDS = ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"]
NAMES = [
    "type",
    "index",
    "content_block",
    "delta",
    "message",
    "usage",
    "text",
    "thinking",
    "input",
    "partial_json",
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([*KINDS, "text", "tool_use", "text_delta", ""]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=10,
)
EVENTS = st.tuples(
    st.sampled_from([*KINDS, "message_stop"]), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=5)
)


@given(st.lists(EVENTS, max_size=6))
def test_nothing_that_a_provider_sends_breaks_the_reader(events: list[tuple[str, dict[str, Any]]]) -> None:
    reader = Anthropic().reader()
    reader.read(start())
    try:
        for kind, fields in events:
            reader.read(SseEvent(orjson.dumps({"type": kind} | fields).decode(), kind))
    except InvalidCompletion:
        assert not reader.ended
