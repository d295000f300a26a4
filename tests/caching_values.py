"""Values of the caching tests."""

import time
from decimal import Decimal
from typing import Any
from uuid import uuid4

import numpy as np

from caching.answers import StoredAnswer
from caching.asked import AskedHit
from caching.fingerprint import Fingerprints
from caching.policy import CacheRules
from caching.semantic import NewEntry
from caching.vectors import Vector, vector_of

EMBEDDER = "all-MiniLM-L6-v2"
DIMENSION = 384


def answer(**fields: Any) -> StoredAnswer:
    now = time.time()
    values: dict[str, Any] = {
        "entry": uuid4(),
        "text": "Paris",
        "message": {"role": "assistant", "content": "Paris"},
        "model": "small-1",
        "provider": "demo",
        "finish_reason": "stop",
        "input_tokens": 7,
        "output_tokens": 1,
        "cost_nano": 1200,
        "complexity": "simple",
        "key_public_id": "k1",
        "request_id": uuid4(),
        "created_at": now,
        "expires_at": now + 60,
    }
    return StoredAnswer(**values | fields)


def rules(**fields: Any) -> CacheRules:
    values: dict[str, Any] = {
        "exact_enabled": True,
        "semantic_mode": "strict",
        "semantic_enabled": True,
        "floor": 0.85,
        "balanced_floor": 0.85,
        "tuned_floor": None,
        "ttl_seconds": 60,
        "static_ttl_seconds": 120,
        "live_ttl_seconds": 0,
        "max_ttl_seconds": 600,
        "freshness_cut": None,
        "stale_while_revalidate_seconds": 0,
        "stale_on_error_seconds": 0,
        "sharing": "key",
        "personal": "details",
        "guard_numbers": True,
        "guard_units": True,
        "guard_polarity": True,
        "guard_identifiers": True,
        "guard_quotes": True,
        "guard_coreference": True,
        "guard_names": False,
        "audits_enabled": True,
        "audit_budget_usd": Decimal(5),
        "target_wrong_share": 0.02,
        "judge_model": "",
        "max_turns": 8,
        "max_entries": 1000,
        "max_bytes": 1 << 30,
        "epoch": 0,
    }
    return CacheRules(**values | fields)


def prints(text: str = "What is the capital of France?", scope: bytes = b"s" * 32) -> Fingerprints:
    return Fingerprints(exact=text.encode().ljust(32, b".")[-32:], scope=scope, text=text)


def direction(*parts: float, embedder_id: str = EMBEDDER, dimension: int = DIMENSION) -> Vector:
    """Return the unit vector whose first coordinates are in these proportions."""
    values = np.zeros(dimension, dtype=np.float32)
    values[: len(parts)] = parts
    return vector_of(embedder_id, (values / np.linalg.norm(values)).astype(np.float32))


def entry(
    question: str = "What is the capital of France?",
    vector: Vector | None = None,
    scope: bytes = b"s" * 32,
    **fields: Any,
) -> NewEntry:
    return NewEntry(
        fingerprint=prints(question).exact,
        scope=scope,
        vector=vector or direction(1.0),
        question=question,
        answer=answer(**fields),
    )


def asked_hit(**fields: Any) -> AskedHit:
    values: dict[str, Any] = {
        "question": "France's capital?",
        "stored_question": "What is the capital of France?",
        "vector": direction(1.0, 0.3),
        "scope": b"s" * 32,
        "fingerprint": b"f" * 32,
        "entry": uuid4(),
        "similarity": 0.95,
        "mode": "strict",
        "floor": 0.85,
        "verifier": "agreeing",
        "verifier_score": 1.0,
    }
    return AskedHit(**values | fields)
