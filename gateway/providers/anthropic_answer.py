"""Reading Anthropic's Messages: each part is checked, none is taken on trust. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from gateway.providers.anthropic_errors import kind_of_error
from gateway.providers.dialect import Completion, InvalidCompletion, ProviderError
from routing.pricing import Usage

_MOST_TOKENS = 100_000_000
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
#: (https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons)
_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    # The vendor paused before the end: for us an answer that broke off, never one to keep.
    "pause_turn": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def read_message(raw: bytes) -> Completion:
    """Return the answer in a Message. Raises InvalidCompletion and ProviderError."""
    try:
        message = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise InvalidCompletion("not JSON") from None
    if not isinstance(message, dict):
        raise InvalidCompletion("no object")
    if message.get("type") == "error" or message.get("error"):
        raise ProviderError(kind_of_error(message.get("error")))
    blocks = message.get("content")
    if not isinstance(blocks, list):
        raise InvalidCompletion("no content")
    choice = {
        "index": 0,
        "message": _assistant_message(blocks),
        "finish_reason": finish_reason(message.get("stop_reason")),
    }
    usage = read_usage(usage_counts(message.get("usage")))
    return Completion(choices=(choice,), usage=usage, upstream_id=plain_id(message.get("id")))


def _assistant_message(blocks: list[Any]) -> dict[str, Any]:
    """Return OpenAI's form of content blocks. Kinds of blocks that it has no room for are left out."""
    if not all(isinstance(block, dict) for block in blocks):
        raise InvalidCompletion("a content block that is no object")
    text = "".join(text_of(block, "text") for block in _of_type(blocks, "text"))
    thinking = "".join(text_of(block, "thinking") for block in _of_type(blocks, "thinking"))
    calls = [_tool_call(block) for block in _of_type(blocks, "tool_use")]
    kept = [thinking_block(block) for block in _of_type(blocks, "thinking", "redacted_thinking")]
    return {
        "role": "assistant",
        "content": text or (None if calls else ""),
        **({"reasoning_content": thinking} if thinking else {}),
        **({"thinking_blocks": kept} if kept else {}),
        **({"tool_calls": calls} if calls else {}),
    }


def _of_type(blocks: Iterable[Mapping[str, Any]], *types: str) -> list[Mapping[str, Any]]:
    return [block for block in blocks if block.get("type") in types]


def _tool_call(block: Mapping[str, Any]) -> dict[str, Any]:
    return tool_call(block, arguments(block.get("input")))


def arguments(asked: object) -> str:
    """Return a tool's input as OpenAI's JSON text. Raises InvalidCompletion."""
    if not isinstance(asked, dict):
        raise InvalidCompletion("a tool's input is no object")
    try:
        return orjson.dumps(asked).decode()
    except orjson.JSONEncodeError:
        raise InvalidCompletion("a tool's input is nested too deep") from None


def tool_call(block: Mapping[str, Any], given: str) -> dict[str, Any]:
    """Return OpenAI's form of a tool_use block; given: its arguments. Raises InvalidCompletion."""
    function = {"name": text_of(block, "name"), "arguments": given}
    return {"id": text_of(block, "id"), "type": "function", "function": function}


def thinking_block(block: Mapping[str, Any]) -> dict[str, str]:
    """Return what has to be sent back, unchanged, for the model to go on with its thinking.

    Callers of other gateways know it by the same name, `thinking_blocks`. Raises InvalidCompletion.
    """
    if block["type"] == "redacted_thinking":
        return {"type": "redacted_thinking", "data": text_of(block, "data")}
    # Others that offer this API may sign nothing; then it can't be sent back, and it isn't.
    signature = text_of(block, "signature") if "signature" in block else ""
    return {"type": "thinking", "thinking": text_of(block, "thinking"), "signature": signature}


def text_of(part: Mapping[str, Any], name: str) -> str:
    """Return a part's text of this name. Raises InvalidCompletion."""
    value = part.get(name)
    if isinstance(value, str):
        return value
    raise InvalidCompletion(f"no {name}")


def finish_reason(stop_reason: object) -> str:
    """Return OpenAI's word for why the answer ended; "unknown" for later ones. Raises InvalidCompletion."""
    if not isinstance(stop_reason, str):
        raise InvalidCompletion("no stop reason")
    return _FINISH_REASONS.get(stop_reason, "unknown")


def plain_id(value: object) -> str:
    """Return the vendor's id if it is a plain one, else an empty string."""
    return value if isinstance(value, str) and _PLAIN_ID.fullmatch(value) else ""


def usage_counts(usage: object) -> dict[str, Any]:
    """Return what a usage object says; counts that are missing or null say nothing."""
    return (
        {name: count for name, count in usage.items() if count is not None} if isinstance(usage, dict) else {}
    )


def read_usage(counts: Mapping[str, Any]) -> Usage | None:
    """Return the usage; None if it is missing, negative or absurd.

    Anthropic's input_tokens leave out what was read from or written to its cache; ours count all input.
    (https://platform.claude.com/docs/en/build-with-claude/prompt-caching)
    """
    plain, answered = _count(counts.get("input_tokens")), _count(counts.get("output_tokens"))
    cached = _count(counts.get("cache_read_input_tokens", 0))
    written = _count(counts.get("cache_creation_input_tokens", 0))
    if plain is None or answered is None or cached is None or written is None:
        return None
    return Usage(
        input_tokens=plain + cached + written,
        output_tokens=answered,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=min(_thinking_tokens(counts), answered),
    )


def _thinking_tokens(counts: Mapping[str, Any]) -> int:
    details = counts.get("output_tokens_details")
    return (_count(details.get("thinking_tokens")) if isinstance(details, dict) else None) or 0


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
