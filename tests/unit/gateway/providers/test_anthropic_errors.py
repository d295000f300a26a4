"""What Anthropic's errors mean. Format and types: https://platform.claude.com/docs/en/api/errors"""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.failures import FailureKind
from gateway.providers.anthropic_errors import kind_of_error, kind_of_failure


def error(kind: str, message: str = "Something.", **more: object) -> dict[str, object]:
    return {"type": kind, "message": message, **more}


def body(kind: str, message: str = "Something.", **more: object) -> bytes:
    return orjson.dumps(
        {"type": "error", "error": error(kind, message, **more), "request_id": "req_011CSHoEeqs5"}
    )


@pytest.mark.parametrize(
    ("status", "kind", "means"),
    [
        (400, "invalid_request_error", FailureKind.REFUSED_REQUEST),
        (401, "authentication_error", FailureKind.REFUSED_KEY),
        (402, "billing_error", FailureKind.OUT_OF_QUOTA),
        (403, "permission_error", FailureKind.REFUSED_KEY),
        (404, "not_found_error", FailureKind.UNKNOWN_MODEL),
        (409, "conflict_error", FailureKind.REFUSED_REQUEST),
        (413, "request_too_large", FailureKind.REFUSED_REQUEST),
        (429, "rate_limit_error", FailureKind.RATE_LIMITED),
        (500, "api_error", FailureKind.OVERLOADED),
        (504, "timeout_error", FailureKind.TIMEOUT),
        (529, "overloaded_error", FailureKind.OVERLOADED),
        (408, "invalid_request_error", FailureKind.TIMEOUT),
        (418, "a_later_type", FailureKind.REFUSED_REQUEST),
        (403, "billing_error", FailureKind.OUT_OF_QUOTA),
    ],
)
def test_type_and_status_tell_what_a_failure_means(status: int, kind: str, means: FailureKind) -> None:
    assert kind_of_failure(status, body(kind)) is means


# Messages as reported in public issues of clients of the API; their wording is not documented.
@pytest.mark.parametrize(
    ("message", "means"),
    [
        ("Your credit balance is too low to access the Anthropic API.", FailureKind.OUT_OF_QUOTA),
        ("You have reached your specified API usage limits.", FailureKind.OUT_OF_QUOTA),
        ("This organization has been disabled.", FailureKind.REFUSED_KEY),
        ("prompt is too long: 210044 tokens > 200000 maximum", FailureKind.CONTEXT_LENGTH),
        (
            "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000",
            FailureKind.CONTEXT_LENGTH,
        ),
        ("`temperature` is deprecated for this model.", FailureKind.UNSUPPORTED),
        ("adaptive thinking is not supported on this model", FailureKind.UNSUPPORTED),
        ("This model does not support the effort parameter.", FailureKind.UNSUPPORTED),
        ("Thinking may not be enabled when tool_choice forces tool use.", FailureKind.UNSUPPORTED),
        ("messages.0.content: Field required", FailureKind.REFUSED_REQUEST),
    ],
)
def test_an_invalid_request_is_told_apart_by_its_message(message: str, means: FailureKind) -> None:
    assert kind_of_failure(400, body("invalid_request_error", message)) is means
    assert kind_of_error(error("invalid_request_error", message)) is means


# The vendor repeats names of fields, of tools and of types as they were given.
@pytest.mark.parametrize(
    "words",
    [
        "This organization has been disabled.",
        "Your credit balance is too low to access the Anthropic API.",
        "You have reached your specified API usage limits.",
    ],
)
@pytest.mark.parametrize(
    "message",
    [
        "{}: Extra inputs are not permitted",
        "thinking: Input tag '{}' found using 'type' does not match any of the expected tags: 'disabled'",
        "Tool '{}' not found in provided tools",
    ],
)
def test_no_caller_can_have_a_key_taken_out_by_words_that_the_vendor_repeats(
    message: str, words: str
) -> None:
    refused = body("invalid_request_error", message.format(words))
    assert kind_of_failure(400, refused) is FailureKind.REFUSED_REQUEST


@pytest.mark.parametrize(
    ("status", "kind", "code", "means"),
    [
        (429, "rate_limit_error", "enforced_spend_limit_reached", FailureKind.OUT_OF_QUOTA),
        (429, "rate_limit_error", "contract_spend_limit_reached", FailureKind.OUT_OF_QUOTA),
        (429, "rate_limit_error", "ramp_limit_exceeded", FailureKind.RATE_LIMITED),
        (400, "invalid_request_error", "organization_on_hold", FailureKind.REFUSED_KEY),
    ],
)
def test_an_error_code_says_more_than_the_type(status: int, kind: str, code: str, means: FailureKind) -> None:
    assert kind_of_failure(status, body(kind, details={"error_code": code})) is means


@pytest.mark.parametrize(
    ("status", "means"),
    [
        (301, FailureKind.REDIRECT),
        (401, FailureKind.REFUSED_KEY),
        (404, FailureKind.UNKNOWN_MODEL),
        (422, FailureKind.REFUSED_REQUEST),
        (429, FailureKind.RATE_LIMITED),
        (502, FailureKind.OVERLOADED),
        (504, FailureKind.TIMEOUT),
        (529, FailureKind.OVERLOADED),
        (204, FailureKind.INVALID_RESPONSE),
    ],
)
@pytest.mark.parametrize(
    "raw", [b"", b"<html>", b'{"error"', b'{"error": "text"}', b"[]", b'{"error": {"type": 1}}']
)
def test_the_status_speaks_where_the_body_says_nothing(status: int, means: FailureKind, raw: bytes) -> None:
    assert kind_of_failure(status, raw) is means


@pytest.mark.parametrize("raw", [b"", b"<html>blocked</html>", b"[]", b'{"error": 1}'])
def test_a_firewall_that_refuses_a_question_says_nothing_of_the_key(raw: bytes) -> None:
    assert kind_of_failure(403, raw) is FailureKind.INVALID_RESPONSE


@pytest.mark.parametrize(
    ("reported", "means"),
    [
        (error("overloaded_error"), FailureKind.OVERLOADED),
        (error("rate_limit_error"), FailureKind.RATE_LIMITED),
        (error("authentication_error"), FailureKind.REFUSED_KEY),
        (error("permission_error"), FailureKind.REFUSED_KEY),
        (error("billing_error"), FailureKind.OUT_OF_QUOTA),
        (error("timeout_error"), FailureKind.TIMEOUT),
        (error("api_error"), FailureKind.OVERLOADED),
        (error("invalid_request_error"), FailureKind.REFUSED_REQUEST),
        (error("a_later_type"), FailureKind.OVERLOADED),
        ("no object", FailureKind.OVERLOADED),
        (None, FailureKind.OVERLOADED),
    ],
)
def test_an_error_without_a_status_has_a_kind(reported: object, means: FailureKind) -> None:
    assert kind_of_error(reported) is means


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "type", "message", "details", "error_code"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@given(status=st.integers(300, 599), value=JSON)
def test_any_body_has_a_meaning(status: int, value: object) -> None:
    assert isinstance(kind_of_failure(status, orjson.dumps(value)), FailureKind)
