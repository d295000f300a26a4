"""A GenerateContentResponse, whole or in pieces, in OpenAI's form. Pure.

Candidates are choices; texts of a candidate are joined, thoughts are `reasoning_content`, function calls are tool
calls. A thought's signature goes along with its call as `extra_content.google.thought_signature`, where Google's
own OpenAI-compatible API has it; a text's is dropped, since Gemini only recommends to send it back. Parts that
chat completions have no word for (images, code that Google ran) are left out.
Sources: ai.google.dev/api/generate-content (Candidate, FinishReason), /gemini-api/docs/openai.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import orjson

from gateway.providers.dialect import Chunk, Completion, InvalidCompletion, ProviderError
from gateway.providers.gemini_errors import kind_of_reported
from gateway.providers.gemini_usage import read_usage
from gateway.sse import SseEvent

_MOST_CHOICES = 128
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")
_FINISH_REASONS = {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}
#: The model's output was no answer: a failure, not an ending that a caller can use.
_FAILURES = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
        "TOO_MANY_TOOL_CALLS",
        "UNEXPECTED_TOOL_CALL",
    }
)
_REFUSED_PROMPT = "The provider's filter refused this prompt."
_WITHHELD_ANSWER = "The provider's filter withheld this answer."


def read_answer(raw: bytes) -> Completion:
    """Return the answer in the body of a status 200. Raises InvalidCompletion and ProviderError.

    A prompt that was blocked is an answer, too, of finish reason content_filter and with a refusal in our words:
    asking again would not help, and the caller has to know why there is none.
    """
    reader = GeminiReader()
    chunk = reader.take(_parse(raw))
    if chunk is None or not chunk.choices:
        raise InvalidCompletion("no candidates")
    if not reader.ended:
        raise InvalidCompletion("no finish reason")
    choices = sorted(chunk.choices, key=lambda choice: int(choice["index"]))
    return Completion(choices=tuple(map(_whole, choices)), usage=chunk.usage, upstream_id=chunk.upstream_id)


def _whole(piece: Mapping[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": None, **piece["delta"]}
    if "tool_calls" in message:
        calls = message["tool_calls"]
        message["tool_calls"] = [{name: call[name] for name in call if name != "index"} for call in calls]
    return {name: piece[name] for name in piece if name != "delta"} | {"message": message}


class GeminiReader:
    """Reads the events of one stream; each is a response of its own with the next pieces of its candidates."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self._choices: dict[int, _Choice] = {}
        self._call_ids: set[str] = set()

    @property
    def ended(self) -> bool:
        """Whether every candidate that began has its finish reason.

        Gemini has no end marker. The finish reason is the last thing that it says of a candidate, so a stream
        that breaks off before it is seen to be cut; one that breaks off behind it has lost nothing but maybe its
        usage. Whether the connection came to its proper end is for the caller to see. Of several candidates all
        begin before the first ends; one that didn't would be missed by a caller that waits no longer.
        """
        return bool(self._choices) and all(choice.finished for choice in self._choices.values())

    def read(self, event: SseEvent) -> Chunk | None:
        """Return the piece that the event brings. Raises InvalidCompletion and ProviderError."""
        return self.take(_parse(event.data))

    def take(self, response: Mapping[str, Any]) -> Chunk | None:
        """Return the piece that the response brings; None if it brings none."""
        upstream_id = _plain(response.get("responseId"))
        candidates = _dicts(response.get("candidates"), "candidates")
        pieces = [self._piece(place, candidate, upstream_id) for place, candidate in enumerate(candidates)]
        if len({piece["index"] for piece in pieces}) < len(pieces):
            raise InvalidCompletion("two candidates of one index")
        if not candidates and _is_blocked(response.get("promptFeedback")):
            pieces = [self._refusal()]
        usage = read_usage(response.get("usageMetadata"))
        if not pieces and usage is None:
            return None
        return Chunk(choices=tuple(pieces), usage=usage, upstream_id=upstream_id)

    def _piece(self, place: int, candidate: Mapping[str, Any], upstream_id: str) -> dict[str, Any]:
        index = candidate.get("index", place)
        if type(index) is not int or not 0 <= index < _MOST_CHOICES:
            raise InvalidCompletion("a strange index")
        choice = self._choices.setdefault(index, _Choice(index))
        delta = choice.delta(candidate, upstream_id, self._call_ids)
        piece = {"index": index, "delta": delta, "finish_reason": choice.finish(candidate, delta)}
        logprobs = _logprobs(candidate.get("logprobsResult"))
        return piece if logprobs is None else {**piece, "logprobs": logprobs}

    def _refusal(self) -> dict[str, Any]:
        self._choices[0] = _Choice(0)
        self._choices[0].finished = True
        delta = {"role": "assistant", "content": None, "refusal": _REFUSED_PROMPT}
        return {"index": 0, "delta": delta, "finish_reason": "content_filter"}


class _Choice:
    """What came of one candidate so far."""

    def __init__(self, index: int) -> None:
        self.finished = False
        self._index = index
        self._begun = False
        self._spoke = False
        self._calls = 0

    def delta(self, candidate: Mapping[str, Any], upstream_id: str, call_ids: set[str]) -> dict[str, Any]:
        """Return what the candidate adds to the choice's message. call_ids: those in use; grows."""
        content = candidate.get("content")
        if not isinstance(content, dict | None):
            raise InvalidCompletion("a content is no object")
        parts = _dicts((content or {}).get("parts"), "parts")
        delta: dict[str, Any] = {} if self._begun else {"role": "assistant"}
        self._begun = True
        texts, thoughts = _texts(parts, thought=False), _texts(parts, thought=True)
        if texts:
            self._spoke = True
            delta["content"] = "".join(texts)
        if thoughts:
            delta["reasoning_content"] = "".join(thoughts)
        if calls := [self._call(part, upstream_id, call_ids) for part in parts if "functionCall" in part]:
            delta["tool_calls"] = calls
        return delta

    def finish(self, candidate: Mapping[str, Any], delta: dict[str, Any]) -> str | None:
        """Return OpenAI's finish reason, None if this is not the last piece; an end without words is explained.

        Reasons that are unknown count as the filter's: such an answer is not the model's own, and never cached.
        """
        reason = candidate.get("finishReason")
        if reason is None:
            return None
        if not isinstance(reason, str) or reason in _FAILURES:
            raise InvalidCompletion("the model's output is no answer")
        self.finished = True
        finish_reason = _FINISH_REASONS.get(reason, "content_filter")
        if finish_reason == "stop" and self._calls:
            return "tool_calls"
        if not self._spoke and not self._calls:
            self._explain(finish_reason, delta)
        return finish_reason

    def _explain(self, finish_reason: str, delta: dict[str, Any]) -> None:
        if finish_reason == "stop":
            raise InvalidCompletion("an empty answer")
        if finish_reason == "length":
            delta["content"] = ""
        else:
            delta["refusal"] = _WITHHELD_ANSWER

    def _call(self, part: Mapping[str, Any], upstream_id: str, call_ids: set[str]) -> dict[str, Any]:
        call = part["functionCall"]
        name = call.get("name") if isinstance(call, dict) else None
        args = (call.get("args") or {}) if isinstance(call, dict) else None
        if not isinstance(name, str) or not name or not isinstance(args, dict):
            raise InvalidCompletion("a function call is none")
        arguments = _encoded(args)
        call_id = _plain(call.get("id"))
        if not call_id or call_id in call_ids:
            call_id = _made_id(upstream_id, self._index, self._calls, name, arguments)
        call_ids.add(call_id)
        function = {"name": name, "arguments": arguments}
        whole = {"index": self._calls, "id": call_id, "type": "function", "function": function}
        self._calls += 1
        signature = part.get("thoughtSignature")
        if isinstance(signature, str) and signature:
            whole["extra_content"] = {"google": {"thought_signature": signature}}
        return whole


def _made_id(*parts: object) -> str:
    """Return an id for a call that came without one: the same for the same answer, another for each other call."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()
    return f"call_{digest[:24]}"


def _encoded(args: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(args).decode()
    except orjson.JSONEncodeError:
        raise InvalidCompletion("nested too deep") from None


def _texts(parts: list[dict[str, Any]], *, thought: bool) -> list[str]:
    texts = [part["text"] for part in parts if "text" in part and (part.get("thought") is True) == thought]
    if not all(isinstance(text, str) for text in texts):
        raise InvalidCompletion("a text is no text")
    return texts


def _is_blocked(feedback: object) -> bool:
    return isinstance(feedback, dict) and bool(feedback.get("blockReason"))


def _logprobs(result: object) -> dict[str, Any] | None:
    if not isinstance(result, dict):
        return None
    chosen = _dicts(result.get("chosenCandidates"), "logprobs")
    steps = _dicts(result.get("topCandidates"), "logprobs")
    tops = [_dicts(step.get("candidates"), "logprobs") for step in steps]
    tops += [[]] * (len(chosen) - len(tops))
    content = [
        {**_token(token), "top_logprobs": list(map(_token, top))}
        for token, top in zip(chosen, tops, strict=False)
    ]
    return {"content": content, "refusal": None}


def _token(candidate: Mapping[str, Any]) -> dict[str, Any]:
    token, logprob = candidate.get("token"), candidate.get("logProbability", 0.0)
    if not isinstance(token, str) or type(logprob) not in (int, float):
        raise InvalidCompletion("logprobs are none")
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def _plain(value: object) -> str:
    return value if isinstance(value, str) and _PLAIN_ID.fullmatch(value) else ""


def _dicts(value: object, what: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InvalidCompletion(f"{what} are no list of objects")
    return value


def _parse(raw: bytes | str) -> dict[str, Any]:
    """Return the response. Raises ProviderError if it is an error instead, which may come in a list."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise InvalidCompletion("not JSON") from None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise InvalidCompletion("no object")
    if value.get("error"):
        raise ProviderError(kind_of_reported(value["error"]))
    return value
