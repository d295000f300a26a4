"""Messages and deltas in OpenAI's form: checked, and what followers do differently put right. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.providers.dialect import InvalidCompletion

#: More choices, or calls of one, than any request may ask for.
MOST_NUMBER = 128
_KINDS: dict[str, type] = {
    "role": str,
    "content": str,
    "refusal": str,
    "reasoning_content": str,
    "reasoning": str,
    "tool_calls": list,
    "function_call": dict,
    "audio": dict,
}
#: Of these, one at least is in a message without content.
_INSTEAD_OF_CONTENT = ("tool_calls", "function_call", "refusal", "audio", "reasoning_content", "reasoning")


def checked(part: Any) -> dict[str, Any]:
    """Return the message or delta, its content as text. Raises InvalidCompletion.

    Known fields are of their types afterwards, or None; unknown ones may be anything.
    """
    if not isinstance(part, dict):
        raise InvalidCompletion("no message")
    if isinstance(part.get("content"), list):
        _unfold_content(part)
    for name, value in part.items():
        if value is not None and not isinstance(value, _KINDS.get(name, object)):
            raise InvalidCompletion(f"{name} is of a wrong type")
    if not all(map(_is_call, part.get("tool_calls") or ())):
        raise InvalidCompletion("a tool call is none")
    return part


def check_content(message: Mapping[str, Any], finish_reason: str) -> None:
    """Refuse a whole message that has neither content nor anything in its stead. Raises InvalidCompletion."""
    if message.get("content") is not None or any(map(message.get, _INSTEAD_OF_CONTENT)):
        return
    # Azure leaves the content out when its filter took it.
    if finish_reason != "content_filter":
        raise InvalidCompletion("no content")


def number_of(part: Mapping[str, Any], default: int | None = None) -> int:
    """Return the part's index. Raises InvalidCompletion for a missing or strange one."""
    number = part.get("index", default)
    if type(number) is not int or not 0 <= number < MOST_NUMBER:
        raise InvalidCompletion("a strange index")
    return number


class CallNumbers:
    """Numbers the tool calls of one streamed choice: 0, 1, 2 ..., whatever the provider says.

    Google's compatible endpoint leaves the index out; Ollama gives each call the index 0. Both send calls whole,
    each with a name and an id of its own.
    """

    def __init__(self) -> None:
        """Begin before the first call."""
        self._ids: list[str] = []
        self._ours: dict[int | None, int] = {}

    def number(self, call: dict[str, Any]) -> None:
        """Set the call's index to the number of the call that it begins or goes on with."""
        said = None if call.get("index") is None else number_of(call)
        ours = self._ours.get(said, len(self._ids) - 1 if said is None else -1)
        if ours < 0 or self._begins_another(call, self._ids[ours]):
            ours = len(self._ids)
            self._ids.append(call.get("id") or "")
        self._ours[said] = ours
        call["index"] = number_of({"index": ours})

    @staticmethod
    def _begins_another(call: Mapping[str, Any], current: str) -> bool:
        function = call.get("function") or {}
        return bool(function.get("name")) and call.get("id") not in ("", None, current)


def _is_call(call: object) -> bool:
    if not isinstance(call, dict) or not isinstance(call.get("id"), str | None):
        return False
    function = call.get("function")
    return function is None or (
        isinstance(function, dict)
        and isinstance(function.get("name"), str | None)
        and isinstance(function.get("arguments"), str | None)
    )


def _unfold_content(part: dict[str, Any]) -> None:
    """Make plain fields of content in parts, as Mistral's reasoning models write it."""
    said: list[str] = []
    thought: list[str] = []
    for piece in part["content"]:
        kind = piece.get("type") if isinstance(piece, dict) else None
        if kind == "thinking":
            thought.extend(_texts(piece.get("thinking")))
        elif kind != "reference":
            said.extend(_texts([piece]))
    part["content"] = "".join(said)
    if thought:
        part["reasoning_content"] = "".join(thought)


def _texts(pieces: Any) -> Iterator[str]:
    for piece in pieces if isinstance(pieces, list) else ():
        text = piece.get("text") if isinstance(piece, dict) else None
        if not isinstance(text, str):
            raise InvalidCompletion("content is of a wrong type")
        yield text
