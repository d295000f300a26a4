"""What `cache_eval` says of a pair is what a running gateway does with it, row by row."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
from pytest_django import Settings

from caching.embedder import load_encoder
from caching.models import CachePolicy
from caching.verifier import verifier_for
from gateway.evaluation import Verdict, ask_pairs
from gateway.scene import default_rules
from tests.demo_upstream import Demo
from tests.embedding_worker import shared_worker
from tests.gateway_house import House, open_house
from tests.integration.gateway.question_pairs import question_pairs

_A_FEW = asyncio.Semaphore(8)


@pytest.fixture
async def real_house(
    demo: Demo,
    transactional_db: None,
    cache_redis: "redis.Redis",
    state_redis: "redis.Redis",
    settings: Settings,
) -> AsyncIterator[House]:
    """A gateway with the real embedding worker, which a busy machine may hold up."""
    settings.EMBEDDING_BUDGET_SECONDS = 30.0
    shared_worker()
    async with open_house(demo, None) as opened:
        policy = await CachePolicy.objects.aget(tenant=opened.tenant)
        policy.semantic_mode = "strict"
        await policy.asave()
        yield opened


async def served(house: House, number: int, pair: tuple[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ask both questions in a scope of their own (that of a seed) and return what the caches say."""
    async with _A_FEW:
        stored, asked = [(await house.ask(house.alice, text, seed=number))["cache"] for text in pair]
        return stored, asked


def as_served(verdict: Verdict) -> tuple[str, str | None]:
    if verdict.hit:
        return ("hit_exact", None) if verdict.reason == "exact" else ("hit_semantic", None)
    return "bypass" if verdict.bypassed else "miss", verdict.reason


async def test_a_hundred_pairs_are_served_as_they_are_evaluated(real_house: House) -> None:
    pairs = question_pairs()
    assert len(pairs) >= 90
    encoder = load_encoder()
    evaluated = ask_pairs(
        pairs, encoder, default_rules("strict"), bypass=True, verifier=verifier_for(encoder.embedder_id)
    )
    kinds, differing = Counter(map(as_served, evaluated)), []
    answered = await asyncio.gather(*(served(real_house, *each) for each in enumerate(pairs)))
    for pair, verdict, (stored, asked) in zip(pairs, evaluated, answered, strict=True):
        # A question that isn't kept for others leaves nothing to be found; the evaluation names why.
        reason = stored["reason"] if asked["reason"] == "no_neighbour" else asked["reason"]
        told, similarity = (asked["status"], reason), asked["similarity"]
        if told != as_served(verdict) or not alike(similarity, verdict):
            differing.append((pair, told, similarity, verdict))
    assert differing == []
    assert kinds["hit_exact", None] >= 9
    assert kinds["hit_semantic", None] >= 5
    assert len(kinds) >= 6


def alike(similarity: float | None, verdict: Verdict) -> bool:
    if verdict.similarity is None or verdict.reason == "exact":
        return similarity is None
    return similarity is not None and abs(similarity - verdict.similarity) < 1e-3
