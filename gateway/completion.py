"""Reading a chat completion that a provider sent: everything is checked, nothing assumed. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from routing.pricing import Usage

_MOST_TOKENS = 100_000_000
_CHARS_PER_TOKEN = 4
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_FINISH_REASON = re.compile(r"[a-z_]{1,32}")


class InvalidCompletion(Exception):
    """The bytes are not a chat completion. Says what is wrong in our own words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """The parts of a chat completion; `usage` is still what the provider sent."""

    message: dict[str, Any] = field(repr=False)
    text: str = field(repr=False)
    finish_reason: str
    usage: object
    upstream_id: str


def read(raw: bytes) -> Completion:
    """Return the first choice of a completion. Raises InvalidCompletion."""
    try:
        answer = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise InvalidCompletion("not JSON") from None
    if not isinstance(answer, dict) or answer.get("error"):
        raise InvalidCompletion(
            "an error in an answer of status 200" if isinstance(answer, dict) else "no object"
        )
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise InvalidCompletion("no choices")
    message = choices[0].get("message")
    if not isinstance(message, dict):
        raise InvalidCompletion("no message")
    return Completion(
        message=message,
        text=_text(message),
        finish_reason=_plain(choices[0].get("finish_reason"), _FINISH_REASON) or "unknown",
        usage=answer.get("usage"),
        upstream_id=_plain(answer.get("id"), _PLAIN_ID),
    )


def _text(message: Mapping[str, Any]) -> str:
    """Return the content. Without one there must be a tool call or a refusal instead."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if content is None and (message.get("tool_calls") or message.get("refusal")):
        return ""
    raise InvalidCompletion("no content")


def _plain(value: object, pattern: re.Pattern[str]) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""


def read_usage(usage: object) -> Usage | None:
    """Return the usage that a provider reported; None if it is missing, negative or absurd."""
    if not isinstance(usage, dict):
        return None
    details = usage.get("prompt_tokens_details")
    details = details if isinstance(details, dict) else {}
    # DeepSeek has a name of its own for what it read from its cache.
    cached = _count(details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or 0)
    written = _count(details.get("cache_write_tokens") or 0)
    asked, answered = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if asked is None or answered is None or cached is None or written is None or cached + written > asked:
        return None
    return Usage(
        input_tokens=asked,
        output_tokens=answered,
        cached_input_tokens=cached,
        cache_write_tokens=written,
    )


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None


def estimate_usage(body: Mapping[str, Any], text: str) -> Usage:
    """Return our own estimate: a token for every four characters of the messages and of the answer."""
    asked = len(orjson.dumps(body.get("messages", [])))
    return Usage(input_tokens=_tokens(asked), output_tokens=_tokens(len(text)))


def _tokens(characters: int) -> int:
    return -(-characters // _CHARS_PER_TOKEN)
