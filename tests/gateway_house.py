"""One cast for the gateway's tests: Alice, Bob (her tenant's second key) and Charlie, the outsider."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
from asgiref.sync import sync_to_async
from django.db import transaction

from analytics.record import CallRecord, FinishedCall
from analytics.testing import MemoryRecordSink
from caching.embedding import Embedder
from caching.testing import AgreeingVerifier
from caching.vectors import Vector, vector_of
from gateway import runtime
from routing.seeding import seed_demo
from tenants.models import Scope, Tenant
from tenants.services import key_issue, tenant_create
from tests.demo_upstream import Demo


class WordEmbedder:
    """An Embedder whose vectors are bags of words: same words, whatever their order, are similarity 1."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str]] = []

    async def embed(self, tenant_id: int, text: str) -> Vector:
        self.asked.append((tenant_id, text))
        values = np.zeros(384, dtype=np.float32)
        for word in text.lower().replace("?", "").split():
            values[hash_of(word)] += 1.0
        # The name of a real embedder would give the stand-in that one's learned scores.
        return vector_of("bag-of-words", values / np.linalg.norm(values))

    async def embed_patiently(self, tenant_id: int, text: str) -> Vector:
        return await self.embed(tenant_id, text)


def hash_of(word: str) -> int:
    """Return a place below 384 that is the same in every process (hash() of a str isn't)."""
    return int.from_bytes(word.encode()) % 383


@dataclass(kw_only=True)
class House:
    """A running gateway and who may enter it."""

    client: httpx.AsyncClient
    demo: Demo
    parts: runtime.RunningParts
    alice: str
    bob: str
    charlie: str
    tenant: Tenant
    other_tenant: Tenant
    records: list[CallRecord] = field(default_factory=list)

    async def post(self, key: str | None, body: Any, **headers: str) -> httpx.Response:
        """Post to /chat; a str or bytes body goes as it is."""
        raw = {"content": body} if isinstance(body, str | bytes) else {"json": body}
        return await self.client.post("/chat", headers={**bearer(key), **headers}, **raw)

    async def ask(self, key: str, prompt: str, **fields: Any) -> dict[str, Any]:
        """Ask and return the answer's body; every write that it began is finished."""
        response = await self.post(key, {"prompt": prompt, **fields})
        assert response.status_code == 200, response.text
        await self.parts.storer.drain()
        return dict(response.json())

    async def status(self, key: str, prompt: str, **fields: Any) -> str:
        """Ask and return the cache status."""
        return str((await self.ask(key, prompt, **fields))["cache"]["status"])


def bearer(key: str | None) -> dict[str, str]:
    return {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}


@asynccontextmanager
async def open_house(demo: Demo, embedder: Embedder | None) -> AsyncIterator[House]:
    """Start the gateway's real parts in this event loop. embedder: stands in for the worker; None: the worker."""
    from config.asgi import application  # noqa: PLC0415 (Django is set up by then)

    tenant, other_tenant, keys = await sync_to_async(_cast)(demo.base_url)
    sink = MemoryRecordSink()
    parts = await runtime.parts()
    parts.database._pool.timeout = 30.0  # a busy machine may take its time to open a connection
    worker_client = parts.embedder
    if embedder is not None:
        parts.embedder = parts.storer._embedder = embedder  # type: ignore[assignment]
        # The verifier knows the real embedder's vectors, not a stand-in's.
        parts.verifier_of = lambda embedder_id: AgreeingVerifier()
    # What upstream is asked is for each test to know.
    parts.auditor._dice = lambda: 1.0
    put = parts.records.put

    def keep(call: FinishedCall) -> None:
        sink.put(call)
        put(call)

    parts.records.put = keep  # type: ignore[method-assign]
    transport = httpx.ASGITransport(app=application, client=("127.0.0.1", 50_000))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=30) as client:
        yield House(
            client=client,
            demo=demo,
            parts=parts,
            alice=keys[0],
            bob=keys[1],
            charlie=keys[2],
            tenant=tenant,
            other_tenant=other_tenant,
            records=sink.records,
        )
    parts.embedder = worker_client
    await runtime.stop()


@transaction.atomic
def _cast(demo_url: str) -> tuple[Tenant, Tenant, list[str]]:
    seed_demo(demo_url)
    # Unique slugs: the Redis servers keep what an earlier test's tenant of the same number left there.
    tenant, other = (tenant_create(f"{name}-{uuid4().hex[:8]}") for name in ("initech", "hooli"))
    keys = [
        key_issue(owner, label=label, scopes=Scope.values).plaintext
        for owner, label in ((tenant, "alice"), (tenant, "bob"), (other, "charlie"))
    ]
    return tenant, other, keys
