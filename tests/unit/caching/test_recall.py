import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from prometheus_client import REGISTRY

from caching import recall
from caching.answers import StoredAnswer
from caching.cross_encoder import KnownScores
from caching.decision import Verifier
from caching.memory import HeldAnswer
from caching.recall import ExactHit, ExactMiss, SimilarHit, SimilarMiss, SimilarRecall, Unavailable
from caching.staleness import NO_STALE, StaleWindows
from caching.testing import AgreeingVerifier, DictEmbedder, MemoryExactStore, MemorySemanticStore
from caching.vectors import Vector
from caching.verification import RemoteVerifier, VerifierUnavailable
from tests.caching_values import answer, direction, entry, prints, rules

QUESTION = "Which city is France's capital?"
AGREEING = AgreeingVerifier()


@pytest.fixture(autouse=True)
def _no_layer_is_lost() -> Iterator[None]:
    recall._lost_layers.clear()
    yield
    recall._lost_layers.clear()


@pytest.fixture
def store() -> MemorySemanticStore:
    return MemorySemanticStore()


@pytest.fixture
def embedder() -> DictEmbedder:
    return DictEmbedder({QUESTION: direction(1.0, 0.1)})


async def similar(
    embedder: DictEmbedder,
    store: MemorySemanticStore,
    *,
    max_age_s: float | None = None,
    refuses: Callable[[Vector], str | None] = lambda vector: None,
    verifier: Verifier | None = AGREEING,
    cross_encoder: RemoteVerifier | None = None,
    windows: StaleWindows = NO_STALE,
    **fields: Any,
) -> SimilarRecall:
    return await recall.recall_similar(
        embedder,
        store,
        tenant_id=1,
        prints=prints(QUESTION),
        rules=rules(**fields),
        complexity="simple",
        allowed=lambda model: True,
        refuses=refuses,
        verifier_of=lambda embedder_id: verifier,
        cross_encoder=cross_encoder,
        max_age_s=max_age_s,
        windows=windows,
    )


def held(stored: StoredAnswer) -> HeldAnswer:
    return HeldAnswer(answer=stored, text_json=b'"Paris"')


async def test_an_exact_hit_tells_the_answers_age() -> None:
    store = MemoryExactStore()
    kept = answer(created_at=time.time() - 12)
    await store.put(1, b"f", kept, ttl_s=60)
    found = await recall.recall_exact(store.get(1, b"f"), held, max_age_s=None)
    assert isinstance(found, ExactHit)
    assert found.answer == kept
    assert 12 <= found.age_s < 30


async def test_an_answer_older_than_the_call_takes_is_a_miss() -> None:
    store = MemoryExactStore()
    await store.put(1, b"f", answer(created_at=time.time() - 12), ttl_s=60)
    assert await recall.recall_exact(store.get(1, b"f"), held, max_age_s=10) == ExactMiss(reason="too_old")


async def test_another_tenants_answer_is_a_miss() -> None:
    store = MemoryExactStore()
    await store.put(2, b"f", answer(), ttl_s=60)
    assert await recall.recall_exact(store.get(1, b"f"), held, max_age_s=None) == ExactMiss()


async def test_a_dead_exact_cache_is_an_outcome_and_is_logged_when_it_begins_and_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryExactStore()
    store.broken = "timeout"
    for _ in range(3):
        assert await recall.recall_exact(store.get(1, b"f"), held, max_age_s=None) == Unavailable(
            reason="exact_timeout"
        )
    assert recall.lost_layers() == {"exact"}
    store.broken = None
    for _ in range(3):
        await recall.recall_exact(store.get(1, b"f"), held, max_age_s=None)
    assert [record.message for record in caplog.records] == [
        "cache layer lost, calls go on without it",
        "cache layer back",
    ]


async def test_a_rephrased_question_is_a_hit_with_its_similarity(
    embedder: DictEmbedder, store: MemorySemanticStore
) -> None:
    stored = entry(vector=direction(1.0))
    await store.add(1, stored)
    found = await similar(embedder, store)
    assert isinstance(found.outcome, SimilarHit)
    assert found.outcome.answer == stored.answer
    assert found.outcome.similarity == pytest.approx(0.995, abs=0.001)
    assert found.trail[0]["verdict"] == "serve"


async def test_a_miss_tells_how_near_the_nearest_was_and_keeps_the_vector(
    embedder: DictEmbedder, store: MemorySemanticStore
) -> None:
    await store.add(1, entry(vector=direction(1.0, 1.5)))
    found = await similar(embedder, store)
    assert isinstance(found.outcome, SimilarMiss)
    assert found.outcome.reason == "below_floor"
    assert found.outcome.similarity == pytest.approx(0.635, abs=0.01)
    assert found.vector is embedder.vectors[QUESTION]


async def test_shadow_mode_decides_but_never_serves(
    embedder: DictEmbedder, store: MemorySemanticStore
) -> None:
    await store.add(1, entry(vector=direction(1.0)))
    found = await similar(embedder, store, semantic_mode="shadow")
    assert isinstance(found.outcome, SimilarMiss)
    assert found.outcome.reason == "shadow"
    assert found.trail[0]["verdict"] == "serve"


async def test_an_embedder_without_a_verifier_decides_but_never_serves(
    embedder: DictEmbedder, store: MemorySemanticStore
) -> None:
    await store.add(1, entry(vector=direction(1.0)))
    found = await similar(embedder, store, verifier=None)
    assert isinstance(found.outcome, SimilarMiss)
    assert found.outcome.reason == "uncalibrated"
    assert found.outcome.nearest is not None
    assert found.trail[0]["verdict"] == "serve"


class SlowOpinion:
    """A RemoteVerifier of one opinion, or of none."""

    def __init__(self, score: float | None) -> None:
        self.score = score
        self.asked: list[str] = []

    async def judge(self, question: str, stored: Sequence[str]) -> Verifier:
        self.asked += stored
        if self.score is None:
            raise VerifierUnavailable("timeout")
        return KnownScores(version="slow-1", scores=dict.fromkeys(stored, self.score))


@pytest.mark.parametrize(("score", "verdict"), [(0.95, "serve"), (0.5, "verifier")])
async def test_a_cross_encoder_decides_in_the_verifiers_place(
    embedder: DictEmbedder, store: MemorySemanticStore, settings: Any, score: float, verdict: str
) -> None:
    settings.CROSS_ENCODER_STRICT = 0.9
    await store.add(1, entry(vector=direction(1.0)))
    found = await similar(embedder, store, verifier=None, cross_encoder=SlowOpinion(score))
    assert (found.trail[0]["verdict"], found.verifier) == (verdict, "slow-1")
    assert isinstance(found.outcome, SimilarHit) is (verdict == "serve")


async def test_a_cross_encoder_is_asked_only_of_what_may_serve(
    embedder: DictEmbedder, store: MemorySemanticStore
) -> None:
    opinion = SlowOpinion(1.0)
    await store.add(1, entry(vector=direction(1.0, 1.5)))
    await similar(embedder, store, cross_encoder=opinion)
    assert opinion.asked == []


async def test_a_cross_encoder_scores_what_is_past_its_time_beside_what_is_fresh(
    embedder: DictEmbedder, store: MemorySemanticStore, settings: Any
) -> None:
    settings.CROSS_ENCODER_STRICT = 0.9
    now = time.time()
    questions = ["Name France's capital", "France's capital is which city?", "The capital city of France?"]
    for place, question in enumerate(questions):
        fresh_until = now + 60 if place < 2 else now - 10
        await store.add(
            1,
            entry(question, direction(1.0, 0.1 + place / 50), fresh_until=fresh_until, expires_at=now + 600),
        )
    opinion = SlowOpinion(0.5)
    found = await similar(
        embedder, store, cross_encoder=opinion, windows=StaleWindows(while_revalidate_s=300, on_error_s=0)
    )
    assert sorted(opinion.asked) == sorted(questions)
    assert [step["verdict"] for step in found.trail] == ["verifier"] * 3


async def test_a_lost_cross_encoder_serves_nothing_and_says_so(
    embedder: DictEmbedder, store: MemorySemanticStore
) -> None:
    await store.add(1, entry(vector=direction(1.0)))
    found = await similar(embedder, store, cross_encoder=SlowOpinion(None))
    assert found.outcome == Unavailable(reason="verifier_timeout")
    assert recall.lost_layers() == {"verifier"}


async def test_what_is_refused_by_its_vector_is_not_even_looked_for(
    embedder: DictEmbedder, store: MemorySemanticStore
) -> None:
    store.broken = "timeout"
    found = await similar(embedder, store, refuses=lambda vector: "live")
    assert found.outcome == SimilarMiss(reason="live")
    assert found.vector is embedder.vectors[QUESTION]


async def test_entries_older_than_the_call_takes_are_not_even_neighbours(
    embedder: DictEmbedder, store: MemorySemanticStore
) -> None:
    await store.add(1, entry(vector=direction(1.0), created_at=time.time() - 100))
    found = await similar(embedder, store, max_age_s=50)
    assert found.outcome == SimilarMiss(reason="no_neighbour")


WINDOWS = StaleWindows(while_revalidate_s=10, on_error_s=100)


def past(seconds: float) -> dict[str, Any]:
    """Return the times of an answer that is so many seconds past its time, and kept."""
    now = time.time()
    return {"created_at": now - 500, "fresh_until": now - seconds, "expires_at": now + 500}


@pytest.mark.parametrize(
    ("past_s", "found"), [(-5.0, ("hit", False)), (5.0, ("hit", True)), (50.0, ("fallback",)), (200.0, ())]
)
async def test_what_is_past_its_time_is_a_stale_hit_a_fallback_or_nothing(
    embedder: DictEmbedder, store: MemorySemanticStore, past_s: float, found: tuple[object, ...]
) -> None:
    exact_store = MemoryExactStore()
    kept = answer(**past(past_s))
    await exact_store.put(1, b"f", kept, ttl_s=600)
    exact = await recall.recall_exact(exact_store.get(1, b"f"), held, max_age_s=None, windows=WINDOWS)
    match exact:
        case ExactHit():
            assert found == ("hit", exact.stale)
        case ExactMiss(reason="expired", fallback=fallback):
            assert found == (("fallback",) if fallback == kept else ())
        case _:
            raise AssertionError(exact)
    await store.add(1, entry(vector=direction(1.0), **past(past_s)))
    recalled = await similar(embedder, store, windows=WINDOWS)
    if isinstance(recalled.outcome, SimilarHit):
        assert found == ("hit", recalled.outcome.stale)
    else:
        assert found == (("fallback",) if recalled.fallback else ())


async def test_shadow_mode_has_no_fallback(embedder: DictEmbedder, store: MemorySemanticStore) -> None:
    await store.add(1, entry(vector=direction(1.0), **past(5)))
    recalled = await similar(embedder, store, windows=WINDOWS, semantic_mode="shadow")
    assert isinstance(recalled.outcome, SimilarMiss)
    assert recalled.fallback is None


async def test_a_fallback_leaves_no_trace_in_the_trail_of_the_miss(
    embedder: DictEmbedder, store: MemorySemanticStore
) -> None:
    await store.add(1, entry(vector=direction(1.0), **past(50)))
    recalled = await similar(embedder, store, windows=WINDOWS)
    assert recalled.fallback is not None
    assert (recalled.trail, recalled.fallback.trail[-1]["verdict"]) == ((), "serve")


@pytest.mark.parametrize("reason", ["too_long", "invalid"])
async def test_a_text_without_a_vector_is_a_miss_not_an_error(
    embedder: DictEmbedder, store: MemorySemanticStore, reason: str
) -> None:
    embedder.broken = reason
    assert (await similar(embedder, store)).outcome == SimilarMiss(reason=reason)


@pytest.mark.parametrize("reason", ["timeout", "breaker_open", "broker", "overloaded"])
async def test_a_dead_embedder_is_an_outcome(
    embedder: DictEmbedder, store: MemorySemanticStore, reason: str
) -> None:
    embedder.broken = reason
    assert (await similar(embedder, store)).outcome == Unavailable(reason=f"embedding_{reason}")


async def test_an_overloaded_embedder_is_counted_but_not_lost(
    embedder: DictEmbedder, store: MemorySemanticStore, caplog: pytest.LogCaptureFixture
) -> None:
    labels = {"layer": "embedding", "reason": "overloaded"}
    before = REGISTRY.get_sample_value("halfpenny_cache_unavailable_total", labels) or 0.0
    embedder.broken = "overloaded"
    await similar(embedder, store)
    assert REGISTRY.get_sample_value("halfpenny_cache_unavailable_total", labels) == before + 1
    assert (recall.lost_layers(), caplog.records) == (frozenset(), [])


async def test_a_dead_database_is_an_outcome_and_the_vector_is_kept(
    embedder: DictEmbedder, store: MemorySemanticStore
) -> None:
    store.broken = "timeout"
    found = await similar(embedder, store)
    assert found.outcome == Unavailable(reason="semantic_timeout")
    assert found.vector is not None
