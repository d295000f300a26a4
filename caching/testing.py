"""Stand-ins of the caches' edges, in memory; the contract tests hold them to what the real ones do."""

import time
from dataclasses import dataclass, replace
from uuid import UUID

from caching.answers import StoredAnswer
from caching.asked import AskedHit
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """A row: an entry, or a question that shares one's answer."""

    entry: NewEntry
    alias_of: UUID | None = None
    pinned: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tombstone:
    tenant_id: int
    fingerprint: bytes
    vector: Vector
    least_similarity: float


class MemorySemanticStore:
    """A SemanticStore; set `broken` to a reason and it is unavailable for that."""

    def __init__(self) -> None:
        self.broken: str | None = None
        self.rows: dict[tuple[int, bytes, str], _Kept] = {}
        self._tombstones: list[_Tombstone] = []

    @property
    def entries(self) -> dict[tuple[int, bytes, str], NewEntry]:
        """By tenant, fingerprint and embedder; aliases too."""
        return {place: kept.entry for place, kept in self.rows.items()}

    async def nearest(
        self, tenant_id: int, scope: bytes, vector: Vector, *, limit: int = 2
    ) -> list[StoredNeighbour]:
        self._check()
        buried = self._buried(tenant_id, vector)
        found = [
            _neighbour(kept.entry, vector)
            for (owner, _, embedder_id), kept in self.rows.items()
            if (owner, kept.entry.scope, embedder_id) == (tenant_id, scope, vector.embedder_id)
            and kept.entry.answer.expires_at > time.time()
            and kept.entry.answer.entry not in buried
        ]
        return sorted(found, key=lambda each: each.neighbour.similarity, reverse=True)[:limit]

    async def add(self, tenant_id: int, entry: NewEntry) -> bool:
        self._check()
        place = (tenant_id, entry.fingerprint, entry.vector.embedder_id)
        earlier = self.rows.get(place)
        if earlier and earlier.pinned:
            return False
        if earlier:
            for at, alias in self._aliases(tenant_id, earlier):
                follower = replace(alias.entry, answer=entry.answer)
                self.rows[at] = replace(alias, entry=follower, alias_of=entry.answer.entry)
        self.rows[place] = _Kept(entry=entry)
        return True

    async def attach(self, tenant_id: int, entry: NewEntry, *, to: UUID) -> bool:
        self._check()
        place = (tenant_id, entry.fingerprint, entry.vector.embedder_id)
        earlier = self.rows.get(place)
        target = next(
            (
                kept
                for at, kept in self.rows.items()
                if (at[0], kept.entry.scope, kept.alias_of) == (tenant_id, entry.scope, None)
                and kept.entry.answer.entry == to
                and at != place
            ),
            None,
        )
        if target is None or (earlier and earlier.pinned):
            return False
        for at, _ in self._aliases(tenant_id, earlier) if earlier else []:
            del self.rows[at]
        alias = replace(entry, answer=target.entry.answer)
        self.rows[place] = _Kept(entry=alias, alias_of=to, pinned=target.pinned)
        return True

    async def drop(self, tenant_id: int, entry_id: UUID) -> None:
        self._check()
        self.rows = {
            place: kept
            for place, kept in self.rows.items()
            if not (place[0] == tenant_id and kept.entry.answer.entry == entry_id)
        }

    def bury(self, tenant_id: int, fingerprint: bytes, vector: Vector, *, least_similarity: float) -> None:
        """Set a tombstone: the entry of this fingerprint serves nothing so near to the vector."""
        tombstone = _Tombstone(
            tenant_id=tenant_id, fingerprint=fingerprint, vector=vector, least_similarity=least_similarity
        )
        self._tombstones.append(tombstone)

    def pin(self, tenant_id: int, entry_id: UUID) -> None:
        """Let no later answer take the entry's place."""
        for place, kept in self.rows.items():
            if place[0] == tenant_id and kept.entry.answer.entry == entry_id:
                self.rows[place] = replace(kept, pinned=True)

    def _aliases(self, tenant_id: int, of: _Kept) -> list[tuple[tuple[int, bytes, str], _Kept]]:
        return [
            (place, kept)
            for place, kept in self.rows.items()
            if place[0] == tenant_id and kept.alias_of == of.entry.answer.entry and of.alias_of is None
        ]

    def _buried(self, tenant_id: int, vector: Vector) -> set[UUID]:
        near = [
            (tenant_id, each.fingerprint, vector.embedder_id)
            for each in self._tombstones
            if (each.tenant_id, each.vector.embedder_id) == (tenant_id, vector.embedder_id)
            and each.vector.similarity(vector) >= each.least_similarity
        ]
        return {self.rows[place].entry.answer.entry for place in near if place in self.rows}

    def _check(self) -> None:
        if self.broken:
            raise SemanticUnavailable(self.broken)


class MemoryAskedStore:
    """An AskedStore; set `broken` to a reason and it is unavailable for that."""

    def __init__(self) -> None:
        self.broken: str | None = None
        self.hits: dict[tuple[int, UUID], AskedHit] = {}

    async def put(self, tenant_id: int, request_id: UUID, hit: AskedHit, *, expires_at: float) -> None:
        if self.broken:
            raise CacheUnavailable(self.broken)
        if expires_at > time.time():
            self.hits[tenant_id, request_id] = hit


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
