import asyncio
from collections.abc import AsyncIterator

import pytest
import redis

from caching.leases import ENDING_SECONDS, Ended, Ending, Held, Leases, RedisLeases
from caching.testing import MemoryLeases

ALICE, CHARLIE = 1, 2
PRINT = b"f" * 32


@pytest.fixture(params=["memory", "redis"])
def kind(request: pytest.FixtureRequest, state_redis: "redis.Redis") -> str:
    return str(request.param)


@pytest.fixture
async def leases(kind: str) -> AsyncIterator[Leases]:
    async for made in opened(kind, lease_s=60):
        yield made


@pytest.fixture
async def short_leases(kind: str) -> AsyncIterator[Leases]:
    """Leases of a twentieth of a second."""
    async for made in opened(kind, lease_s=0.05):
        yield made


async def opened(kind: str, *, lease_s: float) -> AsyncIterator[Leases]:
    if kind == "memory":
        yield MemoryLeases(lease_s=lease_s)
        return
    real = RedisLeases(lease_s=lease_s)
    yield real
    await real.close()


async def test_the_first_who_claims_holds_the_lease(leases: Leases) -> None:
    assert await leases.claim(ALICE, PRINT, "first") is None
    assert await leases.claim(ALICE, PRINT, "second") == Held("first")


async def test_of_many_who_claim_at_once_one_holds_the_lease(leases: Leases) -> None:
    claimed = await asyncio.gather(*(leases.claim(ALICE, PRINT, f"token-{number}") for number in range(50)))
    assert claimed.count(None) == 1


async def test_the_holder_may_claim_again(leases: Leases) -> None:
    await leases.claim(ALICE, PRINT, "first")
    assert await leases.claim(ALICE, PRINT, "first") is None


async def test_tenants_and_questions_have_leases_of_their_own(leases: Leases) -> None:
    await leases.claim(ALICE, PRINT, "first")
    assert await leases.claim(CHARLIE, PRINT, "second") is None
    assert await leases.claim(ALICE, b"g" * 32, "third") is None


async def test_a_lease_that_is_not_renewed_expires(short_leases: Leases) -> None:
    await short_leases.claim(ALICE, PRINT, "first")
    await asyncio.sleep(0.1)
    assert await short_leases.claim(ALICE, PRINT, "second") is None


@pytest.mark.parametrize("ending", [Ending.KEPT, Ending.UNSHARED])
async def test_an_ending_with_an_answer_is_told_for_a_while(leases: Leases, ending: Ending) -> None:
    await leases.claim(ALICE, PRINT, "first")
    await leases.end(ALICE, PRINT, "first", ending)
    told = await leases.claim(ALICE, PRINT, "second")
    assert isinstance(told, Ended)
    assert told.ending is ending
    assert 0 <= told.age_s < ENDING_SECONDS


async def test_after_a_failure_the_lease_is_free(leases: Leases) -> None:
    await leases.claim(ALICE, PRINT, "first")
    await leases.end(ALICE, PRINT, "first", Ending.FAILED)
    assert await leases.claim(ALICE, PRINT, "second") is None


@pytest.mark.parametrize("ending", list(Ending))
async def test_nobody_ends_what_another_holds(leases: Leases, ending: Ending) -> None:
    await leases.claim(ALICE, PRINT, "first")
    await leases.end(ALICE, PRINT, "second", ending)
    assert await leases.claim(ALICE, PRINT, "second") == Held("first")


async def test_a_trace_of_an_ending_can_be_wiped_out_once(leases: Leases) -> None:
    await leases.claim(ALICE, PRINT, "first")
    await leases.end(ALICE, PRINT, "first", Ending.KEPT)
    await leases.end(ALICE, PRINT, Ending.KEPT, Ending.FAILED)
    assert await leases.claim(ALICE, PRINT, "second") is None
    await leases.end(ALICE, PRINT, Ending.KEPT, Ending.FAILED)
    assert await leases.claim(ALICE, PRINT, "third") == Held("second")
