"""What the errors of OpenAI and of its followers mean. Their words are read here and go no further. Pure."""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from gateway.failures import FailureKind
from gateway.providers.statuses import kind_of_status

#: A `code` or `type` that says more than a 4xx does.
_BY_NAME = {
    "insufficient_quota": FailureKind.OUT_OF_QUOTA,
    "billing_hard_limit_reached": FailureKind.OUT_OF_QUOTA,
    "billing_not_active": FailureKind.OUT_OF_QUOTA,
    "context_length_exceeded": FailureKind.CONTEXT_LENGTH,
    "exceed_context_size_error": FailureKind.CONTEXT_LENGTH,  # llama.cpp
    "model_not_found": FailureKind.UNKNOWN_MODEL,
    "model_decommissioned": FailureKind.UNKNOWN_MODEL,  # Groq
    "invalid_model": FailureKind.UNKNOWN_MODEL,  # Mistral
    "invalid_api_key": FailureKind.REFUSED_KEY,
}
#: Those that say no more than a status; they count where there is none: in a 200 or a stream.
_BY_NAME_ALONE = {
    "authentication_error": FailureKind.REFUSED_KEY,
    "permission_error": FailureKind.REFUSED_KEY,
    "rate_limit_exceeded": FailureKind.RATE_LIMITED,
    "rate_limit_error": FailureKind.RATE_LIMITED,
    "overloaded_error": FailureKind.OVERLOADED,
    "server_error": FailureKind.OVERLOADED,
    "internal_server_error": FailureKind.OVERLOADED,
    "internalservererror": FailureKind.OVERLOADED,  # vLLM
    "service_unavailable": FailureKind.OVERLOADED,
    "timeout": FailureKind.TIMEOUT,
    "invalid_request_error": FailureKind.REFUSED_REQUEST,
    "badrequesterror": FailureKind.REFUSED_REQUEST,  # vLLM
    "content_filter": FailureKind.REFUSED_REQUEST,
}
#: Many followers tell these two in words alone. A word too many costs no more than a fallback.
_TOO_LONG = re.compile(
    r"context (?:length|window|size)"
    # More than the whole limit of a minute (OpenAI, Groq): this call's fault, no other has to wait for it.
    r"|^request too large for",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(r"model not exist", re.IGNORECASE)
_IN_WORDS = frozenset({400, 413, 422, 429})


def kind_of_failure(status: int, raw: bytes) -> FailureKind:
    """Tell what a status other than 200 means; raw: the beginning of its body, whatever that is."""
    by_status = kind_of_status(status)
    if status // 100 != 4:
        return by_status
    error = _error_in(raw)
    if status == 403 and not error:
        # A firewall's page, in front of the API: it may be about this one question, and the key is not to suffer.
        return FailureKind.INVALID_RESPONSE
    if status == 403 and _is_moderation(error):
        return FailureKind.REFUSED_REQUEST
    in_words = _kind_in_words(error) if status in _IN_WORDS else None
    return _kind_of_names(error, _BY_NAME) or in_words or by_status


def kind_of_reported(answer: Mapping[str, Any]) -> FailureKind:
    """Tell what an error means that was reported in a 200 or a stream; INVALID_RESPONSE if there is no telling."""
    error = _error_of(answer)
    if _is_moderation(error):
        return FailureKind.REFUSED_REQUEST
    named = _kind_of_names(error, _BY_NAME) or _kind_in_words(error) or _kind_of_names(error, _BY_NAME_ALONE)
    if named:
        return named
    # OpenRouter's and vLLM's codes are HTTP's.
    code = _word(error, "code")
    return kind_of_status(int(code)) if re.fullmatch("[45][0-9]{2}", code) else FailureKind.INVALID_RESPONSE


def _error_in(raw: bytes) -> Mapping[str, Any]:
    """Return the error object of a body, empty if there is none to be read."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    # Google's compatible endpoint wraps its errors in a list.
    return _error_of(value[0] if isinstance(value, list) and value else value)


def _error_of(value: object) -> Mapping[str, Any]:
    """Return the object with `code`, `type` and `message`: inside `error`, or the whole (vLLM, Mistral)."""
    if not isinstance(value, dict):
        return {}
    error = value.get("error")
    return error if isinstance(error, dict) else {**value, "message": error or value.get("message")}


def _kind_of_names(error: Mapping[str, Any], kinds: Mapping[str, FailureKind]) -> FailureKind | None:
    names = (_word(error, key).lower() for key in ("code", "type"))
    return next((kinds[name] for name in names if name in kinds), None)


def _kind_in_words(error: Mapping[str, Any]) -> FailureKind | None:
    message = _word(error, "message")
    if _TOO_LONG.search(message):
        return FailureKind.CONTEXT_LENGTH
    return FailureKind.UNKNOWN_MODEL if _NO_MODEL.search(message) else None


def _is_moderation(error: Mapping[str, Any]) -> bool:
    """Whether a 403 is about the question and not about our key (OpenRouter); the key must not suffer for it."""
    metadata = error.get("metadata")
    return isinstance(metadata, dict) and "flagged_input" in metadata


def _word(error: Mapping[str, Any], key: str) -> str:
    value = error.get(key)
    return str(value) if isinstance(value, str | int) else ""
