"""The edge and the memory behind it: who is answered there, what is left by it, and when it forgets."""

import asyncio
import gc
import json
import os
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone
from prometheus_client import REGISTRY
from pytest_django import Settings

from caching.answers import StoredAnswer
from caching.memory import AnswerMemory
from caching.models import CacheEntry
from gateway import admission, ready, recalling, runtime
from gateway.admission import Admission, Arrival, Caller
from gateway.call_log import CallLog
from gateway.edge import Edge
from gateway.planning import Plan, plan_call
from gateway.reading import call_of, read_question
from gateway.runtime import RunningParts
from routing.models import Model, ModelPrice
from tenants.key_format import digest_of_known, make_key
from tenants.models import ApiKey
from tenants.policy import TenantPolicy
from tenants.services import key_issue, key_revoke
from tests.asgi_calls import Reply, Request, post, send
from tests.caching_values import answer
from tests.gateway_house import House, WordEmbedder, bearer
from tests.integration.gateway.test_policy_changes import eventually, set_policy

CAPITAL = "What is the capital of France?"
BODY = b'{"prompt": "What is the capital of France?"}'
READ_ONLY = {"mode": "read_only"}


async def reply_to(request: Request) -> Reply | None:
    from config.asgi import application  # noqa: PLC0415 (Django is set up by then)

    return await send(application, request)


async def hit(house: House, key: str | None = None) -> dict[str, Any]:
    """Ask for the capital, which is at hand; return the answer."""
    reply = await reply_to(post(key or house.alice, BODY))
    assert reply is not None
    assert reply.values("x-gateway-cache") == [b"hit_exact"], reply
    return dict(json.loads(reply.body))


@contextmanager
def inside_untouched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail whatever comes to Django."""

    async def call(*_: object) -> None:
        raise AssertionError("a request was handed on")

    with monkeypatch.context() as patched:
        patched.setattr("gateway.lean.LeanHandler.__call__", call)
        yield


# Who is answered by the edge


async def test_the_edge_answers_hits_and_refusals_without_django(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = await issue(house, requests_per_day=1)
    await house.ask(few, CAPITAL)
    await house.ask(house.alice, CAPITAL)
    with inside_untouched(monkeypatch):
        assert (await house.post(house.alice, BODY)).status_code == 200
        assert (await house.post(few, BODY)).status_code == 429
        assert (await house.post(None, BODY)).status_code == 401
        assert (await house.post(make_key().plaintext, BODY)).status_code == 401
        with pytest.raises(AssertionError, match="handed on"):
            await house.post(house.alice, {"prompt": "something new"})


async def issue(house: House, *, requests_per_day: int | None = None, **options: Any) -> str:
    issued = await sync_to_async(key_issue)(
        house.tenant, label="another", requests_per_day=requests_per_day, **options
    )
    await house.parts.policies.refresh()
    return issued.plaintext


async def test_a_hit_comes_from_memory_without_redis(house: House) -> None:
    first = await house.ask(house.alice, CAPITAL)
    await house.parts.exact.close()

    def lost(*_: object) -> None:
        raise AssertionError("L1 was asked")

    house.parts.exact.get = lost  # type: ignore[method-assign,assignment]
    assert (await hit(house))["answer"] == first["answer"]


async def test_a_body_in_pieces_is_the_same_question(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    letters = [BODY[place : place + 1] for place in range(len(BODY))]
    reply = await reply_to(replace(post(house.alice, BODY), pieces=(*letters, b"")))
    assert reply is not None
    assert reply.values("x-gateway-cache") == [b"hit_exact"]


async def test_a_question_in_pieces_that_is_handed_on_arrives_whole(house: House) -> None:
    reply = await reply_to(replace(post(house.alice, BODY), pieces=(BODY[:5], b"", BODY[5:])))
    assert reply is not None
    assert json.loads(reply.body)["answer"] == "The capital of France is Paris."


async def test_who_hangs_up_within_the_body_leaves_nothing(house: House) -> None:
    few = await issue(house, requests_per_day=10)
    for pieces in ((b"",), (BODY[:5],), (BODY,)):
        assert await reply_to(replace(post(few, b""), pieces=pieces, hangs_up=True)) is None
    assert (house.records, house.demo.calls()) == ([], 0)
    assert await remaining(house, few, BODY) == 9


async def remaining(house: House, key: str, body: Any) -> int:
    """Ask; return how many requests are left."""
    response = await house.post(key, body)
    return int(response.headers["x-ratelimit-remaining-requests"])


async def test_a_draining_process_refuses_what_it_holds(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    house.parts.draining = True
    response = await house.post(house.alice, BODY)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "draining")
    assert house.records[-1].status == 503


# What is left by it


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"prompt": CAPITAL}, 200),
        ({"prompt": "Why is the sky blue?"}, 200),
        ({"prompt": CAPITAL, "cache": {"mode": "off"}}, 200),
        ({"prompt": CAPITAL, "cache": {"mode": "refresh"}}, 200),
        ({"prompt": "What is the weather today?"}, 200),
        ({"prompt": CAPITAL, "model": "gpt-nothing"}, 404),
        ({"prompt": ""}, 422),
        ("not json", 422),
        ({"prompt": CAPITAL, "stream": True}, 200),
        ({"prompt": "Why is the sky blue?", "stream": True}, 200),
    ],
)
async def test_each_request_is_counted_and_recorded_once(house: House, body: Any, status: int) -> None:
    few = await issue(house, requests_per_day=100)
    await house.ask(few, CAPITAL)
    response = await house.post(few, body)
    assert response.status_code == status
    assert response.headers["x-ratelimit-remaining-requests"] == "98"
    assert [record.status for record in house.records] == [200, status]
    assert len({record.id for record in house.records}) == 2


async def test_a_key_without_the_scope_is_counted_and_recorded_once(house: House) -> None:
    reader = await issue(house, requests_per_day=100, scopes=["stats"])
    assert await remaining(house, reader, BODY) == 99
    assert [record.error_code for record in house.records] == ["scope_missing"]


async def test_a_media_type_that_is_refused_is_counted_once(house: House) -> None:
    few = await issue(house, requests_per_day=100)
    response = await house.post(few, BODY, **{"content-type": "text/plain"})
    assert (response.status_code, response.headers["x-ratelimit-remaining-requests"]) == (415, "99")


async def test_a_hit_leaves_one_record_one_count_and_one_line(house: House, tmp_path: Path) -> None:
    await house.ask(house.alice, CAPITAL)
    house.records.clear()
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    house.parts.call_log = CallLog(descriptor=descriptor)
    before = counted()
    given = await hit(house)
    house.parts.call_log.stop()
    os.close(descriptor)
    [record] = house.records
    [line] = (tmp_path / "log").read_text().splitlines()
    assert (record.cache_status, record.status, record.model) == ("hit_exact", 200, "small-1")
    assert json.loads(line)["request_id"] == given["id"]
    assert counted() - before == 1


def counted() -> float:
    labels = {"endpoint": "/chat", "status_class": "2xx", "cache": "hit_exact"}
    return REGISTRY.get_sample_value("halfpenny_requests_total", labels) or 0.0


async def test_hits_have_each_its_own_id_and_record(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    house.records.clear()
    shown = {(await hit(house))["id"] for _ in range(10_000)}
    assert len(shown) == 10_000
    assert len({record.id for record in house.records}) == 10_000


async def test_a_fault_of_the_edges_own_is_the_endpoints_to_answer_and_record(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("gateway.edge.plan_call", fail)
    assert await house.status(house.alice, CAPITAL) == "miss"
    monkeypatch.setattr("gateway.pipeline.plan_call", fail)
    response = await house.post(house.alice, BODY)
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal_error")
    assert [record.status for record in house.records] == [200, 500]


# Whose answer it is


async def test_neither_another_tenant_nor_another_key_is_answered_from_memory(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    await hit(house)
    assert await house.status(house.charlie, CAPITAL, cache=READ_ONLY) == "miss"
    assert await house.status(house.bob, CAPITAL, cache=READ_ONLY) == "miss"


async def test_nor_is_another_user_where_answers_belong_to_users(house: House) -> None:
    await set_policy(house, sharing="user")
    await house.parts.policies.refresh()
    await house.ask(house.alice, CAPITAL, user="ann")
    assert await house.status(house.alice, CAPITAL, user="ann") == "hit_exact"
    assert await house.status(house.alice, CAPITAL, user="eve", cache=READ_ONLY) == "miss"
    assert await house.status(house.alice, CAPITAL, cache=READ_ONLY) == "miss"


async def test_a_model_that_a_key_may_not_use_answers_nothing_from_memory(house: House) -> None:
    await set_policy(house, sharing="tenant")
    large = await issue(house, models=["large-1"])
    assert (await house.ask(house.alice, CAPITAL))["model"] == "small-1"
    answer = await house.ask(large, CAPITAL, cache=READ_ONLY)
    assert (answer["cache"]["status"], answer["model"]) == ("miss", "large-1")
    await hit(house, house.bob)


async def test_a_model_taken_from_a_keys_list_answers_no_more(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    await hit(house)
    key = await ApiKey.objects.aget(tenant=house.tenant, label="alice")
    key.allowed_models = ["large-1"]
    await key.asave()
    assert await eventually(lambda: is_answered(house, "miss"))


async def is_answered(house: House, status: str) -> bool:
    return await house.status(house.alice, CAPITAL, cache=READ_ONLY) == status


async def test_an_answer_too_old_for_the_caller_is_not_taken_from_memory(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    assert await house.status(house.alice, CAPITAL, cache={**READ_ONLY, "max_age": 60}) == "hit_exact"
    assert await house.status(house.alice, CAPITAL, cache={**READ_ONLY, "max_age": 0}) == "miss"


# When it forgets


@pytest.mark.parametrize("what", ["all", "tag", "entry", "model"])
async def test_a_purge_drops_the_memory_of_this_process_at_once(house: House, what: str) -> None:
    await house.ask(house.alice, CAPITAL, cache={"tags": ["geo"]})
    await house.ask(house.alice, CAPITAL)
    await purge(house, what)
    assert await is_answered(house, "miss")


async def purge(house: House, what: str) -> None:
    entry = await CacheEntry.objects.aget(tenant=house.tenant)
    selection = {"all": True, "tag": "geo", "entry": str(entry.id), "model": "small-1"}[what]
    response = await house.client.request(
        "DELETE", "/cache", json={what: selection, "dry_run": False}, headers=bearer(house.alice)
    )
    assert response.json()["exact"] == 1, response.text


@dataclass
class OtherProcess:
    """A web process of its own, as far as parts make one: its memory, its policies, its connections."""

    parts: RunningParts

    async def status(self, key: str) -> str:
        first, runtime._running = runtime._running, self.parts
        try:
            reply = await reply_to(post(key, BODY.replace(b"}", b', "cache": {"mode": "read_only"}}')))
        finally:
            runtime._running = first
        assert reply is not None
        return reply.values("x-gateway-cache")[0].decode()


@asynccontextmanager
async def other_process() -> AsyncIterator[OtherProcess]:
    parts = runtime._make()
    await parts.start()
    worker_client, parts.embedder = parts.embedder, WordEmbedder()  # type: ignore[assignment]
    yield OtherProcess(parts)
    parts.embedder = worker_client
    await parts.stop()


@pytest.mark.parametrize("what", ["all", "tag", "entry"])
async def test_a_purge_drops_the_memory_of_other_processes(house: House, what: str) -> None:
    await house.ask(house.alice, CAPITAL, cache={"tags": ["geo"]})
    async with other_process() as other:
        assert await other.status(house.alice) == "hit_exact"
        await purge(house, what)

        async def missed() -> bool:
            return await other.status(house.alice) == "miss"

        assert await eventually(missed)
        assert other.parts.memory._held.bytes > 0, "it was the policy that ended it, not the clock"


async def test_an_answer_read_under_the_old_policy_is_not_seen_under_the_new_one(house: House) -> None:
    await house.ask(house.alice, CAPITAL, cache={"tags": ["geo"]})
    house.parts.memory._held.drop(next(iter(house.parts.memory._held._entries)))
    read, go_on, ask = asyncio.Event(), asyncio.Event(), house.parts.exact.get

    def get(tenant_id: int, fingerprint: bytes) -> Any:
        asked = ask(tenant_id, fingerprint)

        async def late() -> StoredAnswer | None:
            answer = await asked
            read.set()
            await go_on.wait()
            return answer

        return late()

    house.parts.exact.get = get  # type: ignore[method-assign]
    early = asyncio.create_task(house.status(house.alice, CAPITAL, cache=READ_ONLY))
    await read.wait()
    house.parts.exact.get = ask  # type: ignore[method-assign]
    await purge(house, "tag")
    go_on.set()
    assert await early == "hit_exact"
    assert await is_answered(house, "miss")


async def test_the_exact_cache_switched_off_stops_memory_too(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    await hit(house)
    await set_policy(house, exact_enabled=False, semantic_mode="off")
    assert await eventually(lambda: is_answered(house, "miss"))
    await set_policy(house, exact_enabled=True)
    assert await eventually(lambda: is_answered(house, "hit_exact"))


async def test_a_revoked_key_is_not_answered_from_memory(house: House) -> None:
    issued = await sync_to_async(key_issue)(house.tenant, label="short-lived")
    await house.ask(issued.plaintext, CAPITAL)
    await hit(house, issued.plaintext)
    await sync_to_async(key_revoke)(issued.row.public_id)

    async def refused() -> bool:
        return (await house.post(issued.plaintext, BODY)).status_code == 401

    assert await eventually(refused)


async def test_a_key_expires_also_while_its_question_is_in_memory(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await issue(house, expires_at=timezone.now() + timedelta(hours=1))
    await house.ask(key, CAPITAL)
    await hit(house, key)
    an_hour_passes(monkeypatch)
    response = await house.post(key, BODY)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")


def an_hour_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    later = SimpleNamespace(time=lambda: time.time() + 3601, perf_counter=time.perf_counter)
    for module in (admission, recalling, ready):
        monkeypatch.setattr(module, "time", later)


async def test_a_price_that_begins_between_two_hits_is_in_the_saving_of_the_second(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = await Model.objects.aget(name="small-1", provider__slug="demo")
    await ModelPrice.objects.acreate(
        model=model, effective_from=timezone.now() + timedelta(hours=1), input_usd=1000, output_usd=2000
    )
    await house.parts.policies.refresh()
    asked = await house.ask(house.alice, CAPITAL)
    assert (await hit(house))["cost"]["saved_usd"] == asked["cost"]["usd"]
    an_hour_passes(monkeypatch)
    usage = asked["usage"]
    new_usd = Decimal(1000 * usage["input_tokens"] + 2000 * usage["output_tokens"]) / 1_000_000
    assert (await hit(house))["cost"] == {"usd": "0.000000000", "saved_usd": f"{new_usd:.9f}"}
    assert house.records[-1].saved_nano == int(new_usd * 10**9)


async def test_a_refreshed_answer_takes_the_place_of_the_one_in_memory(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    before = await hit(house)
    await house.ask(house.alice, CAPITAL, cache={"mode": "refresh"})
    after = await hit(house)
    assert before["cache"]["entry"] != after["cache"]["entry"]


async def test_a_hit_says_how_old_its_answer_is(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.ask(house.alice, CAPITAL)
    assert (await hit(house))["cache"]["age_s"] == 0
    an_hour_passes(monkeypatch)
    response = await house.post(house.alice, BODY)
    assert response.json()["cache"]["age_s"] == 3601
    ttl = int(response.headers["cache-status"].split("ttl=")[1].split(";")[0])
    assert 7 * 86_400 - 4400 <= ttl <= 7 * 86_400 - 3600


# What it takes


async def test_what_is_kept_ready_of_large_answers_is_bounded(house: House, settings: Settings) -> None:
    """An answer in memory is kept ready for the bodies that ask for it; that counts, or it would have no bound."""
    settings.MEMORY_PLANS_BYTES = 1_000_000
    edge = Edge(nothing_inside)
    caller = await caller_of(house, house.alice)
    tracemalloc.start()
    try:
        for number in range(100):
            body = b'{"prompt": "Question %d"}' % number
            hold(house, caller, body, "long answer " * 10_000)
            reply = await send(edge, post(house.alice, body))
            assert reply is not None
            assert reply.values("x-gateway-cache") == [b"hit_exact"]
        house.parts.memory = AnswerMemory(0, ttl_s=0)
        house.records.clear()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken < 4_000_000


async def test_past_policies_are_not_kept_for_the_questions_asked_under_them(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.edge._LOOK_THROUGH_SECONDS", 0.0)
    edge = Edge(nothing_inside)
    for number in range(20):
        await set_policy(house, max_entries=1000 + number)
        await house.parts.policies.refresh()
        await send(edge, post(house.alice, b'{"prompt": "Question %d"}' % number))
    gc.collect()
    alive = [each for each in gc.get_objects() if type(each) is TenantPolicy]
    assert len([each for each in alive if each.tenant_id == house.tenant.pk]) < 10


async def nothing_inside(*_: object) -> None:
    """Take what is handed on, and say nothing."""


async def caller_of(house: House, key: str) -> Caller:
    await house.ask(key, "Warm up, please", cache={"mode": "off"})
    caller = house.parts.callers.at_hand(digest_of_known(key))
    assert caller is not None
    return caller


def hold(house: House, caller: Caller, body: bytes, text: str) -> None:
    """Put an answer to this question into memory, as an L1 hit would."""
    known = Admission(Arrival.now(), caller)
    plan = plan_call(call_of(read_question(body, "/chat"), known, "/chat"))
    assert isinstance(plan, Plan)
    house.parts.memory.put(
        plan.tenant_id, caller.tenant.version, plan.prints.exact, answer(text=text, entry=uuid4())
    )
