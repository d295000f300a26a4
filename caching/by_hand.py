"""What staff do to single entries: write the answer, pin it, add other ways to ask; blocking.

A pinned entry's expiry is far away, so that every search finds it; sweeps and caps leave it alone, and no later
answer takes its place. Unpinned, it begins its tenant's TTL anew.
"""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from caching import answers
from caching.answers import BrokenAnswer, StoredAnswer
from caching.cache_redis import REDIS_ERRORS, answer_key, blocking_client
from caching.embedding import CeleryEmbedder, EmbeddingUnavailable
from caching.exact import CacheUnavailable
from caching.models import CacheEntry, CachePolicy
from caching.purging import drop_copies
from caching.semantic import NewEntry, PostgresSemanticStore, SemanticUnavailable
from caching.vectors import Vector
from tenants.database import TenantDatabase
from tenants.snapshots import announce

__all__ = ["BrokenAnswer", "CacheUnavailable", "EmbeddingUnavailable", "SemanticUnavailable"]

_FOR_EVER = datetime(2200, 1, 1, tzinfo=UTC)
#: For all texts together: somebody looks at a page that doesn't come.
_EMBEDDING_SECONDS = 10.0


class NoSuchEntry(LookupError):
    """The entry is gone, or it is another's alias."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What an entry is to be; None leaves it as it is."""

    text: str | None = None
    pinned: bool | None = None


def change_entry(tenant_id: int, entry_id: UUID, change: Change, *, by: str) -> None:
    """Change an entry and its aliases, and have every process give the new answer within a second.

    by: e-mail address of who does it. Raises NoSuchEntry, BrokenAnswer, and CacheUnavailable when old copies may
    be left in L1: the change stands by then and may be repeated.
    """
    with transaction.atomic():
        entry = (
            CacheEntry.objects.select_for_update()
            .filter(tenant_id=tenant_id, id=entry_id, alias_of=None)
            .first()
        )
        if entry is None:
            raise NoSuchEntry(str(entry_id))
        answer, columns = _changed(entry, change, by)
        CacheEntry.objects.filter(Q(id=entry_id) | Q(alias_of=entry_id), tenant_id=tenant_id).update(
            **columns
        )
    try:
        drop_copies(tenant_id, entry_id)
        _keep_exact(tenant_id, bytes(entry.fingerprint), answer)
    finally:
        announce(tenant_id)


def answer_of(entry: CacheEntry) -> StoredAnswer:
    """Return the answer that the entry holds; raises BrokenAnswer."""
    return answers.load(orjson.dumps(entry.answer))


def embed_now(tenant_id: int, texts: Sequence[str]) -> list[Vector]:
    """Return the texts' vectors from the embedding worker, in some seconds at most.

    Raises EmbeddingUnavailable.
    """
    return asyncio.run(_embed(tenant_id, texts))


def attach_variants(entry: CacheEntry, variants: Sequence[tuple[str, Vector]]) -> int:
    """Let questions share the entry's answer; return how many do (those that another pinned entry has don't).

    Raises SemanticUnavailable.
    """
    return asyncio.run(_attach(entry, variants))


def _changed(entry: CacheEntry, change: Change, by: str) -> tuple[StoredAnswer, dict[str, Any]]:
    """Return the new answer and the columns that change with it."""
    answer, columns = answer_of(entry), dict[str, Any]()
    if change.text is not None and change.text != answer.text:
        # What else the provider's message held (its reasoning) belongs to the old text.
        message = {"role": "assistant", "content": change.text}
        answer = replace(answer, text=change.text, message=message)
        columns |= {"edited_at": timezone.now(), "edited_by": by[:150]}
    if change.pinned is not None and change.pinned != entry.pinned:
        expires_at = _FOR_EVER if change.pinned else timezone.now() + _ttl(entry.tenant_id)
        answer = replace(answer, expires_at=expires_at.timestamp(), fresh_until=None)
        columns |= {"pinned": change.pinned, "expires_at": expires_at}
    return answer, columns | {"answer": orjson.loads(answers.dump(answer))}


def _ttl(tenant_id: int) -> timedelta:
    policy = CachePolicy.objects.filter(tenant_id=tenant_id).first() or CachePolicy()
    return timedelta(seconds=policy.ttl_seconds)


def _keep_exact(tenant_id: int, fingerprint: bytes, answer: StoredAnswer) -> None:
    """Let L1 serve the answer to the entry's own question, also where L2 doesn't serve."""
    policy = CachePolicy.objects.filter(tenant_id=tenant_id).first()
    lifetime_ms = int(1000 * (answer.expires_at - time.time()))
    if lifetime_ms <= 0 or (policy is not None and not policy.exact_enabled):
        return
    try:
        with blocking_client() as client:
            client.set(answer_key(tenant_id, fingerprint), answers.dump(answer), px=lifetime_ms)
    except REDIS_ERRORS as error:
        raise CacheUnavailable("connection") from error


async def _embed(tenant_id: int, texts: Sequence[str]) -> list[Vector]:
    embedder = CeleryEmbedder(budget_seconds=_EMBEDDING_SECONDS)
    await embedder.start()
    try:
        return list(await asyncio.gather(*(embedder.embed(tenant_id, text) for text in texts)))
    finally:
        await embedder.stop()


async def _attach(entry: CacheEntry, variants: Sequence[tuple[str, Vector]]) -> int:
    database = TenantDatabase(max_size=1)
    await database.open()
    store = PostgresSemanticStore(database)
    try:
        attached = [
            await store.attach(entry.tenant_id, _variant(entry, question, vector), to=entry.id)
            for question, vector in variants
        ]
    finally:
        await database.close()
    return sum(attached)


def _variant(entry: CacheEntry, question: str, vector: Vector) -> NewEntry:
    scope = bytes(entry.scope)
    return NewEntry(
        # Only a call tells all that its fingerprint covers; this one just has to be the question's own.
        fingerprint=hashlib.sha256(b"variant" + scope + question.encode()).digest(),
        scope=scope,
        vector=vector,
        question=question,
        answer=replace(answer_of(entry), entry=uuid4()),
    )
