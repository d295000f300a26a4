"""What an HTTP status says of a failure, whichever vendor sent it; each vendor's own words may say more. Pure."""

from gateway.failures import FailureKind

_BY_STATUS = {
    401: FailureKind.REFUSED_KEY,
    402: FailureKind.OUT_OF_QUOTA,
    403: FailureKind.REFUSED_KEY,
    404: FailureKind.UNKNOWN_MODEL,
    408: FailureKind.TIMEOUT,
    429: FailureKind.RATE_LIMITED,
}
_BY_CLASS = {3: FailureKind.REDIRECT, 4: FailureKind.REFUSED_REQUEST, 5: FailureKind.OVERLOADED}


def kind_of_status(status: int, *, timeouts: frozenset[int] = frozenset()) -> FailureKind:
    """timeouts: further statuses by which this vendor says that it took too long."""
    if status in timeouts:
        return FailureKind.TIMEOUT
    return _BY_STATUS.get(status) or _BY_CLASS.get(status // 100, FailureKind.INVALID_RESPONSE)
