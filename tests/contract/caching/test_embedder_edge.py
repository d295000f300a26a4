from collections.abc import AsyncIterator

import pytest
import redis

from caching.embedding import CeleryEmbedder, Embedder, EmbeddingUnavailable
from caching.testing import DictEmbedder
from tests.caching_values import DIMENSION, EMBEDDER, direction
from tests.embedding_worker import shared_worker

QUESTION = "What is the capital of France?"


@pytest.fixture(params=["memory", "celery"])
async def embedder(request: pytest.FixtureRequest, cache_redis: "redis.Redis") -> AsyncIterator[Embedder]:
    if request.param == "memory":
        yield DictEmbedder({QUESTION: direction(1.0)})
        return
    shared_worker()
    # A busy machine must not fail these tests: the budget has tests of its own.
    real = CeleryEmbedder(budget_seconds=20.0)
    await real.start()
    yield real
    await real.stop()


async def test_a_text_has_a_vector_that_names_its_embedder(embedder: Embedder) -> None:
    vector = await embedder.embed(1, QUESTION)
    assert (vector.embedder_id, vector.dimension) == (EMBEDDER, DIMENSION)
    assert len(vector.to_bytes()) == 4 * DIMENSION


async def test_the_same_text_has_the_same_vector(embedder: Embedder) -> None:
    first, second = await embedder.embed(1, QUESTION), await embedder.embed(2, QUESTION)
    assert first.similarity(second) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("text", ["", "a\0b", "\ud800"], ids=["empty", "NUL", "lone surrogate"])
async def test_what_is_no_text_is_invalid(embedder: Embedder, text: str) -> None:
    with pytest.raises(EmbeddingUnavailable) as refusal:
        await embedder.embed(1, text)
    assert refusal.value.reason == "invalid"
