"""The typed thing that goes into the pipeline, and the one that comes out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from caching.answers import StoredAnswer
from gateway.admission import Admission
from gateway.errors import Refusal

CacheStatus = Literal["hit_exact", "hit_semantic", "miss", "bypass", "refresh", "error"]
CacheMode = Literal["on", "off", "read_only", "refresh"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheWish:
    """How the caller wants the caches used; it can only reduce what the tenant's policy allows."""

    mode: CacheMode = "on"
    ttl_s: int | None = None
    max_age_s: int | None = None
    tags: tuple[str, ...] = ()

    @property
    def reads(self) -> bool:
        return self.mode in ("on", "read_only")

    @property
    def writes(self) -> bool:
        return self.mode in ("on", "refresh")


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatCall:
    """An admitted, well-formed question, whichever route it came by."""

    admission: Admission
    endpoint: str
    model_asked: str
    messages: tuple[Mapping[str, Any], ...] = field(repr=False)
    params: Mapping[str, Any] = field(repr=False)
    """Set fields that change the answer, besides messages and model (see caching.fingerprint.FIELDS_IN)."""
    passed: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Set fields that go upstream and don't change the answer."""
    user: str | None = None
    tags: tuple[str, ...] = ()
    cache: CacheWish = CacheWish()
    stream: bool = False
    include_usage: bool = False
    """Whether a stream ends with a piece that tells the usage (OpenAI's `stream_options`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheReport:
    """What the caches did for a call."""

    status: CacheStatus
    reason: str | None = None
    similarity: float | None = None
    age_s: float | None = None
    entry: UUID | None = None
    ttl_s: float | None = None
    """Seconds for which the served entry is still fresh; negative if it is stale."""
    stale: bool = False
    """Served past its time, as the tenant allows."""
    trail: tuple[Mapping[str, Any], ...] = ()
    """Each candidate of the semantic cache and what was decided about it (no text)."""
    basis: Mapping[str, Any] = field(default_factory=dict)
    """What the semantic decision rested on: mode, floor, verifier (no text)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteReport:
    """How hard the prompt was held to be, and which rule chose the target."""

    complexity: str
    score: float
    rule: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PartialAnswer:
    """What a stream that broke off, or that nobody read to its end, came to; the usage is our own count."""

    model: str
    provider: str
    input_tokens: int
    output_tokens: int
    finish_reason: str = ""
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatOutcome:
    """How a call ended, well or badly; every ending has this one type and is recorded in one place."""

    refusal: Refusal | None = None
    answer: StoredAnswer | None = field(default=None, repr=False)
    text_json: bytes | None = field(default=None, repr=False)
    """The answer's text as a JSON string, where it is at hand ready to be sent."""
    choices: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """All that the upstream answered, where this isn't a hit: there is more than the answer's message to them."""
    partial: PartialAnswer | None = None
    """Instead of an answer: what was sent of it."""
    route: RouteReport | None = None
    cache: CacheReport | None = None
    cost_nano: int = 0
    saved_nano: int = 0
    upstream_ms: float = 0.0
    first_token_ms: float | None = None
    """From the sending of the question upstream to the first piece of a streamed answer."""
    attempts: tuple[Mapping[str, Any], ...] = ()
    hung_up: bool = False
    """The caller went away before the answer was ready."""

    @property
    def status(self) -> int:
        """The HTTP status; 499, of the caller who hung up, is only ever recorded."""
        if self.hung_up:
            return 499
        return self.refusal.status if self.refusal else 200
