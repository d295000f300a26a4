"""What a question's freshness does to its answer, from the socket's side to the stores."""

import pytest

from caching.models import CacheEntry, CachePolicy
from tests.gateway_house import House

LIVE = "when does the next train to Porto leave"
PERSONAL = "do i have unread messages in my inbox"
SLOW = "Who is the richest person in the world?"
STATIC = "How do you bake sourdough bread?"


async def set_policy(house: House, **fields: object) -> None:
    policy = await CachePolicy.objects.aget(tenant=house.tenant)
    for name, value in fields.items():
        setattr(policy, name, value)
    await policy.asave()
    await house.parts.policies.refresh()


async def kept_seconds(house: House) -> list[float]:
    entries = [each async for each in CacheEntry.objects.filter(tenant=house.tenant)]
    return [(each.expires_at - each.created_at).total_seconds() for each in entries]


@pytest.mark.parametrize(("question", "kind"), [(LIVE, "live"), (PERSONAL, "personal")])
async def test_what_depends_on_the_moment_or_the_person_is_asked_each_time_and_kept_nowhere(
    house: House, question: str, kind: str
) -> None:
    for _ in range(2):
        answer = await house.ask(house.alice, question)
        assert (answer["cache"]["status"], answer["cache"]["reason"]) == ("miss", kind)
    assert house.demo.calls() == 2
    assert await kept_seconds(house) == []
    assert house.records[-1].decision["freshness"]["kind"] == kind


async def test_a_persons_own_question_is_kept_in_their_own_scope(house: House) -> None:
    await set_policy(house, sharing="user")
    first = await house.ask(house.alice, PERSONAL, user="ann")
    assert first["cache"]["reason"] == "no_neighbour"
    assert (await house.ask(house.alice, PERSONAL, user="ann"))["cache"]["status"] == "hit_exact"
    assert (await house.ask(house.alice, PERSONAL, user="bea"))["cache"]["status"] == "miss"


@pytest.mark.parametrize(("question", "seconds"), [(STATIC, 7 * 86_400), (SLOW, 86_400)])
async def test_facts_are_kept_for_as_long_as_they_stay_true(
    house: House, question: str, seconds: int
) -> None:
    await house.ask(house.alice, question)
    (kept,) = await kept_seconds(house)
    assert seconds * 0.9 - 1 <= kept <= seconds * 1.1 + 1
    assert (await house.ask(house.alice, question))["cache"]["status"] == "hit_exact"


async def test_a_caller_cannot_have_a_live_answer_kept(house: House) -> None:
    await house.ask(house.alice, LIVE, cache={"ttl": 600})
    assert await kept_seconds(house) == []
    assert (await house.ask(house.alice, LIVE))["cache"]["status"] == "miss"


async def test_a_tenant_may_have_live_answers_kept_for_minutes_but_never_served_to_another_question(
    house: House,
) -> None:
    await set_policy(house, live_ttl_seconds=120)
    await house.ask(house.alice, LIVE)
    cache = (await house.ask(house.alice, LIVE))["cache"]
    assert (cache["status"], await kept_seconds(house)) == ("hit_exact", [])
    reordered = await house.ask(house.alice, "the next train to Porto leave when does")
    assert (reordered["cache"]["status"], reordered["cache"]["reason"]) == ("miss", "live")
    assert house.demo.calls() == 2


async def test_without_l2_the_wording_alone_keeps_live_answers_out(house: House) -> None:
    await set_policy(house, semantic_mode="off")
    for _ in range(2):
        assert (await house.ask(house.alice, LIVE))["cache"]["reason"] == "live"
    assert house.demo.calls() == 2


async def test_a_tenants_own_cut_decides_what_counts_as_static(house: House) -> None:
    await set_policy(house, freshness_cut=0.0)
    await house.ask(house.alice, STATIC)
    (kept,) = await kept_seconds(house)
    assert kept <= 86_400 * 1.1 + 1
