"""How a vendor's API is spoken: questions and answers in OpenAI's form on our side, the vendor's on the other.

Every dialect is pure: bytes and values in, values out. It opens no socket, knows no deadline, and trusts nothing
that a provider wrote: each part that it hands on is checked, and no word of a provider's error leaves it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.failures import FailureKind
from gateway.sse import SseEvent
from routing.pricing import Usage


class InvalidCompletion(Exception):
    """The bytes are not an answer. Says what is wrong in our own words, never in the provider's."""


class ProviderError(Exception):
    """The provider reported an error inside an answer of status 200 or inside a stream."""

    def __init__(self, kind: FailureKind) -> None:
        super().__init__(kind.value)
        self.kind = kind


class Unsupported(Exception):
    """This vendor's API can't express a field of the question. Carries the field's name, none of its content."""

    def __init__(self, param: str) -> None:
        super().__init__(param)
        self.param = param


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderRequest:
    """What is sent to a provider, besides its base URL and what every request has."""

    path: str
    """Begins with a slash; goes behind the base URL. Made of our own words and the model's configured name."""
    content: bytes = field(repr=False)
    """The JSON body."""
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    """By lower-case name: the key's header and what the API wants besides. Never content-type or user-agent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Completion:
    """A complete answer in OpenAI's form."""

    choices: tuple[dict[str, Any], ...] = field(repr=False)
    """At least one, in order: `index`, `message`, `finish_reason`, and `logprobs` where they were asked for."""
    usage: Usage | None
    """None: missing, negative or absurd."""
    upstream_id: str
    """The provider's id of the answer, if it gave a plain one, else empty."""

    @property
    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = self.choices[0]["message"]
        return message

    @property
    def text(self) -> str:
        """The first choice's content; empty for tool calls alone."""
        content = self.message.get("content")
        return content if isinstance(content, str) else ""

    @property
    def finish_reason(self) -> str:
        return str(self.choices[0]["finish_reason"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A piece of a streamed answer in OpenAI's form."""

    choices: tuple[dict[str, Any], ...] = field(repr=False)
    """Each with `index`, `delta` and `finish_reason` (None but in a choice's last); may be empty."""
    usage: Usage | None = None
    """What the provider says of the whole call so far, where this piece says it; the last one holds."""
    upstream_id: str = ""


class ChunkReader(Protocol):
    """Reads the events of one stream."""

    def read(self, event: SseEvent) -> Chunk | None:
        """Return the piece that the event brings, None if it brings none (pings, end markers).

        Raises InvalidCompletion for what can't be one, ProviderError for an error that the provider reports.
        """

    @property
    def ended(self) -> bool:
        """Whether the provider's end marker has come: only then the answer is whole."""


class Dialect(Protocol):
    """One vendor's API."""

    def request(self, model: str, body: Mapping[str, Any], secret: str, *, stream: bool) -> ProviderRequest:
        """Return the question as the vendor wants it. Raises Unsupported.

        model: its name at the provider. body: OpenAI's fields (messages and parameters, without `model`, `stream`
        and `stream_options`); unknown fields are passed on where the vendor's form has room for them. secret: the
        provider key; empty: none. stream: asks for a stream that ends with its usage.
        """

    def read(self, raw: bytes) -> Completion:
        """Return the answer in the body of a status 200. Raises InvalidCompletion and ProviderError."""

    def reader(self) -> ChunkReader:
        """Return what reads the events of one stream."""

    def failure_kind(self, status: int, raw: bytes) -> FailureKind:
        """Tell what a status other than 200 means; raw: the beginning of its body, whatever that is."""
