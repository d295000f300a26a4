"""The demo upstream's whole answer to a request in OpenAI's form: always the same for the same body."""

import hashlib
import re
from typing import Any

import orjson

from gateway.demo import answers, tools
from gateway.demo.wishes import Wishes

Body = dict[str, Any]

#: Fixed, so that the same question has the very same answer.
_CREATED = 1_767_225_600
_MOST_CHOICES = 16
_IMAGE_TOKENS = 85
_TOKEN = re.compile(r"\w+|[^\w\s]")
_PIECE = re.compile(r"\s*\S+|\s+$")
_REASON = "[[reason]]"
#: How further choices, and other seeds, say the same.
_OPENINGS = ("", "Sure: ", "Certainly: ", "In other words: ")


def complete(body: Body, *, cached_tokens: int = 0) -> dict[str, Any]:
    """Return the answer. cached_tokens: of the prompt, at most all of it."""
    prompt = last_user_text(body["messages"])
    wished = body.get("n")
    count = wished if isinstance(wished, int) and 1 <= wished <= _MOST_CHOICES else 1
    choices = [_choice(body, prompt, index) for index in range(count)]
    return {
        "id": "demo-" + hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:24],
        "object": "chat.completion",
        "created": _CREATED,
        "model": body["model"],
        "choices": choices,
        "usage": _usage(body, choices, cached_tokens),
        "system_fingerprint": "fp_demo",
    }


def pieces(text: str) -> list[str]:
    """Return the text in the pieces that a stream has."""
    return _PIECE.findall(text)


def logprobs_of(text: str, alternatives: int) -> dict[str, Any]:
    """Return made-up but well-formed log probabilities, one for each piece of the text."""
    return {"content": [_logprob(piece, alternatives) for piece in pieces(text)], "refusal": None}


def alternatives_wished(body: Body) -> int | None:
    """Return how many alternatives a token's log probability should list; None: no log probabilities."""
    if body.get("logprobs") is not True:
        return None
    most = body.get("top_logprobs")
    return most if isinstance(most, int) and 0 <= most <= 20 else 0


def last_user_text(messages: list[dict[str, Any]]) -> str:
    texts = (
        answers.text_of(message.get("content"))
        for message in reversed(messages)
        if message.get("role") == "user"
    )
    return next(texts, "")


def tokens(text: str) -> int:
    return len(_TOKEN.findall(text))


def prompt_tokens(message: dict[str, Any]) -> int:
    return 4 + tokens(answers.text_of(message.get("content"))) + _IMAGE_TOKENS * _images(message)


def _choice(body: Body, prompt: str, index: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    called = tools.calls_for(body, prompt)
    if called:
        message["tool_calls"], finish_reason = called, "tool_calls"
    else:
        text = _stopped(_text(body, prompt, index), body.get("stop"))
        most = body.get("max_completion_tokens") or body.get("max_tokens")
        message["content"], finish_reason = _limited(text, most)
    if "reason" in body["model"] or _REASON in prompt:
        message["reasoning_content"] = _reasoning(prompt)
    alternatives = alternatives_wished(body)
    has_logprobs = alternatives is not None and message["content"] is not None
    return {
        "index": index,
        "message": message,
        "finish_reason": finish_reason,
        "logprobs": logprobs_of(message["content"], alternatives or 0) if has_logprobs else None,
    }


def _text(body: Body, prompt: str, index: int) -> str:
    before = [answers.text_of(message.get("content")) for message in body["messages"][:-1]]
    text = tools.result_text(body["messages"])
    if text is None:
        text = answers.answer(prompt.replace(_REASON, "").strip(), before, body["model"])
    if images := _images(body["messages"][-1]):
        text = f"I looked at {images} image{'s' if images > 1 else ''}. {text}"
    seed = body.get("seed")
    text = _OPENINGS[(index + (seed if isinstance(seed, int) else 0)) % len(_OPENINGS)] + text
    return _formatted(text, prompt, body.get("response_format"))


def _formatted(text: str, prompt: str, wished: Any) -> str:
    kind = wished.get("type") if isinstance(wished, dict) else None
    if kind == "json_schema":
        named = wished.get("json_schema")
        schema = named.get("schema") if isinstance(named, dict) else None
        return orjson.dumps(Wishes(prompt, text).satisfy(schema)).decode()
    return orjson.dumps({"answer": text}).decode() if kind == "json_object" else text


def _stopped(text: str, stop: Any) -> str:
    """Cut the text before the first of the stop sequences."""
    sequences = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    places = [text.find(each) for each in sequences if isinstance(each, str) and each]
    found = [place for place in places if place >= 0]
    return text[: min(found)] if found else text


def _limited(text: str, most: object) -> tuple[str, str]:
    """Cut the text after so many tokens, as a provider would."""
    ends = [match.end() for match in _TOKEN.finditer(text)]
    if isinstance(most, int) and 0 < most < len(ends):
        return text[: ends[most - 1]], "length"
    return text, "stop"


def _reasoning(prompt: str) -> str:
    return f"The question has {len(prompt.split())} words. What is known about it is enough to answer."


def _usage(body: Body, choices: list[dict[str, Any]], cached_tokens: int) -> dict[str, Any]:
    asked = sum(prompt_tokens(message) for message in body["messages"])
    reasoned = sum(tokens(choice["message"].get("reasoning_content", "")) for choice in choices)
    answered = reasoned + sum(_answered(choice["message"]) for choice in choices)
    return {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
        "prompt_tokens_details": {"cached_tokens": min(cached_tokens, asked)},
        "completion_tokens_details": {"reasoning_tokens": reasoned},
    }


def _answered(message: dict[str, Any]) -> int:
    called = "".join(
        call["function"]["name"] + call["function"]["arguments"] for call in message.get("tool_calls", ())
    )
    return tokens((message["content"] or "") + called)


def _images(message: dict[str, Any]) -> int:
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return sum(isinstance(part, dict) and part.get("type") == "image_url" for part in parts)


def _logprob(piece: str, alternatives: int) -> dict[str, Any]:
    told = _token_logprob(piece, -0.01 * (1 + len(piece) % 7))
    others = [_token_logprob(f"{piece}{place}", -1.0 - place) for place in range(1, alternatives)]
    return {**told, "top_logprobs": [told, *others] if alternatives else []}


def _token_logprob(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode(errors="replace"))}
