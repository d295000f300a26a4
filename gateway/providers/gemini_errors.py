"""What Gemini's errors mean. Pure; their words are looked at here and go no further.

Sources: ai.google.dev/gemini-api/docs/generate-content/api-errors, google/rpc/error_details.proto,
google/api/error_reason.proto; quota ids as Google's own issue trackers show them.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from gateway.failures import FailureKind
from gateway.providers.statuses import kind_of_status

_STATUS_OF_NAME = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_TIMEOUTS = frozenset({499, 504})

_TOO_MANY_TOKENS = re.compile(r"token count\b.*\bexceeds the maximum number of tokens", re.IGNORECASE)
_NO_CREDIT = re.compile(r"credits? (?:are|is) depleted|spend(?:ing)? cap", re.IGNORECASE)
#: A failed precondition may also be the request's fault, and no caller may take a key out of use.
_PROJECT_AT_FAULT = re.compile(r"location is not supported|free tier|enable billing", re.IGNORECASE)
_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


def failure_kind(status: int, raw: bytes) -> FailureKind:
    """Tell what a status other than 200 means; raw: the beginning of its body, whatever that is."""
    error = _error(raw)
    if status == 403 and not error:
        # A firewall's page, in front of the API: it may be about this one question, and the key is not to suffer.
        return FailureKind.INVALID_RESPONSE
    return _kind(status, error)


def kind_of_reported(error: object) -> FailureKind:
    """Tell what an error object inside an answer of status 200, or inside a stream, means."""
    error = error if isinstance(error, dict) else {}
    code = error.get("code")
    if type(code) is not int or not 400 <= code < 600:
        code = _STATUS_OF_NAME.get(str(error.get("status")), 500)
    return _kind(code, error)


def retry_delay(raw: bytes) -> float | None:
    """Return the seconds that an error's body asks us to wait; None if it doesn't say.

    Gemini sends no Retry-After; it says google.rpc.RetryInfo among the error's details.
    """
    for detail in _details(_error(raw)):
        delay = _DELAY.fullmatch(str(detail.get("retryDelay")))
        if delay and math.isfinite(seconds := float(delay[1])):
            return seconds
    return None


def _kind(status: int, error: Mapping[str, Any]) -> FailureKind:
    message = str(error.get("message"))
    reasons = {str(detail.get("reason")) for detail in _details(error)}
    if "BILLING_DISABLED" in reasons:
        return FailureKind.OUT_OF_QUOTA
    if status == 400:
        return _kind_of_bad_request(error, message, reasons)
    if status == 429 and (_NO_CREDIT.search(message) or any(map(_lasts, _violations(error)))):
        return FailureKind.OUT_OF_QUOTA
    return kind_of_status(status, timeouts=_TIMEOUTS)


def _kind_of_bad_request(error: Mapping[str, Any], message: str, reasons: set[str]) -> FailureKind:
    """An unusable key is a bad request, too, for Google."""
    if any(reason.startswith("API_KEY_") for reason in reasons):
        return FailureKind.REFUSED_KEY
    if error.get("status") == "FAILED_PRECONDITION" and _PROJECT_AT_FAULT.search(message):
        return FailureKind.REFUSED_KEY
    if _TOO_MANY_TOKENS.search(message):
        return FailureKind.CONTEXT_LENGTH
    return FailureKind.REFUSED_REQUEST


def _lasts(violation: Mapping[str, Any]) -> bool:
    """Whether a quota is spent for the day, or was never given: waiting a minute changes nothing."""
    return "PerDay" in str(violation.get("quotaId")) or str(violation.get("quotaValue")) == "0"


def _violations(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for detail in _details(error):
        yield from _objects(detail.get("violations"))


def _details(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return _objects(error.get("details"))


def _objects(value: object) -> Iterator[Mapping[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _error(raw: bytes) -> Mapping[str, Any]:
    """Return the error object of a body; some front ends put it into a list. Empty for anything else."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}
