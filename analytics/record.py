"""One finished call as it is recorded: the only thing that the rest of the gateway hands to analytics."""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from uuid import UUID


@dataclass(kw_only=True, slots=True)
class CallRecord:
    """The columns of models.RequestRecord. Money is nano-USD, times are Unix seconds, spans milliseconds.

    Nobody changes a record that was made; it is not frozen only because a frozen one of so many fields
    takes three times as long to make, on every call.
    """

    id: UUID
    tenant_id: int
    started_at: float
    key_public_id: str
    endpoint: str
    status: int
    """The HTTP status that the caller got (499: the caller hung up)."""
    total_ms: float
    client_request_id: str = ""
    purpose: str = "request"
    error_code: str = ""
    model_asked: str = ""
    model: str = ""
    provider: str = ""
    rule: str = ""
    complexity: str = ""
    complexity_score: float | None = None
    cache_status: str = ""
    cache_reason: str = ""
    similarity: float | None = None
    entry_id: UUID | None = None
    finish_reason: str = ""
    stream: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    """The part of the input that the provider read from its own cache."""
    reasoning_tokens: int = 0
    """The part of the output that the model spent on thinking."""
    estimated: bool = False
    """The provider gave no usable usage: the tokens are our own count, and so is what follows from them."""
    cost_nano: int = 0
    saved_nano: int = 0
    overhead_nano: int = 0
    upstream_ms: float = 0.0
    first_token_ms: float | None = None
    """From asking upstream to the first piece of an answer that was streamed as it came."""
    policy_version: int = 0
    attempts: list[dict[str, Any]] = field(default_factory=list)
    decision: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    @property
    def shared(self) -> "CallRecord":
        """What holds the columns that a RepeatedCall shares: this record itself."""
        return self

    def whole(self) -> "CallRecord":
        """Return a record that holds every column: this one."""
        return self


class RepeatedCall(NamedTuple):
    """A call like one before it in every column but these; made by PreparedRecord.at."""

    prepared: "PreparedRecord"
    id: UUID
    started_at: float
    total_ms: float
    client_request_id: str

    @property
    def shared(self) -> CallRecord:
        """What holds the other columns; its own id, times and client_request_id mean nothing."""
        return self.prepared.record

    def whole(self) -> CallRecord:
        """Return a record that holds every column."""
        own = {name: getattr(self, name) for name in OWN_COLUMNS}
        return replace(self.prepared.record, **own)


#: The columns that tell one repeated call from the next.
OWN_COLUMNS = ("id", "started_at", "total_ms", "client_request_id")

#: What record sinks, metrics and the call log take.
FinishedCall = CallRecord | RepeatedCall


class PreparedRecord:
    """The record of calls that differ in OWN_COLUMNS only (hits of one stored answer by one key, refusals of
    one limit), so that each further one costs next to nothing.
    """

    __slots__ = ("head", "log_text", "record")

    def __init__(self, record: CallRecord) -> None:
        """record: its OWN_COLUMNS are ignored; it must not change any more."""
        self.record = record
        self.head: bytes | None = None
        """The shared columns as analytics.wire writes them, once it did."""
        self.log_text: tuple[str, str] | None = None
        """The same for whoever writes log lines: what stands between the columns of one call, and behind."""

    def at(
        self, request_id: UUID, started_at: float, total_ms: float, client_request_id: str = ""
    ) -> RepeatedCall:
        """Return one more call: Unix seconds of its start, milliseconds that it took."""
        return RepeatedCall(self, request_id, started_at, total_ms, client_request_id)
