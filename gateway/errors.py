"""Every refusal that a caller can get, in one place and one shape.

    {"error": {"message", "type", "code", "param"}}

    401 invalid_api_key                unknown, malformed, revoked and expired keys alike
    403 model_not_allowed, denied_by_rule, scope_missing, https_required
    404 model_not_found, not_found, request_not_found     405 method_not_allowed     400 bad_request
    413 body_too_large    415 unsupported_media_type
    422 invalid_request                400 on /v1/* (what the SDKs expect)
        upstream_refused_request, context_length_exceeded, unsupported_parameter
    429 rate_limit_exceeded            with Retry-After
    502 upstream_invalid_response, upstream_refused_key, upstream_unknown_model
    503 policy_unavailable, database_unavailable, cache_unavailable, draining, upstream_unavailable,
        embedder_unavailable
    504 upstream_timeout, upstream_stalled

Refusals are values, not exceptions: every stage returns one, one place records it, one place renders it.
"""

from dataclasses import dataclass, replace

import orjson


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why a call gets no answer, in words that the caller may see."""

    status: int
    type: str
    code: str
    message: str
    param: str | None = None
    retry_after_s: int | None = None
    final: bool = False
    """True: asking again with the same request can't help (`x-should-retry: false`)."""

    def body(self) -> bytes:
        error = {"message": self.message, "type": self.type, "code": self.code, "param": self.param}
        return orjson.dumps({"error": error})


def as_seen_at(endpoint: str, refusal: Refusal) -> Refusal:
    """Return the refusal with the status that callers of that route expect: OpenAI's SDKs know no 422."""
    if refusal.status == 422 and endpoint.startswith("/v1/"):
        return replace(refusal, status=400)
    return refusal


INVALID_KEY = Refusal(
    status=401,
    type="authentication_error",
    code="invalid_api_key",
    message="The API key is missing, malformed, unknown, expired or revoked.",
    final=True,
)

POLICY_UNAVAILABLE = Refusal(
    status=503,
    type="server_error",
    code="policy_unavailable",
    message="The gateway can't check this key at the moment.",
    retry_after_s=2,
)

CACHE_UNAVAILABLE = Refusal(
    status=503,
    type="server_error",
    code="cache_unavailable",
    message="The cache can't be reached at the moment; what is in Postgres is purged already.",
    retry_after_s=2,
)

FEEDBACK_UNAVAILABLE = Refusal(
    status=503,
    type="server_error",
    code="cache_unavailable",
    message="The cache can't be reached at the moment; please give the feedback again.",
    retry_after_s=2,
)

UNKNOWN_REQUEST = Refusal(
    status=404,
    type="invalid_request_error",
    code="request_not_found",
    message="There is no such request, or it is more than a day old.",
    param="request_id",
    final=True,
)

UNRECORDED_REQUEST = Refusal(
    status=404,
    type="invalid_request_error",
    code="request_not_found",
    message="There is no such request; one of the last seconds may not be recorded yet.",
    param="request_id",
    retry_after_s=3,
)

EMBEDDER_UNAVAILABLE = Refusal(
    status=503,
    type="server_error",
    code="embedder_unavailable",
    message="The embedding model can't take these texts at the moment.",
    retry_after_s=2,
)

DATABASE_UNAVAILABLE = Refusal(
    status=503,
    type="server_error",
    code="database_unavailable",
    message="The database can't be reached at the moment.",
    retry_after_s=2,
)

DRAINING = Refusal(
    status=503,
    type="server_error",
    code="draining",
    message="This server is shutting down.",
    retry_after_s=1,
)

INTERNAL = Refusal(
    status=500,
    type="server_error",
    code="internal_error",
    message="The gateway failed; the failure is logged.",
)

BODY_TOO_LARGE = Refusal(
    status=413,
    type="invalid_request_error",
    code="body_too_large",
    message="The request body is larger than this gateway takes.",
    final=True,
)

HEADERS_TOO_LARGE = Refusal(
    status=431,
    type="invalid_request_error",
    code="headers_too_large",
    message="The request has too many or too large headers.",
    final=True,
)

UNSUPPORTED_MEDIA_TYPE = Refusal(
    status=415,
    type="invalid_request_error",
    code="unsupported_media_type",
    message="The request body must be uncompressed application/json.",
    final=True,
)

NOT_FOUND = Refusal(
    status=404, type="invalid_request_error", code="not_found", message="There is nothing here.", final=True
)


BAD_REQUEST = Refusal(
    status=400,
    type="invalid_request_error",
    code="bad_request",
    message="The request is malformed, or its Host is not served here.",
    final=True,
)

HTTPS_REQUIRED = Refusal(
    status=403,
    type="permission_error",
    code="https_required",
    message="Keys must not travel in the clear: use https.",
    final=True,
)

METHOD_NOT_ALLOWED = Refusal(
    status=405,
    type="invalid_request_error",
    code="method_not_allowed",
    message="This address does not take that method.",
    final=True,
)


def invalid_request(message: str, param: str | None) -> Refusal:
    return Refusal(
        status=422,
        type="invalid_request_error",
        code="invalid_request",
        message=message,
        param=param,
        final=True,
    )


def rate_limited(owner: str, limit: int, window_s: int, retry_after_s: int) -> Refusal:
    window = {60: "minute", 86_400: "day"}.get(window_s, f"{window_s} seconds")
    return Refusal(
        status=429,
        type="rate_limit_error",
        code="rate_limit_exceeded",
        message=f"The {owner} is limited to {limit} requests a {window}."
        if owner != "gateway"
        else "The gateway has reached its limit.",
        retry_after_s=retry_after_s,
    )


def scope_missing(scope: str) -> Refusal:
    return Refusal(
        status=403,
        type="permission_error",
        code="scope_missing",
        message=f"This key has no scope '{scope}'.",
        final=True,
    )


def model_not_found(model: str) -> Refusal:
    return Refusal(
        status=404,
        type="invalid_request_error",
        code="model_not_found",
        message=f"There is no model '{model}' here.",
        param="model",
        final=True,
    )


def model_not_allowed(model: str) -> Refusal:
    return Refusal(
        status=403,
        type="permission_error",
        code="model_not_allowed",
        message=f"This key may not use the model '{model}'.",
        param="model",
        final=True,
    )


def denied_by_rule(rule: str) -> Refusal:
    return Refusal(
        status=403,
        type="permission_error",
        code="denied_by_rule",
        message=f"The rule '{rule}' refuses this request.",
        final=True,
    )


def upstream_failed(kind: str, retry_after_s: int | None, param: str | None = None) -> Refusal:
    """Return what the caller sees of a failed upstream: never the provider's own words.

    kind: the value of failures.FailureKind of the last attempt. param: the field that is at fault, as we call it.
    """
    status, code, message = _UPSTREAM.get(kind, _UNAVAILABLE)
    return Refusal(
        status=status,
        type="server_error" if status >= 500 else "invalid_request_error",
        code=code,
        message=message,
        param=param,
        retry_after_s=retry_after_s if retry_after_s is not None else (5 if status == 503 else None),
        final=True,
    )


_UNAVAILABLE = (503, "upstream_unavailable", "No upstream could answer.")
_INVALID = (502, "upstream_invalid_response", "The upstream's answer made no sense.")
_UPSTREAM: dict[str, tuple[int, str, str]] = {
    "timeout": (504, "upstream_timeout", "The upstream took too long."),
    "refused_request": (422, "upstream_refused_request", "The upstream refused this request as invalid."),
    "context_length": (422, "context_length_exceeded", "The request has more tokens than the model takes."),
    "unsupported": (422, "unsupported_parameter", "No provider of this model can do what the request asks."),
    "refused_key": (502, "upstream_refused_key", "The upstream did not accept the gateway's credentials."),
    "unknown_model": (502, "upstream_unknown_model", "The upstream does not have this model."),
    "invalid_response": _INVALID,
    "too_large": _INVALID,
    "redirect": _INVALID,
    "truncated": _INVALID,
    "stalled": (504, "upstream_stalled", "The upstream fell silent in the midst of its answer."),
}
