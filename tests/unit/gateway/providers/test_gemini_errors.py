"""Errors of the Gemini API, by status and body.

Formats: ai.google.dev/gemini-api/docs/generate-content/api-errors, google/rpc/error_details.proto; quota ids as in
github.com/googleapis/python-genai/issues/2044, the token limit as in google-gemini/gemini-cli/issues/4231.
"""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.failures import FailureKind
from gateway.providers.gemini import Gemini, retry_delay
from tests.vendors.gemini_server import error, quota

TOO_LONG = "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576)."
NO_CREDIT = "Your prepayment credits are depleted. Please go to AI Studio to manage your project and billing."
NO_REGION = "User location is not supported for the API use."


def reason(name: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": name, "domain": "googleapis.com"}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, error(400, "INVALID_ARGUMENT", "Unknown name", reason("X")), FailureKind.REFUSED_REQUEST),
        (400, error(400, "INVALID_ARGUMENT", "", reason("API_KEY_INVALID")), FailureKind.REFUSED_KEY),
        (400, error(400, "INVALID_ARGUMENT", "", reason("API_KEY_EXPIRED")), FailureKind.REFUSED_KEY),
        (400, error(400, "INVALID_ARGUMENT", TOO_LONG), FailureKind.CONTEXT_LENGTH),
        (400, error(400, "FAILED_PRECONDITION", NO_REGION), FailureKind.REFUSED_KEY),
        # The request's own fault must not take a key out of use.
        (400, error(400, "FAILED_PRECONDITION", "The file is not ACTIVE."), FailureKind.REFUSED_REQUEST),
        (
            400,
            error(400, "INVALID_ARGUMENT", "A text on enabling: enable billing"),
            FailureKind.REFUSED_REQUEST,
        ),
        (401, error(401, "UNAUTHENTICATED", ""), FailureKind.REFUSED_KEY),
        (402, error(402, "RESOURCE_EXHAUSTED", NO_CREDIT), FailureKind.OUT_OF_QUOTA),
        (403, error(403, "PERMISSION_DENIED", ""), FailureKind.REFUSED_KEY),
        (403, error(403, "PERMISSION_DENIED", "", reason("BILLING_DISABLED")), FailureKind.OUT_OF_QUOTA),
        (404, error(404, "NOT_FOUND", "models/x is not found"), FailureKind.UNKNOWN_MODEL),
        (413, {}, FailureKind.REFUSED_REQUEST),
        (429, error(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted"), FailureKind.RATE_LIMITED),
        (429, quota("GenerateRequestsPerMinutePerProjectPerModel", "17s"), FailureKind.RATE_LIMITED),
        (429, quota("GenerateRequestsPerDayPerProjectPerModel", "17s"), FailureKind.OUT_OF_QUOTA),
        (429, error(429, "RESOURCE_EXHAUSTED", NO_CREDIT), FailureKind.OUT_OF_QUOTA),
        (499, error(499, "CANCELLED", ""), FailureKind.TIMEOUT),
        (500, error(500, "INTERNAL", ""), FailureKind.OVERLOADED),
        (503, error(503, "UNAVAILABLE", "The model is overloaded."), FailureKind.OVERLOADED),
        (504, error(504, "DEADLINE_EXCEEDED", ""), FailureKind.TIMEOUT),
        (302, {}, FailureKind.REDIRECT),
        (204, {}, FailureKind.INVALID_RESPONSE),
    ],
)
def test_a_failure_is_told_by_status_and_details(status: int, body: object, kind: FailureKind) -> None:
    assert Gemini().failure_kind(status, orjson.dumps(body)) == kind
    assert Gemini().failure_kind(status, orjson.dumps([body])) == kind


@pytest.mark.parametrize("raw", [b"", b"<html>blocked</html>", b"[]", b'{"error": 1}'])
def test_a_firewall_that_refuses_a_question_says_nothing_of_the_key(raw: bytes) -> None:
    assert Gemini().failure_kind(403, raw) is FailureKind.INVALID_RESPONSE


def test_a_quota_that_was_never_given_is_not_waited_for() -> None:
    body = quota("GenerateContentInputTokensPerModelPerMinute-FreeTier", "59s")
    body["error"]["details"][1]["violations"][0]["quotaValue"] = "0"
    assert Gemini().failure_kind(429, orjson.dumps(body)) == FailureKind.OUT_OF_QUOTA


@pytest.mark.parametrize(
    "raw", [b"", b"<html>", b"[]", b"[1]", b'{"error": 1}', b'{"error": {"details": 1}}']
)
def test_without_a_readable_body_the_status_decides(raw: bytes) -> None:
    assert Gemini().failure_kind(429, raw) == FailureKind.RATE_LIMITED
    assert retry_delay(raw) is None


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [("17s", 17.0), ("0.847655010s", 0.847655010), ("0s", 0.0), ("-3s", None), ("17", None), ("soon", None)],
)
def test_the_wait_that_is_asked_for_is_read_from_the_details(delay: str, seconds: float | None) -> None:
    assert retry_delay(orjson.dumps(quota("PerMinute", delay))) == seconds


def test_an_error_without_a_wait_asks_for_none() -> None:
    assert retry_delay(orjson.dumps(error(503, "UNAVAILABLE", "overloaded"))) is None


@given(st.integers(100, 999), st.binary(max_size=40))
def test_every_failure_is_of_some_kind(status: int, raw: bytes) -> None:
    assert Gemini().failure_kind(status, raw) in FailureKind
