"""The digest of everything that changes an answer: equal digests mean the same question.

The form that is hashed is a row of length-prefixed segments, each of them JSON with sorted keys, so that no text
can move the boundary between two fields or two messages. Raw text counts: strings that Unicode deems
equivalent (NFC, NFKC) stay apart, and so do 1, 1.0 and true, since a provider may treat them differently.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

_FORM = b"halfpenny-fingerprint-1"
_NO_QUESTION = -1

FIELDS_IN: Mapping[str, str] = {
    "prompt": "it is the question, as one user message",
    "messages": "they are the question; all but the last user turn's text is the scope",
    "model": "another model answers differently; after alias resolution, `auto` stays `auto`",
    "temperature": "sampling",
    "top_p": "sampling",
    "top_k": "sampling",
    "min_p": "sampling",
    "seed": "sampling",
    "n": "how many answers",
    "stop": "where the answer ends",
    "max_tokens": "where the answer ends",
    "max_completion_tokens": "where the answer ends",
    "presence_penalty": "sampling",
    "frequency_penalty": "sampling",
    "repetition_penalty": "sampling",
    "logit_bias": "sampling",
    "logprobs": "part of the answer",
    "top_logprobs": "part of the answer",
    "tools": "what the answer may call",
    "tool_choice": "what the answer may call",
    "parallel_tool_calls": "what the answer may call",
    "functions": "what the answer may call (old name of tools)",
    "function_call": "what the answer may call (old name of tool_choice)",
    "response_format": "the answer's form",
    "modalities": "the answer's form",
    "audio": "the answer's form",
    "verbosity": "the answer's length",
    "reasoning_effort": "the answer's depth",
    "thinking": "the answer's depth",
    "prediction": "providers may take it over into the answer",
    "web_search_options": "what the answer knows",
}

FIELDS_LEFT_OUT: Mapping[str, str] = {
    "stream": "the same answer, in pieces or whole",
    "stream_options": "how the stream ends, not what it says",
    "user": "it is in the sharing scope (owner) where the tenant's policy or personal details ask for it",
    "metadata": "the caller's own labels; never sent upstream",
    "tags": "labels for rules and reports; rules that deny run before the caches",
    "cache": "how the caches are used, not what is asked",
    "service_tier": "speed and price of the call",
    "store": "what the provider keeps",
    "prompt_cache_key": "the provider's own cache",
    "prompt_cache_retention": "the provider's own cache",
    "safety_identifier": "names the end user to the provider's abuse checks",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheQuestion:
    """All of a call that changes its answer. Messages and params hold JSON values only (so no NaN)."""

    tenant_id: int
    owner: str
    """Whose entries serve it: `Cacheability.owner`."""
    model: str
    """As asked, after alias resolution; `auto` stays `auto`."""
    messages: tuple[Mapping[str, Any], ...]
    """As on the wire: role, content (text or a list of parts), name, tool_call_id, ..."""
    params: Mapping[str, Any]
    """Every other field of FIELDS_IN that is set; an unset field is absent."""
    epoch: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprints:
    """Two digests of 32 bytes and the text that only the first of them covers."""

    exact: bytes
    scope: bytes
    """The same without the text of the last user turn."""
    text: str
    """The text of the last user turn; empty when there is none or it isn't plain text."""


def fingerprints(question: CacheQuestion) -> Fingerprints:
    """Return the digests of a question. Raises TypeError or ValueError on what isn't JSON."""
    place, text = _last_question(question.messages)
    scope = hashlib.sha256(_FORM + b"".join(_prefixed(part) for part in _scope_parts(question, place)))
    exact = scope.copy()
    exact.update(_prefixed(_json(text)))
    return Fingerprints(exact=exact.digest(), scope=scope.digest(), text=text)


def last_user_text(messages: tuple[Mapping[str, Any], ...]) -> str:
    """Return the text of the last user turn; empty when there is none or it isn't plain text."""
    return _last_question(messages)[1]


def _scope_parts(question: CacheQuestion, place: int) -> Iterator[bytes]:
    """Yield all segments, the text at `place` cut out; `place` is one of them, so the cut can't be faked."""
    yield _json(question.tenant_id)
    yield _json(question.owner)
    yield _json(question.epoch)
    yield _json(question.model)
    yield _json(question.params)
    yield _json([len(question.messages), place])
    for index, message in enumerate(question.messages):
        yield _json(_without_text(message) if index == place else message)


def _last_question(messages: tuple[Mapping[str, Any], ...]) -> tuple[int, str]:
    """Return where the last user turn stands and its text, or -1 and nothing if it has no plain text."""
    for place in range(len(messages) - 1, -1, -1):
        if messages[place].get("role") == "user":
            text = _plain_text(messages[place].get("content"))
            return (place, text) if text else (_NO_QUESTION, "")
    return _NO_QUESTION, ""


def _plain_text(content: object) -> str:
    """Return the text of a content that is a string or a single text part, else nothing."""
    match content:
        case str():
            return content
        case [{"type": "text", "text": str(text)}]:
            return text
        case _:
            return ""


def _without_text(message: Mapping[str, Any]) -> dict[str, Any]:
    content = message["content"]
    return {**message, "content": None if isinstance(content, str) else [{**content[0], "text": None}]}


def _prefixed(part: bytes) -> bytes:
    return len(part).to_bytes(8) + part


def _json(value: object) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # Integers beyond 64 bits are JSON too. No orjson text begins with a blank: the two forms never meet.
        return b" " + json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
