import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from django.utils import timezone
from prometheus_client import REGISTRY

from caching.judged import JudgedUnavailable
from caching.models import CacheEntry, CachePolicy, JudgedPair, Tombstone
from gateway import auditing
from tenants.models import ApiKey
from tests.changing_upstream import ChangingUpstream, running_changing_upstream
from tests.gateway_house import House, WordEmbedder, bearer, open_house

pytestmark = pytest.mark.asyncio

STORED = "Which office handles parking requests"
REPHRASED = "Which office handles parking requests please"


@pytest.fixture(scope="module")
def served_upstream() -> Iterator[ChangingUpstream]:
    with running_changing_upstream() as running:
        yield running


@pytest.fixture
def upstream(served_upstream: ChangingUpstream) -> ChangingUpstream:
    served_upstream.answer = lambda prompt: "The office that you want is in Berlin."
    served_upstream.asked.clear()
    served_upstream.status = 200
    return served_upstream


@pytest.fixture
async def house(
    upstream: ChangingUpstream,
    transactional_db: None,
    cache_redis: "redis.Redis",
    state_redis: "redis.Redis",
) -> AsyncIterator[House]:
    """A gateway that audits every semantic hit."""
    async with open_house(upstream.as_demo, WordEmbedder()) as opened:
        opened.parts.auditor._dice = lambda: 0.0
        # What the freshness score makes of this embedder's vectors has no meaning.
        await set_policy(opened, freshness_cut=1.0)
        yield opened


async def set_policy(house: House, **fields: Any) -> None:
    def save() -> None:
        policy = CachePolicy.objects.get(tenant=house.tenant)
        for name, value in fields.items():
            setattr(policy, name, value)
        policy.save()

    await sync_to_async(save)()
    await house.parts.policies.refresh()


async def ask_twice(house: House) -> None:
    """Ask a question and, differently, once more; whatever goes on behind is finished."""
    assert await house.status(house.alice, STORED) == "miss"
    await house.parts.auditor.drain()
    await house.status(house.alice, REPHRASED)
    await settle(house)


async def settle(house: House) -> None:
    await house.parts.auditor.drain()
    await house.parts.storer.drain()


async def pairs(house: House) -> list[JudgedPair]:
    return [pair async for pair in JudgedPair.objects.filter(tenant=house.tenant)]


async def test_a_served_hit_is_asked_upstream_again_and_compared(
    house: House, upstream: ChangingUpstream
) -> None:
    await ask_twice(house)
    [pair] = await pairs(house)
    assert (pair.origin, pair.verdict, pair.label, pair.method) == ("audit", "serve", "same", "exact")
    assert (pair.question, pair.stored_question) == (REPHRASED, STORED)
    assert len(upstream.asked) == 2
    assert upstream.asked[1]["messages"] == [{"role": "user", "content": REPHRASED}]
    hit = next(record for record in house.records if record.cache_status == "hit_semantic")
    assert (pair.request_id, pair.entry) == (hit.id, hit.entry_id)


async def test_an_audit_costs_but_is_no_request(house: House) -> None:
    await ask_twice(house)
    [pair] = await pairs(house)
    [audit] = [record for record in house.records if record.purpose == "audit"]
    assert len(house.records) == 3
    assert audit.cost_nano == pair.cost_nano > 0
    assert audit.cache_status == ""
    assert audit.entry_id == pair.entry


async def test_a_wrong_hit_gives_way_to_the_fresh_answer(house: House, upstream: ChangingUpstream) -> None:
    assert await house.status(house.alice, STORED) == "miss"
    upstream.answer = lambda prompt: "The office that you want is in Munich."
    served = await house.ask(house.alice, REPHRASED)
    assert (served["cache"]["status"], served["answer"]) == (
        "hit_semantic",
        "The office that you want is in Berlin.",
    )
    await settle(house)
    [pair] = await pairs(house)
    assert pair.label == "different"
    again = await house.ask(house.alice, REPHRASED)
    assert again["answer"] == "The office that you want is in Munich."


async def test_the_budget_ends_audits(house: House, upstream: ChangingUpstream) -> None:
    await set_policy(house, audit_budget_usd=Decimal(0))
    await ask_twice(house)
    assert await pairs(house) == []
    assert len(upstream.asked) == 1


async def test_audits_can_be_switched_off(house: House, upstream: ChangingUpstream) -> None:
    await set_policy(house, audits_enabled=False)
    await ask_twice(house)
    assert len(upstream.asked) == 1


async def test_in_shadow_the_answer_at_hand_is_compared_for_nothing(
    house: House, upstream: ChangingUpstream
) -> None:
    await set_policy(house, semantic_mode="shadow")
    await ask_twice(house)
    [pair] = await pairs(house)
    assert (pair.origin, pair.verdict, pair.label, pair.cost_nano) == ("shadow", "serve", "same", 0)
    assert len(upstream.asked) == 2
    assert {record.purpose for record in house.records} == {"request"}


async def test_an_upstream_that_fails_costs_the_caller_nothing(
    house: House, upstream: ChangingUpstream
) -> None:
    assert await house.status(house.alice, STORED) == "miss"
    upstream.status = 500
    assert await house.status(house.alice, REPHRASED) == "hit_semantic"
    await settle(house)
    assert await pairs(house) == []


async def test_a_stored_answer_of_staff_is_not_judged_by_upstream(
    house: House, upstream: ChangingUpstream
) -> None:
    assert await house.status(house.alice, STORED) == "miss"
    await CacheEntry.objects.filter(tenant_id=house.tenant.pk).aupdate(edited_at=timezone.now())
    assert await house.status(house.alice, REPHRASED) == "hit_semantic"
    await settle(house)
    assert await pairs(house) == []
    assert len(upstream.asked) == 1


async def test_a_sample_is_audited_by_the_dice(house: House, upstream: ChangingUpstream) -> None:
    house.parts.auditor._dice = lambda: 0.21
    await ask_twice(house)
    assert len(upstream.asked) == 1


async def test_a_near_miss_that_has_the_same_answer_becomes_an_alias_for_later_calls(
    house: House, upstream: ChangingUpstream
) -> None:
    await set_policy(house, floor=0.94)
    await ask_twice(house)
    [pair] = await pairs(house)
    assert (pair.origin, pair.verdict, pair.label) == ("near_miss", "below_floor", "same")
    entries = [entry async for entry in CacheEntry.objects.filter(tenant_id=house.tenant.pk)]
    own = next(entry for entry in entries if entry.question == STORED)
    alias = next(entry for entry in entries if entry.question == REPHRASED)
    assert (len(entries), own.alias_of, alias.alias_of) == (2, None, own.id)
    later = await house.ask(house.bob, REPHRASED)
    assert later["cache"]["status"] == "miss"
    again = await house.ask(house.alice, REPHRASED.lower())
    assert (again["cache"]["status"], again["cache"]["entry"]) == ("hit_semantic", str(own.id))


async def test_a_near_miss_with_another_answer_stands_for_itself(
    house: House, upstream: ChangingUpstream
) -> None:
    await set_policy(house, floor=0.94)
    upstream.answer = lambda prompt: f"It is the office in {'Munich' if 'please' in prompt else 'Berlin'}."
    await ask_twice(house)
    assert [pair.label for pair in await pairs(house)] == ["different"]
    assert await CacheEntry.objects.filter(tenant_id=house.tenant.pk, alias_of=None).acount() == 2
    assert await Tombstone.objects.acount() == 0


async def test_what_only_the_tuned_floor_refuses_counts_as_a_hit_that_would_be(house: House) -> None:
    await set_policy(house, tuned_floor=0.97)
    await ask_twice(house)
    [pair] = await pairs(house)
    assert (pair.origin, pair.verdict, pair.label, pair.floor) == ("near_miss", "tuned_floor", "same", 0.97)


async def test_a_judge_is_asked_what_the_texts_do_not_tell(house: House, upstream: ChangingUpstream) -> None:
    await set_policy(house, judge_model="demo/large-1")
    upstream.answer = _told_by_judge("DIFFERENT")
    await ask_twice(house)
    [pair] = await pairs(house)
    assert (pair.label, pair.method, pair.judge) == ("different", "judge", "demo/large-1 judge-1")
    audits = [record for record in house.records if record.purpose == "audit"]
    assert sorted(record.model for record in audits) == ["large-1", "small-1"]
    assert sum(record.cost_nano for record in audits) == pair.cost_nano
    assert upstream.asked[2]["temperature"] == 0


async def test_a_judge_that_the_key_may_not_use_is_not_asked(
    house: House, upstream: ChangingUpstream
) -> None:
    await set_policy(house, judge_model="demo/large-1")
    await sync_to_async(ApiKey.objects.filter(tenant=house.tenant).update)(allowed_models=["small-1"])
    await set_policy(house, judge_model="demo/large-1")
    upstream.answer = _told_by_judge("SAME")
    await ask_twice(house)
    assert [(pair.label, pair.judge) for pair in await pairs(house)] == [("unsure", "")]
    assert {body["model"] for body in upstream.asked} == {"small-1"}


async def test_a_lost_database_ends_audits_and_nothing_else(
    house: House, upstream: ChangingUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await house.status(house.alice, STORED) == "miss"

    async def lost(*_: Any, **__: Any) -> None:
        raise JudgedUnavailable("database")

    monkeypatch.setattr(house.parts.auditor._pairs, "standing", lost)
    before = _dropped("database") + _dropped("resting")
    assert await house.status(house.alice, REPHRASED) == "hit_semantic"
    await settle(house)
    assert len(upstream.asked) == 1
    assert _dropped("database") + _dropped("resting") == before + 1


async def test_too_many_audits_are_dropped_and_counted(
    house: House, upstream: ChangingUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "_MOST_WAITING", 5)
    assert await house.status(house.alice, STORED) == "miss"
    before = _dropped("overloaded")
    auditor = house.parts.auditor
    for _ in range(4):
        await auditor._asking.acquire()
    for word in ("please", "kindly", "gladly", "thanks", "here", "then", "again", "soon"):
        assert await house.status(house.alice, f"{STORED} {word}") == "hit_semantic"
    assert _dropped("overloaded") == before + 3
    for _ in range(4):
        auditor._asking.release()
    await settle(house)
    assert len(await pairs(house)) == 5


async def test_audits_wait_while_many_calls_are_under_way(house: House, upstream: ChangingUpstream) -> None:
    calls = 1000
    house.parts.auditor._open_calls = lambda: calls
    assert await house.status(house.alice, STORED) == "miss"
    assert await house.status(house.alice, REPHRASED) == "hit_semantic"
    await asyncio.sleep(0.1)
    assert len(upstream.asked) == 1
    calls = 0
    await settle(house)
    assert len(upstream.asked) == 2


async def test_what_is_under_way_at_the_end_is_broken_off(
    house: House, upstream: ChangingUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "_STOP_SECONDS", 0.05)
    assert await house.status(house.alice, STORED) == "miss"
    for _ in range(4):
        await house.parts.auditor._asking.acquire()
    assert await house.status(house.alice, REPHRASED) == "hit_semantic"
    await house.parts.auditor.stop()
    assert house.parts.auditor._tasks == set()
    assert len(upstream.asked) == 1


async def test_questions_with_somebodys_details_are_not_kept_for_others_to_read(house: House) -> None:
    details = "my name is Dora Example"
    assert await house.status(house.alice, f"{STORED} {details}", user="dora") == "miss"
    assert await house.status(house.alice, f"{STORED} {details} please", user="dora") == "hit_semantic"
    await settle(house)
    [pair] = await pairs(house)
    assert (pair.label, pair.question, pair.stored_question) == ("same", "", "")


async def test_a_purge_of_everything_takes_the_texts_of_judged_pairs_along(house: House) -> None:
    await ask_twice(house)
    purged = await house.client.request(
        "DELETE", "/cache", headers=bearer(house.alice), json={"all": True, "dry_run": False}
    )
    assert purged.status_code == 200
    assert [(pair.label, pair.question) for pair in await pairs(house)] == [("same", "")]


async def test_stats_tell_the_share_its_interval_and_the_floor(
    house: House, upstream: ChangingUpstream
) -> None:
    await set_policy(house, tuned_floor=0.87)
    await ask_twice(house)
    shown = (await house.client.get("/stats", headers=bearer(house.alice))).json()
    truth = shown["semantic_truth"]
    assert (truth["audited"], truth["wrong"], truth["unsure"], truth["wrong_hit_share"]) == (1, 0, 0, 0.0)
    assert truth["interval"] == {"low": 0.0, "high": pytest.approx(0.975)}
    assert (truth["floor"], truth["floor_in_effect"], truth["target"]) == (0.85, 0.87, 0.02)
    others = (await house.client.get("/stats", headers=bearer(house.charlie))).json()["semantic_truth"]
    assert (others["audited"], others["wrong_hit_share"], others["interval"]) == (
        0,
        None,
        {"low": 0.0, "high": 1.0},
    )


def _told_by_judge(verdict: str) -> Callable[[str], str]:
    """Return an upstream that says the same thing differently, and judges."""

    def answer(prompt: str) -> str:
        if "Your verdict" in prompt:
            return verdict
        return (
            "Ask at the desk for help today"
            if "please" in prompt
            else "Help today is given at the other desk"
        )

    return answer


def _dropped(reason: str) -> float:
    return REGISTRY.get_sample_value("halfpenny_audits_dropped_total", {"reason": reason}) or 0.0
