"""Flights of two processes over one set of leases and one exact cache, both in memory."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from caching import coalescing
from caching.answers import StoredAnswer
from caching.coalescing import MOST_LEADERS, Flights, Joined, Lead
from caching.leases import Ending
from caching.testing import MemoryExactStore, MemoryLeases
from tests.caching_values import answer
from tests.records import until

PRINT = b"f" * 32
TENANT, OTHER = 1, 2


@dataclass
class Town:
    """Two processes of a gateway."""

    leases: MemoryLeases = field(default_factory=MemoryLeases)
    exact: MemoryExactStore = field(default_factory=MemoryExactStore)

    def __post_init__(self) -> None:
        self.here, self.there = (Flights(self.leases, self.exact) for _ in range(2))

    def call(
        self, flights: Flights, *, tenant_id: int = TENANT, seconds: float = 20
    ) -> "asyncio.Task[Joined]":
        return asyncio.create_task(flights.join(tenant_id, PRINT, until=time.monotonic() + seconds))

    async def lead(self, flights: Flights) -> Lead:
        lead = await self.call(flights)
        assert isinstance(lead, Lead)
        return lead

    async def keep(self, lead: Lead) -> StoredAnswer:
        """End well, as a leader does: the answer goes to the others and to the exact cache."""
        kept = answer()
        lead.finish(kept)
        await self.exact.put(TENANT, PRINT, kept, ttl_s=60)
        return kept


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    town = Town()
    yield town
    await town.here.close()
    await town.there.close()


async def turns(number: int = 20) -> None:
    """Let everything that can go on go on."""
    for _ in range(number):
        await asyncio.sleep(0)


async def the_one_told(calls: list["asyncio.Task[Joined]"]) -> Joined:
    """Return what the only one of the calls that was told anything was told; it is no longer among them."""
    async with asyncio.timeout(10):
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    await turns()
    (told,) = [call for call in calls if call.done()]
    calls.remove(told)
    return told.result()


async def test_one_of_many_callers_leads_and_the_others_get_its_answer(town: Town) -> None:
    calls = [town.call(town.here) for _ in range(50)]
    lead = await the_one_told(calls)
    assert isinstance(lead, Lead)
    assert lead.leased
    assert not lead.took_over
    given = answer()
    lead.finish(given)
    assert await asyncio.gather(*calls) == [given] * 49
    assert town.leases.claims == 1


async def test_another_processes_callers_get_the_answer_from_the_exact_cache(town: Town) -> None:
    lead = await town.lead(town.here)
    calls = [town.call(town.there) for _ in range(50)]
    await turns()
    kept = await town.keep(lead)
    assert await asyncio.gather(*calls) == [kept] * 50


async def test_the_answer_may_come_to_the_exact_cache_a_moment_later(town: Town) -> None:
    lead = await town.lead(town.here)
    late = answer()
    lead.finish(late)
    await town.here.drain()
    call = town.call(town.there)
    await asyncio.sleep(0.05)
    assert not call.done()
    await town.exact.put(TENANT, PRINT, late, ttl_s=60)
    assert await call == late


async def test_who_missed_just_before_the_end_gets_the_answer_too(town: Town) -> None:
    kept = await town.keep(await town.lead(town.here))
    await town.here.drain()
    assert [await town.call(town.here), await town.call(town.there)] == [kept, kept]


async def test_an_answer_past_its_time_is_not_taken_for_a_leaders(town: Town) -> None:
    now = time.time()
    old = answer(fresh_until=now - 1, expires_at=now + 60)
    await town.exact.put(TENANT, PRINT, old, ttl_s=60)
    lead = await town.lead(town.here)
    call = town.call(town.there)
    await turns()
    lead.finish(new := answer())
    await town.here.drain()
    await asyncio.sleep(0.05)
    assert not call.done()
    await town.exact.put(TENANT, PRINT, new, ttl_s=60)
    assert await call == new


async def test_a_leader_that_died_beside_a_stale_answer_is_followed(town: Town) -> None:
    now = time.time()
    old = answer(fresh_until=now - 1, expires_at=now + 60)
    await town.exact.put(TENANT, PRINT, old, ttl_s=60)
    (await town.lead(town.here)).finish(Ending.FAILED)
    await town.here.drain()
    assert isinstance(await town.call(town.there), Lead)


async def test_a_question_whose_answer_was_purged_is_asked_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coalescing, "_KEEPING_SECONDS", 0.0)
    await town.keep(await town.lead(town.here))
    await town.here.drain()
    await town.exact.drop(TENANT, PRINT)
    assert isinstance(await town.call(town.there), Lead)
    # One claim by the first leader; of the second one that finds the trace, and one when it has wiped it out.
    assert town.leases.claims == 3


async def test_other_tenants_and_questions_fly_apart(town: Town) -> None:
    await town.lead(town.here)
    assert isinstance(await town.call(town.here, tenant_id=OTHER), Lead)
    assert isinstance(await town.here.join(TENANT, b"g" * 32, until=time.monotonic() + 20), Lead)


@pytest.mark.parametrize("there", [False, True], ids=["same process", "other process"])
async def test_after_a_failed_leader_exactly_one_takes_over(town: Town, there: bool) -> None:
    failing = await town.lead(town.here)
    calls = [town.call(town.there if there else town.here) for _ in range(10)]
    await turns()
    failing.finish(Ending.FAILED)
    lead = await the_one_told(calls)
    assert isinstance(lead, Lead)
    assert lead.took_over
    given = answer()
    lead.finish(given)
    assert await asyncio.gather(*calls) == [given] * 9


async def test_nobody_waits_for_more_than_three_leaders(town: Town) -> None:
    calls = [town.call(town.here) for _ in range(10)]
    for _ in range(MOST_LEADERS):
        lead = await the_one_told(calls)
        assert isinstance(lead, Lead)
        lead.finish(Ending.FAILED)
    assert await asyncio.gather(*calls) == [None] * (10 - MOST_LEADERS)
    assert not town.leases.held


async def test_leaders_of_other_processes_count_too(town: Town) -> None:
    call = town.call(town.here)
    for number in range(MOST_LEADERS + 1):
        assert not call.done()
        town.leases.held[TENANT, PRINT] = (f"leader-{number}", time.monotonic() + 60)
        await asyncio.sleep(0.1)
    assert await call is None


async def test_an_answer_that_is_its_callers_alone_sends_everybody_on_alone(town: Town) -> None:
    lead = await town.lead(town.here)
    calls = [town.call(flights) for flights in (town.here, town.there) for _ in range(5)]
    await turns()
    lead.finish(Ending.UNSHARED)
    assert await asyncio.gather(*calls) == [None] * 10


async def test_a_dead_leaders_lease_expires_and_one_takes_over(town: Town) -> None:
    town.leases._lease_s = 0.2
    await town.leases.claim(TENANT, PRINT, "a process that is gone")
    calls = [town.call(town.here) for _ in range(10)]
    lead = await the_one_told(calls)
    assert isinstance(lead, Lead)
    given = answer()
    lead.finish(given)
    assert await asyncio.gather(*calls) == [given] * 9


async def test_a_leader_that_died_after_it_stored_is_not_asked_for_again(town: Town) -> None:
    town.leases._lease_s = 0.2
    await town.leases.claim(TENANT, PRINT, "a process that is gone")
    call = town.call(town.here)
    await turns()
    kept = answer()
    await town.exact.put(TENANT, PRINT, kept, ttl_s=60)
    assert await call == kept


async def test_a_leader_at_work_renews_its_lease(town: Town) -> None:
    flights = Flights(town.leases, town.exact, lease_s=0.03)
    lead = await town.lead(flights)
    token, expires_at = town.leases.held[TENANT, PRINT]
    await until(lambda: town.leases.claims > 3)
    assert town.leases.held[TENANT, PRINT][0] == token
    assert town.leases.held[TENANT, PRINT][1] > expires_at
    lead.finish(Ending.FAILED)
    await flights.close()


async def test_a_caller_that_gives_up_while_it_waits_leaves_the_others_alone(town: Town) -> None:
    lead = await town.lead(town.here)
    patient, impatient = town.call(town.here), town.call(town.here)
    await turns()
    impatient.cancel()
    given = answer()
    lead.finish(given)
    assert await patient == given
    assert impatient.cancelled()


@pytest.mark.parametrize("turn", range(12))
async def test_a_caller_that_gives_up_the_moment_it_is_to_lead_hands_over(town: Town, turn: int) -> None:
    first, second = town.call(town.here), town.call(town.here)
    await turns(turn)
    first.cancel()
    await turns()
    if not first.cancelled() and isinstance(lead := first.result(), Lead):
        lead.finish(Ending.FAILED)
    assert isinstance(await asyncio.wait_for(second, 10), Lead)


@pytest.mark.parametrize("turn", range(12))
async def test_when_everybody_has_given_up_the_lease_is_let_go(town: Town, turn: int) -> None:
    call = town.call(town.here)
    await turns(turn)
    call.cancel()
    await turns()
    if not call.cancelled() and isinstance(lead := call.result(), Lead):
        lead.finish(Ending.FAILED)
    await town.here.drain()
    assert not town.leases.held


async def test_a_caller_waits_until_its_deadline_and_goes_alone(town: Town) -> None:
    await town.lead(town.here)
    assert await town.call(town.here, seconds=0.05) is None
    assert await town.call(town.there, seconds=0.05) is None


async def test_without_leases_one_caller_of_the_process_leads(town: Town) -> None:
    town.leases.broken = "timeout"
    calls = [town.call(town.here) for _ in range(10)]
    lead = await the_one_told(calls)
    assert isinstance(lead, Lead)
    assert not lead.leased
    given = answer()
    lead.finish(given)
    assert await asyncio.gather(*calls) == [given] * 9


async def test_leases_lost_while_waiting_cost_one_call_of_the_process(town: Town) -> None:
    await town.lead(town.here)
    calls = [town.call(town.there) for _ in range(10)]
    await turns()
    town.leases.broken = "connection"
    lead = await the_one_told(calls)
    assert isinstance(lead, Lead)
    lead.finish(given := answer())
    assert await asyncio.gather(*calls) == [given] * 9


async def test_an_exact_cache_that_cannot_be_read_costs_one_call_of_the_process(town: Town) -> None:
    lead = await town.lead(town.here)
    calls = [town.call(town.there) for _ in range(10)]
    await turns()
    town.exact.broken = "timeout"
    lead.finish(answer())
    assert isinstance(await the_one_told(calls), Lead)


async def test_a_bug_of_ours_sends_everybody_on_alone(
    town: Town, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(town.leases, "claim", broken)
    assert await asyncio.gather(*(town.call(town.here) for _ in range(5))) == [None] * 5
    assert "coalescing failed" in caplog.text


async def test_a_process_that_ends_sends_its_callers_on(town: Town) -> None:
    await town.lead(town.here)
    calls = [town.call(flights) for flights in (town.here, town.there)]
    await turns()
    await town.here.close()
    await town.there.close()
    assert await asyncio.gather(*calls) == [None, None]
