"""What a form of answers has to do."""

from collections.abc import Iterator
from typing import Any, Protocol
from uuid import UUID

import orjson

from gateway.call import ChatOutcome
from gateway.errors import Refusal
from gateway.providers.dialect import Chunk
from gateway.relay import Opening
from gateway.request_id import shown

JSON = b"application/json"
EVENTS = b"text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"


class Frame(Protocol):
    """A whole answer with room for what differs between two hits of the same stored answer."""

    @property
    def size(self) -> int:
        """Bytes that it holds."""

    def filled(self, request_id: UUID, age_s: float | None, total_ms: float) -> bytes:
        """Return the body. total_ms: from the arrival until now."""


class Form(Protocol):
    """How whole answers look."""

    @property
    def content_type(self) -> bytes: ...

    def frame(self, outcome: ChatOutcome) -> Frame:
        """Return the frame of an outcome with an answer."""


class StreamForm(Form, Protocol):
    """How streamed answers look; whole ones are streams too, all pieces of which are there at once."""

    def piece(self, chunk: Chunk, opening: Opening, request_id: UUID) -> bytes:
        """Return the events of a piece; none, if the form has no room for what it holds."""

    def ending(self, outcome: ChatOutcome, request_id: UUID, total_ms: float) -> bytes:
        """Return the events behind the last piece of a complete answer."""


def event(value: object) -> bytes:
    """Return one event of a stream."""
    return b"data: %b\n\n" % orjson.dumps(value)


def error_event(refusal: Refusal) -> bytes:
    """Return the last event of a stream that has to end early; no end marker follows it."""
    return b"data: %b\n\n" % refusal.body()


def members(values: dict[str, Any]) -> bytes:
    """Return the members of a JSON object, to be put into another."""
    return orjson.dumps(values)[1:-1]


def completion_id(request_id: UUID) -> str:
    """Return the id of an answer as OpenAI's are formed."""
    return "chatcmpl-" + shown(request_id).removeprefix("req_")


#: Words of a stored answer that go into one piece of its replay.
_WORDS = 4
#: Longer texts are cut by length alone, into so many pieces: all are made at once, while other calls wait.
_LONG_TEXT = 64 * 1024
_MOST_PIECES = 4_000


def in_pieces(text: str) -> Iterator[str]:
    """Yield the text in pieces of a few words each, as a model would have sent it; a long one in larger pieces."""
    if len(text) <= _LONG_TEXT:
        yield from _few_words_each(text)
        return
    length = -(-len(text) // _MOST_PIECES)
    for start in range(0, len(text), length):
        yield text[start : start + length]


def _few_words_each(text: str) -> Iterator[str]:
    start, words, inside = 0, 0, False
    for position, character in enumerate(text):
        blank = character.isspace()
        if not blank and not inside:
            words += 1
            if words > _WORDS:
                yield text[start:position]
                start, words = position, 1
        inside = not blank
    if start < len(text):
        yield text[start:]
