"""How an attempt at an upstream can fail, as the gateway tells failures apart. Pure."""

from enum import StrEnum


class FailureKind(StrEnum):
    """Named for what can be done about it."""

    CONNECT = "connect"
    """No connection, or it broke before the answer's head."""
    TIMEOUT = "timeout"
    """The deadline passed, or the upstream gave up waiting."""
    RATE_LIMITED = "rate_limited"
    """429: wait, then ask again."""
    OUT_OF_QUOTA = "out_of_quota"
    """429 or 402 for lack of credit: waiting doesn't help."""
    OVERLOADED = "overloaded"
    """5xx."""
    REFUSED_REQUEST = "refused_request"
    """400, 413, 422 and the like: the request itself is at fault."""
    CONTEXT_LENGTH = "context_length"
    """400: more tokens than this model takes; another may take them."""
    UNSUPPORTED = "unsupported"
    """This provider's API has no room for a field of the request; another's may have."""
    UNKNOWN_MODEL = "unknown_model"
    """404: this upstream doesn't have the model (any longer)."""
    REFUSED_KEY = "refused_key"
    """401 or 403: our provider key."""
    INVALID_RESPONSE = "invalid_response"
    """An answer that can't be one."""
    TRUNCATED = "truncated"
    """An answer that broke off before its end."""
    STALLED = "stalled"
    """A stream in which nothing came for too long."""
    TOO_LARGE = "too_large"
    """An answer beyond the cap."""
    REDIRECT = "redirect"
    """3xx; never followed."""
    RESTING = "resting"
    """Nothing was asked: every key and target that the call may use rests after earlier failures."""


class UpstreamFailure(Exception):
    """An attempt that brought no answer. Carries nothing that the upstream wrote, nor anything secret."""

    def __init__(
        self,
        kind: FailureKind,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        detail: str = "",
        param: str | None = None,
    ) -> None:
        """retry_after: seconds that the upstream asked us to wait. detail: our own words, for the log. param: the
        name of the request's field that is at fault.
        """
        super().__init__(kind, status, detail)
        self.kind = kind
        self.status = status
        self.retry_after = retry_after
        self.detail = detail
        self.param = param

    def __str__(self) -> str:
        status = f" ({self.status})" if self.status else ""
        return f"{self.kind.value}{status}" + (f": {self.detail}" if self.detail else "")
