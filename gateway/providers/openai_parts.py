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
#: Azure leaves the content out when its filter took it, vLLM when a thinking model had not come to it within the
#: caller's limit: no failure of the upstream's, or any caller could bring its circuit to open.
_WITHOUT_CONTENT = frozenset({"content_filter", "length"})


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
    if finish_reason not in _WITHOUT_CONTENT:
        raise InvalidCompletion("no content")


def number_of(part: Mapping[str, Any], default: int | None = None) -> int:
    """Return the part's index. Raises InvalidCompletion for a missing or strange one."""
    number = part.get("index", default)
    if type(number) is not int or not 0 <= number < MOST_NUMBER:
        raise InvalidCompletion("a strange index")
    return number


class StreamedChoice:
    """Puts the deltas of one choice right: names are said once, and calls are numbered 0, 1, 2 ...

    OpenRouter and Ollama repeat the role in each chunk, and OpenAI's own SDK would make one long word of it.
    Google's compatible endpoint leaves the index of calls out, and Ollama gives each the index 0; both send calls
    whole, each with a name and an id of its own.
    """

    def __init__(self) -> None:
        """Begin before the first delta."""
        self._said: set[str] = set()
        self._calls: list[_StreamedCall] = []
        self._current: dict[int | None, int] = {}

    def put_right(self, delta: dict[str, Any]) -> None:
        """Change the checked delta. Raises InvalidCompletion for strange indexes and too many calls."""
        _drop_repeated(delta, ("role",), self._said)
        for call in delta.get("tool_calls") or ():
            call["index"] = self._number(call)
            self._calls[call["index"]].put_right(call)

    def _number(self, call: Mapping[str, Any]) -> int:
        """Return the number of the call that this piece begins or goes on with."""
        index = None if call.get("index") is None else number_of(call)
        number = self._current.get(index, len(self._calls) - 1 if index is None else -1)
        if number < 0 or self._calls[number].is_another(call):
            number = len(self._calls)
            self._calls.append(_StreamedCall())
        self._current[index] = number_of({"index": number})
        return number


class _StreamedCall:
    def __init__(self) -> None:
        self._id = ""
        self._said: set[str] = set()

    def is_another(self, call: Mapping[str, Any]) -> bool:
        """Whether this piece, of the same index, is of another call."""
        named = (call.get("function") or {}).get("name")
        return bool(named and self._id and call.get("id") not in ("", None, self._id))

    def put_right(self, call: dict[str, Any]) -> None:
        self._id = self._id or call.get("id") or ""
        _drop_repeated(call, ("id", "type"), self._said)
        if function := call.get("function"):
            _drop_repeated(function, ("name",), self._said)


def _drop_repeated(part: dict[str, Any], names: tuple[str, ...], said: set[str]) -> None:
    """Take out what was said before, and what says nothing."""
    for name in names:
        if name in said or not part.get(name):
            part.pop(name, None)
        else:
            said.add(name)


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
