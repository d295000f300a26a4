from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sse import SseBroken, SseEvent, SseReader, SseTooLarge, sse_event

BOM = b"\xef\xbb\xbf"


def read(*pieces: bytes, most_bytes: int = 1024) -> list[SseEvent]:
    reader = SseReader(most_bytes)
    return [event for piece in pieces for event in reader.feed(piece)]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(bounds)]


def bytewise(stream: bytes) -> list[bytes]:
    return [stream[place : place + 1] for place in range(len(stream))]


# The first four are the examples of the WHATWG HTML standard, section 9.2.6 "Interpreting an event stream".
CASES = [
    ("stock", b"data: YHOO\ndata: +2\ndata: 10\n\n", [SseEvent("YHOO\n+2\n10")]),
    (
        "a comment, ids, and one space of two",
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        [SseEvent("first event"), SseEvent("second event"), SseEvent(" third event")],
    ),
    ("empty data, unfinished data", b"data\n\ndata\ndata\n\ndata:", [SseEvent(""), SseEvent("\n")]),
    ("a space or none", b"data:test\n\ndata: test\n\n", [SseEvent("test"), SseEvent("test")]),
    ("nothing", b"", []),
    ("blank lines alone", b"\n\n\n\n", []),
    ("no blank line at the end", b"data: a\n\ndata: b\n", [SseEvent("a")]),
    ("no line end at the end", b"data: a\n\ndata: b", [SseEvent("a")]),
    ("CR", b"data: a\rdata: b\r\rdata: c\r\r", [SseEvent("a\nb"), SseEvent("c")]),
    ("CRLF", b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", [SseEvent("a\nb"), SseEvent("c")]),
    ("line ends of all kinds", b"data: a\r\ndata: b\rdata: c\n\r\n", [SseEvent("a\nb\nc")]),
    ("CR then LF are one end", b"data: a\r\n\ndata: b\n\r", [SseEvent("a"), SseEvent("b")]),
    ("LF then CR are two ends", b"data: a\n\rdata: b\n\r", [SseEvent("a"), SseEvent("b")]),
    ("a name", b"event: ping\ndata: {}\n\n", [SseEvent("{}", "ping")]),
    ("the last name holds", b"event: a\nevent: b\ndata: 1\n\n", [SseEvent("1", "b")]),
    ("an empty name", b"event: a\nevent\ndata: 1\n\n", [SseEvent("1")]),
    ("a name behind its data", b"data: 1\nevent: a\n\n", [SseEvent("1", "a")]),
    ("a name without data is forgotten", b"event: a\n\ndata: 1\n\n", [SseEvent("1")]),
    ("a name holds for one event", b"event: a\ndata: 1\n\ndata: 2\n\n", [SseEvent("1", "a"), SseEvent("2")]),
    ("unknown fields", b"datum: 1\nDATA: 2\n data: 3\ndata : 4\nretry: 5\n\n", []),
    ("a comment within an event", b"data: a\n:data: b\n: \ndata: c\n\n", [SseEvent("a\nc")]),
    ("colons in data", b"data: a: b\ndata::c\n\n", [SseEvent("a: b\n:c")]),
    ("a byte order mark", BOM + b"data: a\n\n", [SseEvent("a")]),
    ("a byte order mark before a comment", BOM + b":\ndata: a\n\n", [SseEvent("a")]),
    ("a byte order mark alone", BOM, []),
    ("a second byte order mark", BOM + BOM + b"data: a\ndata: b\n\n", [SseEvent("b")]),
    ("a byte order mark later on", b"\n" + BOM + b"data: a\ndata: b\n\n", [SseEvent("b")]),
    ("a byte order mark in data", b"data: " + BOM + b"\n\n", [SseEvent("\ufeff")]),
    ("many bytes a character", "data: é€😀\n\n".encode(), [SseEvent("é€😀")]),
    (
        "other line separators are text",
        "data: a\u2028b\x0bc\x85\n\n".encode(),
        [SseEvent("a\u2028b\x0bc\x85")],
    ),
    ("NUL", b"data: a\0b\n\n", [SseEvent("a\0b")]),
]


@pytest.mark.parametrize(("stream", "events"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_streams_are_read_as_the_standard_says_whatever_way_they_are_cut(
    stream: bytes, events: list[SseEvent]
) -> None:
    assert read(stream) == events
    assert read(*bytewise(stream)) == events
    for place in range(len(stream) + 1):
        assert read(stream[:place], stream[place:]) == events
        assert read(stream[:place], b"", stream[place:]) == events


texts = st.text(alphabet="ab: é€😀\ufeff\0", max_size=8)
lines = st.one_of(
    st.builds("data:{}".format, texts),
    st.builds("data: {}".format, texts),
    st.builds("event: {}".format, texts),
    st.builds(":{}".format, texts),
    st.sampled_from(["", "", "", "data", "event", "id: 1", "retry: 2"]),
    texts,
)
streams = st.builds(
    lambda begin, written: begin + "".join(line + end for line, end in written),
    st.sampled_from(["", "", "\ufeff"]),
    st.lists(st.tuples(lines, st.sampled_from(["\n", "\r", "\r\n"])), max_size=14),
).map(str.encode)


def by_the_book(stream: bytes) -> list[SseEvent]:
    """The standard's algorithm, written down plainly for a stream that is whole."""
    text = stream.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    events, data, name = [], "", ""
    for line in text.split("\n")[:-1]:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                events.append(SseEvent(data[:-1], name or "message"))
            data, name = "", ""
        elif field == "data":
            data += value + "\n"
        elif field == "event":
            name = value
    return events


@given(stream=streams, places=st.lists(st.lists(st.integers(0, 200), max_size=6), max_size=8))
def test_any_stream_cut_in_any_way_gives_the_events_of_the_whole(
    stream: bytes, places: list[list[int]]
) -> None:
    whole = by_the_book(stream)
    assert read(stream) == whole
    assert read(*bytewise(stream)) == whole
    for place in range(len(stream) + 1):
        assert read(stream[:place], stream[place:]) == whole
    for chosen in places:
        assert read(*cut(stream, chosen)) == whole


def outcome(*pieces: bytes) -> str:
    try:
        read(*pieces, most_bytes=12)
    except (SseTooLarge, SseBroken) as error:
        return type(error).__name__
    return "read"


@given(
    stream=st.builds(bytes.__add__, streams, st.binary(max_size=20)),
    places=st.lists(st.integers(0, 200), max_size=6),
)
def test_a_stream_is_refused_or_read_whatever_way_it_is_cut(stream: bytes, places: list[int]) -> None:
    assert outcome(*bytewise(stream)) == outcome(stream) == outcome(*cut(stream, places))


def test_an_event_is_given_out_with_the_first_byte_of_its_blank_line() -> None:
    reader = SseReader()
    assert reader.feed(b"data: a\r\n") == []
    assert reader.feed(b"\r") == [SseEvent("a")]
    assert reader.feed(b"\n") == []


@pytest.mark.parametrize("line", [b"data: \xff\n", b": \xc3(\n", b"data: \xed\xa0\x80\n", b"\x80: x\n"])
def test_bytes_that_are_no_utf_8_are_refused_in_every_line(line: bytes) -> None:
    with pytest.raises(SseBroken) as caught:
        read(line)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"data: " + b"x" * 100, id="a line without end"),
        pytest.param(b"data: " + b"x" * 100 + b"\n\n", id="a line"),
        pytest.param(b": " + b"x" * 100, id="a comment without end"),
        pytest.param(b"data: x\n" * 15, id="lines without end"),
        pytest.param(b"data\n" * 30, id="empty lines without end"),
    ],
)
def test_an_event_beyond_the_cap_is_refused(stream: bytes) -> None:
    with pytest.raises(SseTooLarge):
        read(stream, most_bytes=100)
    with pytest.raises(SseTooLarge):
        read(*bytewise(stream), most_bytes=100)


def test_the_cap_is_for_one_event_not_for_the_stream() -> None:
    event = b"data: " + b"x" * 94 + b"\n\n"
    keep_alive = b": keep-alive\n"
    assert len(read(event * 20 + keep_alive * 50 + event, most_bytes=100)) == 21


@given(data=st.text().map(str.encode), name=st.sampled_from(["", "ping", "error"]))
def test_what_is_written_is_read_again(data: bytes, name: str) -> None:
    with_line_feeds = data.decode().replace("\r\n", "\n").replace("\r", "\n")
    assert read(sse_event(data, name)) == [SseEvent(with_line_feeds, name or "message")]


def test_an_event_is_written_in_the_form_that_all_readers_know() -> None:
    assert sse_event(b"[DONE]") == b"data: [DONE]\n\n"
    assert sse_event(b"a\nb", "note") == b"event: note\ndata: a\ndata: b\n\n"
