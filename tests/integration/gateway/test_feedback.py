"""`POST /cache/feedback` through the real gateway; the embedding worker is stood in for."""

import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection
from pytest_django import Settings

from caching.models import CacheEntry, JudgedPair, Tombstone
from gateway import request_id
from tenants.services import key_issue
from tests.gateway_house import House, bearer
from tests.integration.analytics.storing import store

CAPITAL = "What is the capital of France?"
#: At cosine 0.91 to it.
ASIDE = "What is the capital of France please?"


async def say(house: House, key: str, about: str, verdict: str = "bad", **fields: Any) -> httpx.Response:
    body = {"request_id": about, "verdict": verdict, **fields}
    return await house.client.post("/cache/feedback", json=body, headers=bearer(key))


async def said(house: House, about: str, verdict: str = "bad") -> str:
    """Return what became of it."""
    response = await say(house, house.alice, about, verdict)
    assert response.status_code == 200, response.text
    return str(response.json()["effect"])


@pytest.fixture
def ingest(house: House) -> Iterator[Callable[[], Awaitable[None]]]:
    """Writes the calls so far as the ingest process would."""
    yield sync_to_async(lambda: store(house.records))
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE analytics_dirty_hour")


async def served_aside(house: House) -> dict[str, Any]:
    """Have an answer kept, and another question answered by it."""
    await house.ask(house.alice, CAPITAL)
    answer = await house.ask(house.alice, ASIDE)
    assert answer["cache"]["status"] == "hit_semantic"
    return answer


async def test_a_bad_hit_serves_neither_its_question_nor_one_near_it_any_more(house: House) -> None:
    hit = await served_aside(house)
    assert await said(house, hit["id"]) == "buried"
    assert await house.status(house.alice, ASIDE, cache={"mode": "read_only"}) == "miss"
    nearby = "Please what is the capital of France?"
    assert await house.status(house.alice, nearby, cache={"mode": "read_only"}) == "miss"
    assert await house.status(house.alice, CAPITAL) == "hit_exact"


async def test_it_becomes_a_labelled_pair(house: House) -> None:
    hit = await served_aside(house)
    await say(house, house.alice, hit["id"], note="that is Paris, Texas")
    pair = await JudgedPair.objects.aget(tenant=house.tenant, origin="feedback")
    assert (pair.question, pair.stored_question, pair.label) == (ASIDE, CAPITAL, "different")
    assert (pair.origin, pair.method, pair.note) == ("feedback", "caller", "that is Paris, Texas")
    assert (pair.mode, pair.floor, pair.verifier) == ("strict", 0.85, "agreeing")
    assert str(pair.entry) == hit["cache"]["entry"]


async def test_the_last_verdict_wins_and_a_repeated_one_says_so(house: House) -> None:
    hit = await served_aside(house)
    assert await said(house, hit["id"], "bad") == "buried"
    assert (await say(house, house.alice, hit["id"])).json()["repeated"] is True
    assert await said(house, hit["id"], "good") == "unburied"
    assert (await JudgedPair.objects.aget(tenant=house.tenant, origin="feedback")).label == "same"
    assert await house.status(house.alice, ASIDE) == "hit_semantic"


async def test_a_bad_exact_hit_is_purged_with_its_entry(
    house: House, ingest: Callable[[], Awaitable[None]]
) -> None:
    await house.ask(house.alice, CAPITAL)
    hit = await house.ask(house.alice, CAPITAL)
    await ingest()
    assert await said(house, hit["id"]) == "purged"
    assert await house.status(house.alice, CAPITAL) == "miss"


async def test_a_bad_answer_of_upstream_is_not_kept(
    house: House, ingest: Callable[[], Awaitable[None]]
) -> None:
    miss = await house.ask(house.alice, CAPITAL)
    await ingest()
    assert await said(house, miss["id"], "good") == "none"
    assert await said(house, miss["id"]) == "purged"
    assert await said(house, miss["id"]) == "none"
    assert await house.status(house.alice, CAPITAL) == "miss"


async def test_a_call_that_is_not_recorded_yet_may_be_judged_soon(
    house: House, ingest: Callable[[], Awaitable[None]]
) -> None:
    miss = await house.ask(house.alice, CAPITAL)
    early = await say(house, house.alice, miss["id"])
    assert (early.status_code, early.json()["error"]["code"]) == (404, "request_not_found")
    assert int(early.headers["retry-after"]) > 0
    await ingest()
    assert await said(house, miss["id"]) == "purged"


async def test_the_outsider_judges_nothing_and_learns_nothing(
    house: House, ingest: Callable[[], Awaitable[None]]
) -> None:
    hit = await served_aside(house)
    await ingest()
    unknown = request_id.shown(request_id.new_request_id())
    answers = [await say(house, house.charlie, each) for each in (hit["id"], unknown)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()
    assert not await Tombstone.objects.aexists()
    assert await house.status(house.alice, ASIDE) == "hit_exact"


async def test_a_request_of_long_ago_is_unknown_for_good(house: House) -> None:
    long_ago = request_id.shown(UUID(int=1_700_000_000_000 << 80))
    response = await say(house, house.alice, long_ago)
    assert response.status_code == 404
    assert "retry-after" not in response.headers


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"request_id": "req_1"}, "request_id"),
        ({"request_id": "x" * 30}, "request_id"),
        ({"verdict": "ugly"}, "verdict"),
        ({"note": "x" * 501}, "note"),
        ({"more": 1}, "more"),
    ],
)
async def test_an_unclear_verdict_is_refused(house: House, fields: dict[str, Any], param: str) -> None:
    body = {"request_id": request_id.shown(request_id.new_request_id()), "verdict": "bad", **fields}
    response = await house.client.post("/cache/feedback", json=body, headers=bearer(house.alice))
    assert (response.status_code, response.json()["error"]["param"]) == (422, param)


async def test_a_key_without_the_scope_is_refused(house: House) -> None:
    issued = await sync_to_async(key_issue)(house.tenant, label="plain")
    response = await say(house, issued.plaintext, request_id.shown(request_id.new_request_id()))
    assert (response.status_code, response.json()["error"]["code"]) == (403, "scope_missing")


async def test_without_the_cache_redis_feedback_is_a_503(house: House, settings: Settings) -> None:
    hit = await served_aside(house)
    settings.REDIS_CACHE_URL = "redis://127.0.0.1:1/0"
    response = await say(house, house.alice, hit["id"])
    assert (response.status_code, response.json()["error"]["code"]) == (503, "cache_unavailable")
    assert "retry-after" in response.headers


async def test_without_postgres_feedback_is_a_503(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object, **__: object) -> None:
        raise OperationalError("the connection is closed")

    monkeypatch.setattr("gateway.feedback.judge_hit", down)
    hit = await served_aside(house)
    response = await say(house, house.alice, hit["id"])
    assert (response.status_code, response.json()["error"]["code"]) == (503, "database_unavailable")


async def test_feedback_that_hangs_is_given_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    thaw = threading.Event()
    monkeypatch.setattr("gateway.feedback_api._MOST_SECONDS", 0.05)
    monkeypatch.setattr("gateway.feedback.find_asked", lambda *_: thaw.wait(30) and None)
    response = await say(house, house.alice, request_id.shown(request_id.new_request_id()))
    thaw.set()
    assert response.status_code == 503


async def test_what_staff_pinned_stays_with_its_own_question(
    house: House, ingest: Callable[[], Awaitable[None]]
) -> None:
    await house.ask(house.alice, CAPITAL)
    hit = await house.ask(house.alice, CAPITAL)
    await CacheEntry.objects.filter(tenant=house.tenant).aupdate(pinned=True)
    await ingest()
    assert await said(house, hit["id"]) == "pinned"
    assert await house.status(house.alice, CAPITAL) == "hit_exact"
