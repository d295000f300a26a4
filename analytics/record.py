"""One finished call as it is recorded: the only thing that the rest of the gateway hands to analytics."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class CallRecord:
    """The columns of models.RequestRecord. Money is nano-USD, times are Unix seconds, spans milliseconds."""

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
    cost_nano: int = 0
    saved_nano: int = 0
    overhead_nano: int = 0
    upstream_ms: float = 0.0
    policy_version: int = 0
    attempts: list[dict[str, Any]] = field(default_factory=list)
    decision: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
