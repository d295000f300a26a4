"""What a careless or hostile caller sends: a refusal in the one error shape, nothing stored, never a 500."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from tenants.key_format import make_key
from tenants.services import key_issue, key_revoke
from tests.gateway_house import House

QUESTION = {"prompt": "What is the capital of France?"}


def assert_refused(response: Any, status: int, code: str, param: str | None = None) -> None:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert (error["code"], error["param"]) == (code, param)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic abc",
        "Bearer hp_made_up",
        f"Bearer {make_key().plaintext}",
        "Bearer " + "x" * 5000,
        "Bearer hp_é",
    ],
)
async def test_whatever_is_no_key_gets_the_same_401(house: House, authorization: str | None) -> None:
    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    response = await house.client.post("/chat", json=QUESTION, headers=headers)
    assert_refused(response, 401, "invalid_api_key")
    assert "RateLimit" not in response.headers
    assert house.records == []


async def test_a_revoked_key_gets_the_body_of_an_unknown_one(house: House) -> None:
    issued = await sync_to_async(key_issue)(house.tenant, label="short-lived")
    await sync_to_async(key_revoke)(issued.row.public_id)
    revoked = await house.post(issued.plaintext, QUESTION)
    unknown = await house.post(make_key().plaintext, QUESTION)
    assert revoked.status_code == 401
    assert revoked.content == unknown.content


async def test_a_wrong_key_wins_over_a_wrong_body(house: House) -> None:
    assert_refused(await house.post(None, "not json"), 401, "invalid_api_key")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ("", None),
        ("not json", None),
        ("[]", None),
        ('"text"', None),
        ('{"prompt": NaN}', None),
        ('{"prompt": "a\\u0000b"}', None),
        ('{"prompt": "\\ud800"}', None),
        (b'{"prompt": "\xff\xfe"}', None),
        ("[" * 200_000, None),
        ('{"prompt": "a", "metadata": ' + "[" * 500 + "]" * 500 + "}", None),
        ("{}", None),
        ('{"prompt": ""}', "prompt"),
        ('{"prompt": 7}', "prompt"),
        ('{"prompt": "a", "temperature": "hot"}', "temperature"),
        ('{"prompt": "a", "temperature": 1e999}', None),
        ('{"prompt": "a", "max_tokens": 99999999999999999999999}', "max_tokens"),
        ('{"prompt": "a", "stream": "yes"}', "stream"),
        ('{"prompt": "a", "cache": {"mode": "forever"}}', "cache.mode"),
        ('{"prompt": "a", "base_url": "http://127.0.0.1/"}', "base_url"),
        ('{"messages": [{"role": "user", "content": ""}]}', "messages.0"),
        ('{"messages": [{"role": "king", "content": "a"}]}', "messages.0.role"),
    ],
)
async def test_a_wrong_body_is_a_422_that_names_the_field(
    house: House, body: str | bytes, param: str | None
) -> None:
    response = await house.post(house.alice, body)
    assert_refused(response, 422, "invalid_request", param)
    assert house.demo.calls() == 0


async def test_what_stood_in_a_wrong_field_is_not_repeated(house: House) -> None:
    response = await house.post(house.alice, {"prompt": "a", "cache": {"mode": "canary-7f3a"}})
    assert "canary" not in response.text


async def test_another_media_type_is_a_415(house: House) -> None:
    response = await house.post(
        house.alice, "prompt=a", **{"content-type": "application/x-www-form-urlencoded"}
    )
    assert_refused(response, 415, "unsupported_media_type")


async def test_a_compressed_body_is_a_415(house: House) -> None:
    response = await house.post(house.alice, "{}", **{"content-encoding": "gzip"})
    assert_refused(response, 415, "unsupported_media_type")


async def test_an_oversize_body_is_a_413(house: House) -> None:
    response = await house.post(house.alice, b'{"prompt": "' + b"a" * 5_000_000 + b'"}')
    assert_refused(response, 413, "body_too_large")


async def test_an_oversize_body_that_lies_about_its_length_is_a_413(house: House) -> None:
    async def pieces() -> Any:
        for _ in range(80):
            yield b"a" * 65_536

    response = await house.client.post(
        "/chat", content=pieces(), headers={"authorization": f"Bearer {house.alice}"}
    )
    assert_refused(response, 413, "body_too_large")


async def test_too_many_headers_are_a_431(house: House) -> None:
    response = await house.post(house.alice, QUESTION, **{f"x-{number}": "a" for number in range(200)})
    assert_refused(response, 431, "headers_too_large")


async def test_a_prompt_of_a_megabyte_is_answered_without_the_semantic_cache(house: House) -> None:
    answer = await house.ask(house.alice, "word " * 200_000, user="ann")
    assert (answer["cache"]["status"], answer["cache"]["reason"]) == ("miss", "too_long")


@pytest.mark.parametrize("path", ["/chatt", "/chat/", "/v1/nothing"])
async def test_an_unknown_address_is_a_404(house: House, path: str) -> None:
    assert_refused(await house.client.post(path, json=QUESTION), 404, "not_found")


async def test_a_browser_gets_a_page_for_an_unknown_address(house: House) -> None:
    response = await house.client.get("/nothing-here", headers={"accept": "text/html"})
    assert response.status_code == 404
    assert "Not found" in response.text


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
async def test_another_method_is_a_405(house: House, method: str) -> None:
    response = await house.client.request(method, "/chat")
    assert_refused(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "POST"


async def test_a_page_at_a_host_that_is_not_ours_is_a_400(house: House) -> None:
    assert_refused(await house.client.get("/", headers={"host": "evil.example"}), 400, "bad_request")


async def test_a_field_of_the_callers_own_naming_is_still_named(house: House) -> None:
    response = await house.post(house.alice, {"prompt": "a", "question": "b"})
    assert_refused(response, 422, "invalid_request", "question")


async def test_the_callers_request_id_is_only_taken_if_it_is_plain(house: House) -> None:
    await house.post(house.alice, QUESTION, **{"x-request-id": "mine-1"})
    await house.post(house.alice, QUESTION, **{"x-request-id": 'x"}{inject'})
    assert [record.client_request_id for record in house.records] == ["mine-1", ""]


async def test_a_key_without_the_scope_is_refused(house: House) -> None:
    issued = await sync_to_async(key_issue)(house.tenant, label="reader", scopes=["stats"])
    response = await house.post(issued.plaintext, QUESTION)
    assert_refused(response, 403, "scope_missing")


async def test_the_request_limit_is_exact_and_says_when_to_come_back(house: House) -> None:
    issued = await sync_to_async(key_issue)(house.tenant, label="slow", requests_per_day=3)
    responses = [await house.post(issued.plaintext, QUESTION) for _ in range(5)]
    assert [response.status_code for response in responses] == [200, 200, 200, 429, 429]
    assert_refused(responses[-1], 429, "rate_limit_exceeded")
    assert int(responses[-1].headers["Retry-After"]) > 0
    assert responses[2].headers["x-ratelimit-remaining-requests"] == "0"
    assert [record.status for record in house.records] == [200, 200, 200, 429, 429]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("fault:badjson", 502, "upstream_invalid_response"),
        ("fault:html", 502, "upstream_invalid_response"),
        ("fault:error200", 502, "upstream_invalid_response"),
        ("fault:empty", 502, "upstream_invalid_response"),
        ("fault:echo-key", 502, "upstream_refused_key"),
        ("fault:400", 422, "upstream_refused_request"),
    ],
)
async def test_a_bad_upstream_answer_is_refused_and_never_kept(
    house: House, fault: str, status: int, code: str
) -> None:
    body = {"prompt": f"Say something [[{fault}]]"}
    for _ in range(2):
        response = await house.post(house.alice, body)
        assert_refused(response, status, code)
        assert "sk-" not in response.text
    assert house.demo.calls() >= 2
    assert all(record.attempts for record in house.records)


async def test_a_passing_upstream_fault_is_not_noticed(house: House) -> None:
    response = await house.post(house.alice, {"prompt": "Say something [[fault:500:1]]"})
    assert response.status_code == 200
    assert [attempt["reason"] for attempt in house.records[0].attempts] == ["overloaded", "ok"]
