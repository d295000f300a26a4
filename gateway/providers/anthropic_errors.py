"""What Anthropic's errors mean, by what they say and by status. (https://platform.claude.com/docs/en/api/errors)"""

from collections.abc import Mapping
from typing import Any

import orjson

from gateway.failures import FailureKind
from gateway.providers.statuses import kind_of_status

#: `error.details.error_code`: the finest word, where there is one.
_BY_CODE = {
    "enforced_spend_limit_reached": FailureKind.OUT_OF_QUOTA,
    "contract_spend_limit_reached": FailureKind.OUT_OF_QUOTA,
    "linked_organization_spend_limit_reached": FailureKind.OUT_OF_QUOTA,
    "linked_organization_billing_unavailable": FailureKind.OUT_OF_QUOTA,
    "organization_on_hold": FailureKind.REFUSED_KEY,
}
_BY_TYPE = {
    "authentication_error": FailureKind.REFUSED_KEY,
    "permission_error": FailureKind.REFUSED_KEY,
    "billing_error": FailureKind.OUT_OF_QUOTA,
    "not_found_error": FailureKind.UNKNOWN_MODEL,
    "rate_limit_error": FailureKind.RATE_LIMITED,
    "timeout_error": FailureKind.TIMEOUT,
    "api_error": FailureKind.OVERLOADED,
    "overloaded_error": FailureKind.OVERLOADED,
    # Bytes, not tokens: the limit is the API's, the same for each of its models.
    "request_too_large": FailureKind.REFUSED_REQUEST,
}
#: What an invalid_request_error covers besides faulty requests is told apart by its message alone. The wording may
#: change without notice; then these are refused requests, as all others that we don't know.
_BY_WORDING = (
    ("prompt is too long", FailureKind.CONTEXT_LENGTH),
    ("exceed context limit", FailureKind.CONTEXT_LENGTH),
    # Each of its models refuses other fields: the late ones temperature and forced tools, the early ones effort.
    ("deprecated for this model", FailureKind.UNSUPPORTED),
    ("not supported", FailureKind.UNSUPPORTED),
    ("does not support", FailureKind.UNSUPPORTED),
    ("forces tool use", FailureKind.UNSUPPORTED),
)
#: Those that take the key out of use, by how they begin. What callers wrote is repeated only within quotes or as
#: the name of a field with a colon behind it: no caller may say such words for the vendor.
_BY_BEGINNING = (
    ("your credit balance is too low", FailureKind.OUT_OF_QUOTA),
    ("you have reached your specified api usage limits", FailureKind.OUT_OF_QUOTA),
    ("this organization has been disabled", FailureKind.REFUSED_KEY),
)
_BEHIND_A_NAME = ": "
_TIMEOUTS = frozenset({504})


def kind_of_failure(status: int, raw: bytes) -> FailureKind:
    """Tell what a status other than 200 means; raw: the beginning of its body, whatever that is."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    if status == 403 and not isinstance(error, dict):
        # A firewall's page, in front of the API: it may be about this one question, and the key is not to suffer.
        return FailureKind.INVALID_RESPONSE
    return _kind_by_words(error) or _kind_by_status(status)


def kind_of_error(error: object) -> FailureKind:
    """Tell what an error object inside a stream, or inside an answer of status 200, means."""
    if isinstance(error, dict) and error.get("type") == "invalid_request_error":
        return _kind_by_words(error) or FailureKind.REFUSED_REQUEST
    return _kind_by_words(error) or FailureKind.OVERLOADED


def _kind_by_words(error: object) -> FailureKind | None:
    if not isinstance(error, dict):
        return None
    kind = _BY_CODE.get(_code(error)) or _BY_TYPE.get(_text(error, "type"))
    return kind or _kind_by_wording(_text(error, "message").lower())


def _code(error: Mapping[str, Any]) -> str:
    details = error.get("details")
    return _text(details, "error_code") if isinstance(details, dict) else ""


def _text(error: Mapping[str, Any], name: str) -> str:
    value = error.get(name)
    return value if isinstance(value, str) else ""


def _kind_by_wording(message: str) -> FailureKind | None:
    if _BEHIND_A_NAME not in message:
        for beginning, kind in _BY_BEGINNING:
            if message.startswith(beginning):
                return kind
    return next((kind for mark, kind in _BY_WORDING if mark in message), None)


def _kind_by_status(status: int) -> FailureKind:
    return kind_of_status(status, timeouts=_TIMEOUTS)
