"""Counting tokens ourselves, where a provider reported no usage or an absurd one.

What is counted as what, by OpenAI's rules; for other vendors' models it is an estimate, as records say of it
(`estimated`):

- text: by the tokenizer of the model, that of GPT-4o for models that are not OpenAI's;
- each message: 3 tokens more, 1 more where it has a name, and 3 for the beginning of the answer (OpenAI cookbook,
  "How to count tokens with tiktoken");
- tools, tool calls and response formats: by the text of their JSON, which is a little more than providers count;
- an image: 85 tokens in low detail, else the 765 of a square of 1024 pixels (OpenAI, "Images and vision",
  calculating costs of GPT-4o). Sizes are not looked at; sound and files count like an image.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, ParamSpec

import orjson

from gateway.tokenizer import encoding_of
from routing.pricing import Usage

_PER_MESSAGE = 3
_PER_NAME = 1
_ANSWER_BEGINS = 3
_LOW_DETAIL = 85
_MEDIUM = 765
_MEDIA = {"image_url", "input_audio", "file"}

#: The tokenizer's regex engine gives up on a million equal letters; it is quick and exact with this many.
_PIECE_CHARS = 16_000
#: Beyond this much a share of the pieces is counted: a tenth of a second as a rule, half of one at worst.
_MOST_CHARS = 2_000_000
#: What a piece costs besides its characters, in characters.
_PIECE_COSTS = 16

# One thread: the tokenizer keeps a few MB for each that it ran on, and counting must not take all cores.
_COUNTING = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokens")

P = ParamSpec("P")


async def in_background(counted: Callable[P, Usage], *args: P.args, **kwargs: P.kwargs) -> Usage:
    """Run one of this module's functions aside from the event loop: it takes milliseconds, the first a third
    of a second.
    """
    return await asyncio.wrap_future(_COUNTING.submit(counted, *args, **kwargs))


def count(text: str, model: str = "") -> int:
    """Return the tokens of a text: exact up to two million characters, extrapolated beyond."""
    return _count([text], model)


def estimate_usage(body: Mapping[str, Any], choices: Sequence[Mapping[str, Any]], model: str = "") -> Usage:
    """Return the usage of a whole answer.

    body: what was asked, as OpenAI has it. choices: those of the completion, each with its `message`.
    model: its name at the provider.
    """
    messages = [choice["message"] for choice in choices]
    thought = _count((text for message in messages for text in _thoughts(message)), model)
    said = _count((text for message in messages for text in _said(message)), model)
    return Usage(input_tokens=_asked(body, model), output_tokens=said + thought, reasoning_tokens=thought)


def partial_usage(
    body: Mapping[str, Any], text_so_far: str, model: str = "", reported: Usage | None = None
) -> Usage:
    """Return the usage of an answer that was broken off: all that was asked, and what came of the answer.

    reported: what the provider had said of the usage by then, if it did; of the output that is seldom up to date.
    """
    said = count(text_so_far, model)
    if reported is None:
        return Usage(input_tokens=_asked(body, model), output_tokens=said)
    return replace(reported, output_tokens=max(said, reported.output_tokens))


def _asked(body: Mapping[str, Any], model: str) -> int:
    messages = body.get("messages") or ()
    texts = [text for message in messages for text in (str(message.get("role", "")), *_said(message))]
    texts += [_json(body[name]) for name in ("tools", "functions", "response_format") if body.get(name)]
    return _ANSWER_BEGINS + sum(map(_overhead, messages)) + _count(texts, model)


def _overhead(message: Mapping[str, Any]) -> int:
    """Return the tokens of a message that are not those of its texts."""
    named = _PER_NAME if message.get("name") else 0
    return _PER_MESSAGE + named + sum(map(_tokens_of_medium, _parts(message)))


def _tokens_of_medium(part: Mapping[str, Any]) -> int:
    if part.get("type") not in _MEDIA:
        return 0
    image = part.get("image_url")
    return _LOW_DETAIL if isinstance(image, Mapping) and image.get("detail") == "low" else _MEDIUM


def _said(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts of a message, but for its thoughts."""
    for value in (message.get("content"), message.get("refusal"), message.get("name")):
        if isinstance(value, str):
            yield value
    for part in _parts(message):
        if part.get("type") not in _MEDIA:
            text = part.get("text")
            yield text if isinstance(text, str) else _json(part)
    for name in ("tool_calls", "function_call"):
        if message.get(name):
            yield _json(message[name])


def _thoughts(message: Mapping[str, Any]) -> Iterator[str]:
    for name in ("reasoning_content", "reasoning"):
        if isinstance(text := message.get(name), str):
            yield text


def _parts(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content")
    return [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _count(texts: Iterable[str], model: str) -> int:
    pieces = [piece for text in texts for piece in _pieces(text)]
    if not pieces:
        return 0
    weight = sum(map(len, pieces)) + _PIECE_COSTS * len(pieces)
    taken = pieces[:: -(-weight // _MOST_CHARS)]
    encoding = encoding_of(model)
    counted = sum(len(encoding.encode_ordinary(piece)) for piece in taken)
    if len(taken) == len(pieces):
        return counted
    return round(counted * sum(map(len, pieces)) / max(sum(map(len, taken)), 1))


def _pieces(text: str) -> Iterator[str]:
    """Cut the text, where it can be between two words: there the tokenizer cuts it anyway."""
    start = 0
    while len(text) - start > _PIECE_CHARS:
        end = text.rfind(" ", start + _PIECE_CHARS // 2, start + _PIECE_CHARS)
        end = start + _PIECE_CHARS if end < 0 else end
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]
