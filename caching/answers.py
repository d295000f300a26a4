"""A stored answer: the value of L1, the payload of L2."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from pydantic import TypeAdapter, ValidationError


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredAnswer:
    """A complete successful answer of a provider, as any later hit needs it. Times are Unix seconds."""

    entry: UUID
    text: str
    message: dict[str, Any]
    """The assistant's message as the provider sent it (`role`, `content`, ...)."""
    model: str
    provider: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    cost_nano: int
    complexity: str
    key_public_id: str
    request_id: UUID
    created_at: float
    expires_at: float
    tags: tuple[str, ...] = ()
    cached_input_tokens: int = 0
    """The part of the input that the provider read from its own cache when the answer was made."""
    reasoning_tokens: int = 0
    """The part of the output that the model spent on thinking."""
    estimated: bool = False
    """The provider gave no usable usage: the tokens are our own count, and so the cost."""
    fresh_until: float | None = None
    """Set if the tenant lets answers be served past their time: that time's end, before `expires_at`."""

    @property
    def stale_at(self) -> float:
        """The moment from which it is served only as its tenant allows, and marked."""
        return self.expires_at if self.fresh_until is None else self.fresh_until


class BrokenAnswer(Exception):
    """A stored value is not a stored answer."""


_ADAPTER = TypeAdapter(StoredAnswer)


def dump(answer: StoredAnswer) -> bytes:
    return orjson.dumps(answer)


def load(value: bytes) -> StoredAnswer:
    """Return the answer of a stored value; raises BrokenAnswer on anything that fails its schema."""
    try:
        return _ADAPTER.validate_json(value)
    except ValidationError as error:
        raise BrokenAnswer(f"{error.error_count()} fields are wrong") from None
