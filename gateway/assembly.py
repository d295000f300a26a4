"""What the chunks of a streamed answer amount to: the message that the provider would have sent whole. Pure."""

from collections.abc import Mapping
from typing import Any, TypeVar

from gateway.providers.dialect import Chunk, Completion, InvalidCompletion
from routing.pricing import Usage

#: What gathers texts (as UTF-8: a list of small strings takes ten times as much memory), objects and lists.
_Held = TypeVar("_Held", bytearray, dict[str, Any], "_Items")

_MOST_CHARACTERS = 16 * 1024 * 1024
#: Empty objects and lists take memory too.
_CONTAINER = 16
#: Strings that name a thing: they come once, and providers that repeat them don't mean a longer name.
_SAID_ONCE = frozenset({"role", "id", "type", "name", "index", "format"})


class AnswerTooLarge(InvalidCompletion):
    """The chunks add up to more than the cap."""


class Assembly:
    """Gathers the chunks of one answer, at a cost that grows with what comes, not with what is there."""

    def __init__(self, *, most_characters: int = _MOST_CHARACTERS) -> None:
        """most_characters: of all deltas, counted about as their JSON."""
        self.usage: Usage | None = None
        """What the provider said of the call last."""
        self.upstream_id = ""
        self._left = most_characters
        self._choices: dict[int, _Choice] = {}

    def add(self, chunk: Chunk) -> None:
        """Take the next chunk in. Raises AnswerTooLarge."""
        if chunk.usage is not None:
            self.usage = chunk.usage
        self.upstream_id = self.upstream_id or chunk.upstream_id
        for piece in chunk.choices:
            self._left -= _weight(piece["delta"]) + _weight(piece.get("logprobs"))
            if self._left < 0:
                raise AnswerTooLarge("an answer beyond the cap")
            choice = self._choices.get(piece["index"])
            if choice is None:
                choice = self._choices[piece["index"]] = _Choice()
            choice.add(piece)

    @property
    def text(self) -> str:
        """The first choice's content so far. Costs its length."""
        choice = self._choices.get(0)
        content = choice.message.get("content") if choice else None
        return content.decode() if isinstance(content, bytearray) else ""

    def completion(self) -> Completion:
        """Return the answer. Raises InvalidCompletion if a choice, or all of them, have not come to their end."""
        if not self._choices:
            raise InvalidCompletion("no choices")
        if not all(choice.finish_reason for choice in self._choices.values()):
            raise InvalidCompletion("no finish reason")
        return Completion(
            choices=tuple(choice.whole(index) for index, choice in sorted(self._choices.items())),
            usage=self.usage,
            upstream_id=self.upstream_id,
        )


class _Choice:
    def __init__(self) -> None:
        self.message: dict[str, Any] = {}
        self.finish_reason: str | None = None
        self._logprobs: dict[str, Any] | None = None

    def add(self, piece: Mapping[str, Any]) -> None:
        _merge(self.message, piece["delta"])
        self.finish_reason = piece.get("finish_reason") or self.finish_reason
        if logprobs := piece.get("logprobs"):
            self._logprobs = {} if self._logprobs is None else self._logprobs
            _merge(self._logprobs, logprobs)

    def whole(self, index: int) -> dict[str, Any]:
        message = {"role": None, "content": None, **_whole(self.message)}
        message["role"] = message["role"] or "assistant"
        if isinstance(message.get("tool_calls"), list):
            message["tool_calls"] = _whole_calls(message["tool_calls"])
        choice = {"index": index, "message": message, "finish_reason": self.finish_reason}
        return choice if self._logprobs is None else {**choice, "logprobs": _whole(self._logprobs)}


class _Items:
    """A list that grows; items with an `index` come in pieces, which are merged."""

    def __init__(self) -> None:
        self._items: list[Any] = []
        self._numbered: dict[int, dict[str, Any]] = {}

    def add(self, item: Any) -> None:
        number = item.get("index") if isinstance(item, dict) else None
        if type(number) is not int:
            self._items.append(item)
            return
        held = self._numbered.get(number)
        if held is None or not _same_type(held, item):
            held = self._numbered[number] = {}
            self._items.append(held)
        _merge(held, item)

    def whole(self) -> list[Any]:
        return [_whole(item) for item in self._items]


def _same_type(held: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    """Whether the item can go on with what is held; OpenRouter numbers thoughts of different types alike."""
    return item.get("type") in (None, held.get("type")) or not held.get("type")


def _merge(into: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Put what is new into what is there: texts and lists grow, objects are merged, all else is replaced."""
    for key, value in delta.items():
        if isinstance(value, str):
            if key in _SAID_ONCE:
                into[key] = into.get(key) or value
            else:
                _held(into, key, bytearray).extend(value.encode())
        elif isinstance(value, dict):
            _merge(_held(into, key, dict), value)
        elif isinstance(value, list):
            items = _held(into, key, _Items)
            for item in value:
                items.add(item)
        elif value is None:
            into.setdefault(key, None)
        else:
            into[key] = value


def _held(into: dict[str, Any], key: str, kind: type[_Held]) -> _Held:
    """Return what gathers this key's values; a value of another kind makes way for it."""
    held = into.get(key)
    if type(held) is not kind:
        held = into[key] = kind()
    return held


def _whole(value: Any) -> Any:
    """Return the plain value of what was gathered."""
    if isinstance(value, bytearray):
        return value.decode()
    if isinstance(value, _Items):
        return value.whole()
    if isinstance(value, dict):
        return {key: _whole(part) for key, part in value.items()}
    return value


def _whole_calls(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return tool calls in order, as whole answers have them: without their index."""
    ordered = sorted(calls, key=lambda call: int(call.get("index", 0)))
    return [{key: value for key, value in call.items() if key != "index"} for call in ordered]


def _weight(value: Any) -> int:
    """Return about how many characters the value takes as JSON."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return _CONTAINER + sum(map(len, value)) + sum(map(_weight, value.values()))
    if isinstance(value, list):
        return _CONTAINER + sum(map(_weight, value))
    return 1
