"""The short way answers as the full stack does, without its threads."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from asgiref import sync
from asgiref.sync import sync_to_async
from django.core import signals
from django.core.handlers.asgi import ASGIHandler
from django.db.backends.base.base import BaseDatabaseWrapper
from pytest_django import Settings

from gateway.api import api
from gateway.lean import DATA_PLANE, DataPlaneFirst, LeanHandler, is_data_plane
from tenants.models import User
from tests.asgi_calls import Request, send
from tests.gateway_house import House, bearer
from tests.records import until

CAPITAL = {"prompt": "What is the capital of France?"}
#: What differs from call to call.
PASSING = {"id", "timings_ms", "cache"}


def test_every_route_of_the_api_goes_the_short_way() -> None:
    assert all(is_data_plane(str(path)) for path in api.get_openapi_schema()["paths"])


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("alice", '{"prompt": "What is the capital of France?"}'),
        ("alice", '{"prompt": ""}'),
        ("alice", "not json"),
        ("alice", '{"prompt": "Hi", "model": "gpt-nothing"}'),
        ("alice", '{"prompt": "Hi [[fault:badjson]]"}'),
        ("nobody", '{"prompt": "Hi"}'),
    ],
)
async def test_both_ways_answer_alike(house: House, key: str, body: str) -> None:
    headers = bearer(getattr(house, key, "hp_nobody"))
    await house.client.post("/chat", content=body, headers=headers)
    await house.parts.storer.drain()
    short = await house.client.post("/chat", content=body, headers=headers)
    async with httpx.AsyncClient(transport=full_stack(), base_url="http://localhost") as client:
        full = await client.post("/chat", content=body, headers=headers)
    assert short.status_code == full.status_code
    assert stable(short.json()) == stable(full.json())
    assert set(short.headers) <= set(full.headers)


def full_stack() -> httpx.ASGITransport:
    from config.asgi import django_application  # noqa: PLC0415 (Django is set up by then)

    return httpx.ASGITransport(app=django_application)  # type: ignore[arg-type]


def stable(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in PASSING}


async def test_a_hit_hops_to_no_thread(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.ask(house.alice, **CAPITAL)
    hops: list[object] = []
    hop = sync.SyncToAsync.__call__

    async def counted(self: Any, *args: Any, **options: Any) -> Any:
        hops.append(self)
        return await hop(self, *args, **options)

    monkeypatch.setattr(sync.SyncToAsync, "__call__", counted)
    assert (await house.post(house.alice, CAPITAL)).json()["cache"]["status"] == "hit_exact"
    assert (await house.post(None, CAPITAL)).status_code == 401
    assert hops == []


async def test_a_caller_who_hangs_up_is_recorded_and_costs_no_answer(house: House) -> None:
    question = {"prompt": "Please take your time [[fault:hang]]"}
    asking = asyncio.create_task(house.post(house.alice, question))
    await until(lambda: house.demo.calls() == 1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert [record.status for record in house.records] == [499]


async def test_without_tls_production_refuses_keys_but_answers_probes(
    house: House, settings: Settings
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    response = await house.post(house.alice, CAPITAL)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "https_required")
    assert (await house.client.get("/livez")).status_code == 200


# What Django guarantees is kept where it matters.

PAGES = [
    "/",
    "/login/",
    "/admin/",
    "/admin/login/",
    "/docs",
    "/openapi.json",
    "/chat/",
    "//chat",
    "/CHAT",
    "/livez/",
]


@pytest.mark.parametrize("path", PAGES)
async def test_whatever_is_no_route_of_the_data_plane_goes_through_the_full_stack(
    house: House, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def call(*_: object) -> None:
        raise AssertionError("the short way was taken")

    monkeypatch.setattr(LeanHandler, "__call__", call)
    assert (await house.client.get(path)).status_code in {200, 302, 404}
    with pytest.raises(AssertionError, match="the short way"):
        await house.client.get("/chat")


@pytest.mark.parametrize("path", ["/admin/login/", "/login/"])
async def test_pages_keep_their_security_headers(house: House, path: str) -> None:
    page = await house.client.get(path)
    assert page.status_code == 200
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "same-origin"
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/admin/login/", "/login/"])
async def test_forms_are_refused_without_their_token(house: House, path: str) -> None:
    page = await house.client.post(path, data={"username": "ann@example.com", "password": "x"})
    assert page.status_code == 403
    assert "CSRF" in page.text


@pytest.mark.parametrize("path", ["/", "/admin/", "/admin/login/", "/docs", "/openapi.json"])
async def test_pages_are_refused_at_a_host_that_is_not_ours(house: House, path: str) -> None:
    assert (await house.client.get(path, headers={"host": "evil.example"})).status_code == 400


@pytest.fixture
async def signed_in(house: House) -> House:
    """Have staff sign in by the form, as a browser does."""
    await sync_to_async(User.objects.create_superuser)("ops@example.com", "long-enough-1")
    form = await house.client.get("/admin/login/")
    token = {"csrfmiddlewaretoken": form.cookies["csrftoken"]}
    page = await house.client.post(
        "/admin/login/", data={"username": "ops@example.com", "password": "long-enough-1", **token}
    )
    assert page.status_code == 302, page.text
    session = next(line for line in page.headers.get_list("set-cookie") if line.startswith("sessionid="))
    assert {"HttpOnly", "SameSite=Lax"} <= set(session.split("; "))
    return house


async def test_the_admin_knows_who_signed_in(signed_in: House) -> None:
    assert (await signed_in.client.get("/admin/")).status_code == 200
    signed_in.client.cookies.clear()
    assert (await signed_in.client.get("/admin/")).status_code == 302


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/chat"), ("GET", "/stats"), ("DELETE", "/cache"), ("POST", "/cache/feedback")],
)
async def test_a_session_is_no_key_so_other_sites_cannot_use_it(
    signed_in: House, method: str, path: str
) -> None:
    body = CAPITAL if method == "POST" else {"all": True, "dry_run": False}
    origin = {"origin": "https://evil.example"}
    response = await signed_in.client.request(method, path, json=body, headers=origin)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
    assert "set-cookie" not in response.headers
    assert not any(name.startswith("access-control-") for name in response.headers)


@pytest.mark.parametrize("path", sorted(DATA_PLANE))
@pytest.mark.parametrize("key", ["alice", "nobody"])
async def test_every_answer_of_the_data_plane_forbids_sniffing_and_sets_no_cookie(
    house: House, path: str, key: str
) -> None:
    for method in ("GET", "POST", "DELETE"):
        headers = bearer(getattr(house, key, "hp_nobody"))
        response = await house.client.request(method, path, headers=headers, content="{}")
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in response.headers


async def test_the_host_is_neither_believed_nor_repeated_by_the_data_plane(house: House) -> None:
    response = await house.client.post(
        "/chat", json=CAPITAL, headers={**bearer(house.alice), "host": "evil.example"}
    )
    assert response.status_code == 200
    assert "evil.example" not in response.text + str(response.headers)


async def test_over_tls_every_answer_says_to_stay_there(house: House, settings: Settings) -> None:
    settings.SECURE_HSTS_SECONDS = 1000
    transport, base = house.client._transport, "https://localhost"
    async with httpx.AsyncClient(transport=transport, base_url=base) as client:
        for key in (house.alice, house.alice, None):
            response = await client.post("/chat", json=CAPITAL, headers=bearer(key))
            assert response.headers["strict-transport-security"].startswith("max-age=1000")
    assert "strict-transport-security" not in (await house.post(house.alice, CAPITAL)).headers


async def test_without_tls_pages_are_sent_to_it(house: House, settings: Settings) -> None:
    # The full stack reads its settings when it is made.
    settings.SECURE_SSL_REDIRECT = True
    production = DataPlaneFirst(ASGIHandler())
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=production),  # type: ignore[arg-type]
        base_url="http://localhost",
    ) as client:
        for path in ("/", "/admin/", "/login/"):
            page = await client.get(path)
            assert (page.status_code, page.headers["location"]) == (301, f"https://localhost{path}")
        assert (await client.post("/chat", json=CAPITAL, headers=bearer(house.alice))).status_code == 403


async def test_questions_need_no_orm(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.ask(house.alice, **CAPITAL)

    def cursor(*_: object, **__: object) -> None:
        raise AssertionError("the ORM was used")

    with monkeypatch.context() as patched:
        patched.setattr(BaseDatabaseWrapper, "cursor", cursor)
        assert await house.status(house.alice, **CAPITAL) == "hit_exact"
        assert await house.status(house.alice, "The capital of France is what?") == "hit_semantic"
        assert await house.status(house.alice, "Why is the sky blue?") == "miss"


async def test_pages_give_their_database_connections_back_and_questions_have_none(house: House) -> None:
    """Django closes connections by these signals; the data plane, which has none, sends none."""
    sent: list[object] = []

    def note(**fields: object) -> None:
        sent.append(fields["signal"])

    signals.request_started.connect(note)
    signals.request_finished.connect(note)
    try:
        await house.ask(house.alice, **CAPITAL)
        assert sent == []
        await house.client.get("/admin/login/")
        assert sent == [signals.request_started, signals.request_finished]
    finally:
        signals.request_started.disconnect(note)
        signals.request_finished.disconnect(note)


async def test_a_fault_of_ours_is_a_plain_500_that_tells_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("canary-91c2 of the inside")

    monkeypatch.setattr("gateway.pipeline.plan_call", fail)
    monkeypatch.setattr("gateway.edge.plan_call", fail)
    response = await house.post(house.alice, CAPITAL)
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal_error")
    assert "canary" not in response.text
    assert [record.status for record in house.records] == [500]


async def test_a_query_that_is_no_text_gets_the_error_object(house: House) -> None:
    handler = LeanHandler()
    handler.load_middleware()
    answered = await send(handler, Request(query=b"\xff"))
    assert answered is not None
    assert (answered.status, json.loads(answered.body)["error"]["code"]) == (400, "bad_request")
    assert (b"x-content-type-options", b"nosniff") in answered.fields


async def test_a_refusal_in_our_shape_keeps_the_security_headers_of_its_page(house: House) -> None:
    async with httpx.AsyncClient(transport=full_stack(), base_url="http://localhost") as client:
        answered = await client.get("/nowhere")
    assert answered.json()["error"]["code"] == "not_found"
    assert answered.headers["x-content-type-options"] == "nosniff"
