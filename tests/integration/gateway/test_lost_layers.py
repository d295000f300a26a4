"""Each cache layer lost in turn: the call is answered, and says which layer was lost."""

from pytest_django import Settings

from caching.embedding import EmbeddingUnavailable
from caching.exact import RedisExactStore
from caching.semantic import SemanticUnavailable
from caching.vectors import Vector
from tests.gateway_house import House

CAPITAL = "What is the capital of France?"
REPHRASED = "The capital of France is what?"


class NoEmbedder:
    """A worker that never answers in time."""

    async def embed(self, tenant_id: int, text: str) -> Vector:
        raise EmbeddingUnavailable("timeout")

    async def embed_patiently(self, tenant_id: int, text: str) -> Vector:
        return await self.embed(tenant_id, text)


async def test_without_embeddings_the_call_is_answered_and_says_so(house: House) -> None:
    house.parts.embedder = NoEmbedder()  # type: ignore[assignment]
    answer = await house.ask(house.alice, CAPITAL)
    assert (answer["cache"]["status"], answer["cache"]["reason"]) == ("error", "embedding_timeout")
    assert answer["answer"] == "The capital of France is Paris."


async def test_without_embeddings_the_exact_cache_still_answers(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    house.parts.embedder = NoEmbedder()  # type: ignore[assignment]
    assert await house.status(house.alice, CAPITAL) == "hit_exact"


async def test_without_the_cache_redis_the_semantic_cache_still_answers(
    house: House, settings: Settings
) -> None:
    await house.ask(house.alice, CAPITAL)
    settings.REDIS_CACHE_URL = "redis://127.0.0.1:1/0"
    lost, house.parts.exact = house.parts.exact, RedisExactStore()
    assert await house.status(house.alice, REPHRASED) == "hit_semantic"
    answer = await house.ask(house.alice, "Why is the sky blue")
    assert answer["cache"]["status"] == "error"
    assert answer["cache"]["reason"].startswith("exact_")
    await house.parts.exact.close()
    house.parts.exact = lost


async def test_without_postgres_the_call_is_answered_and_says_so(house: House) -> None:
    class NoStore:
        async def nearest(self, *_: object, **__: object) -> list[object]:
            raise SemanticUnavailable("connection")

    house.parts.semantic = NoStore()  # type: ignore[assignment]
    answer = await house.ask(house.alice, CAPITAL)
    assert (answer["cache"]["status"], answer["cache"]["reason"]) == ("error", "semantic_connection")


async def test_a_lost_layer_is_listed_by_readyz_which_stays_ready(house: House) -> None:
    house.parts.embedder = NoEmbedder()  # type: ignore[assignment]
    await house.ask(house.alice, CAPITAL)
    ready = await house.client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert "embedding" in ready.json()["degraded"]


async def test_a_draining_process_refuses_new_questions(house: House) -> None:
    house.parts.draining = True
    response = await house.post(house.alice, {"prompt": CAPITAL})
    assert (response.status_code, response.json()["error"]["code"]) == (503, "draining")
    assert response.headers["Retry-After"] == "1"
    assert (await house.client.get("/readyz")).status_code == 503
    assert (await house.client.get("/livez")).status_code == 200
