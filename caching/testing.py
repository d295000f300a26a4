"""Stand-ins of the caches' edges, in memory; the contract tests hold them to what the real ones do."""

import time
from uuid import UUID

from caching.answers import StoredAnswer
from caching.decision import Neighbour
from caching.embedding import EmbeddingUnavailable
from caching.exact import CacheUnavailable
from caching.leases import ENDING_SECONDS, LEASE_SECONDS, Ended, Ending, Held, LeasesUnavailable
from caching.semantic import NewEntry, SemanticUnavailable, StoredNeighbour
from caching.vectors import Vector


class MemoryExactStore:
    """An ExactStore; set `broken` to a reason and it is unavailable for that."""

    def __init__(self) -> None:
        self.broken: str | None = None
        self.answers: dict[tuple[int, bytes], tuple[StoredAnswer, float]] = {}

    async def get(self, tenant_id: int, fingerprint: bytes) -> StoredAnswer | None:
        self._check()
        answer, until = self.answers.get((tenant_id, fingerprint), (None, 0.0))
        return answer if until > time.time() else None

    async def put(self, tenant_id: int, fingerprint: bytes, answer: StoredAnswer, *, ttl_s: float) -> None:
        self._check()
        until = min(time.time() + ttl_s, answer.expires_at)
        self.answers[tenant_id, fingerprint] = (answer, until)

    async def drop(self, tenant_id: int, fingerprint: bytes) -> None:
        self._check()
        self.answers.pop((tenant_id, fingerprint), None)

    def _check(self) -> None:
        if self.broken:
            raise CacheUnavailable(self.broken)


class MemorySemanticStore:
    """A SemanticStore; set `broken` to a reason and it is unavailable for that."""

    def __init__(self) -> None:
        self.broken: str | None = None
        self.entries: dict[tuple[int, bytes, str], NewEntry] = {}

    async def nearest(
        self, tenant_id: int, scope: bytes, vector: Vector, *, limit: int = 2
    ) -> list[StoredNeighbour]:
        self._check()
        found = [
            _neighbour(entry, vector)
            for (owner, _, embedder_id), entry in self.entries.items()
            if (owner, entry.scope, embedder_id) == (tenant_id, scope, vector.embedder_id)
            and entry.answer.expires_at > time.time()
        ]
        return sorted(found, key=lambda each: each.neighbour.similarity, reverse=True)[:limit]

    async def add(self, tenant_id: int, entry: NewEntry) -> None:
        self._check()
        self.entries[tenant_id, entry.fingerprint, entry.vector.embedder_id] = entry

    async def drop(self, tenant_id: int, entry_id: UUID) -> None:
        self._check()
        self.entries = {
            key: entry
            for key, entry in self.entries.items()
            if not (key[0] == tenant_id and entry.answer.entry == entry_id)
        }

    def _check(self) -> None:
        if self.broken:
            raise SemanticUnavailable(self.broken)


class MemoryLeases:
    """Leases of processes that share this object; set `broken` to a reason and they are unavailable for that."""

    def __init__(self, *, lease_s: float = LEASE_SECONDS) -> None:
        self.broken: str | None = None
        self.claims = 0
        self.held: dict[tuple[int, bytes], tuple[str, float]] = {}
        """By tenant and fingerprint: token or ending, and until when on time.monotonic()."""
        self._lease_s = lease_s

    async def claim(self, tenant_id: int, fingerprint: bytes, token: str) -> Held | Ended | None:
        self._check()
        self.claims += 1
        now = time.monotonic()
        holder, until = self.held.get((tenant_id, fingerprint), (token, 0.0))
        if until <= now or holder == token:
            self.held[tenant_id, fingerprint] = (token, now + self._lease_s)
            return None
        if holder in (Ending.KEPT, Ending.UNSHARED):
            return Ended(Ending(holder), ENDING_SECONDS - (until - now))
        return Held(holder)

    async def end(self, tenant_id: int, fingerprint: bytes, token: str, ending: Ending) -> None:
        self._check()
        place, now = (tenant_id, fingerprint), time.monotonic()
        holder, until = self.held.get(place, ("", 0.0))
        if holder != token or until <= now:
            return
        if ending is Ending.FAILED:
            del self.held[place]
        else:
            self.held[place] = (ending.value, now + ENDING_SECONDS)

    def _check(self) -> None:
        if self.broken:
            raise LeasesUnavailable(self.broken)


class AgreeingVerifier:
    """A Verifier that has nothing against any pair."""

    version = "agreeing"

    def limit(self, mode: str) -> float:
        return 0.0

    def score(self, question: str, stored: str, similarity: float) -> float:
        return 1.0


class DictEmbedder:
    """An Embedder that knows the vectors it is given; other texts and a set `broken` are unavailable."""

    def __init__(self, vectors: dict[str, Vector]) -> None:
        self.broken: str | None = None
        self.vectors = vectors
        self.asked: list[tuple[int, str]] = []

    async def embed_patiently(self, tenant_id: int, text: str) -> Vector:
        return await self.embed(tenant_id, text)

    async def embed(self, tenant_id: int, text: str) -> Vector:
        self.asked.append((tenant_id, text))
        if self.broken:
            raise EmbeddingUnavailable(self.broken)
        if text not in self.vectors:
            raise EmbeddingUnavailable("invalid")
        return self.vectors[text]


def _neighbour(entry: NewEntry, vector: Vector) -> StoredNeighbour:
    neighbour = Neighbour(
        entry=entry.answer.entry,
        similarity=entry.vector.similarity(vector),
        question=entry.question,
        complexity=entry.answer.complexity,
        model=entry.answer.model,
    )
    return StoredNeighbour(neighbour=neighbour, answer=entry.answer)
