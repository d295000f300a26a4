"""The store stage: which answers are kept, for how long, and under which name."""

from uuid import UUID

from caching.answers import StoredAnswer
from caching.asked import AskedHit
from caching.personal import repeats_details
from caching.recall import SimilarHit, SimilarRecall
from caching.vectors import Vector
from gateway import recalling
from gateway.asking import Asked
from gateway.parts import Parts
from gateway.planning import Plan


def keep(plan: Plan, asked: Asked, vector: Vector | None, parts: Parts) -> None:
    """Begin to store a complete ordinary answer, if the call may write; never waits."""
    if not may_keep(plan, asked.answer):
        return
    if plan.rules.exact_enabled:
        recalling.hold(plan, parts, asked.answer)
    parts.storer.store(
        plan.tenant_id,
        plan.prints,
        asked.answer,
        vector=vector,
        exact=plan.rules.exact_enabled,
        semantic=plan.writes_similar,
    )


def may_keep(plan: Plan, answer: StoredAnswer) -> bool:
    """Whether the call may write and the answer is one for later calls: complete, ordinary, nobody's alone."""
    return plan.writes and _is_ordinary(answer) and not _is_too_personal(plan, answer)


def keep_copy(plan: Plan, answer: StoredAnswer, parts: Parts) -> None:
    """Begin to store a semantic hit's answer under this question's own fingerprint, with the entry's expiry."""
    if plan.writes and plan.rules.exact_enabled:
        recalling.hold(plan, parts, answer)
        parts.storer.copy_to_exact(plan.tenant_id, plan.prints, answer)


def remember(plan: Plan, recalled: SimilarRecall, hit: SimilarHit, parts: Parts) -> None:
    """Begin to keep what a semantic hit was asked, so that feedback about it can be understood."""
    parts.storer.remember(
        plan.tenant_id,
        plan.call.admission.arrival.request_id,
        noted(plan, recalled, hit.answer.entry, hit.question, hit.similarity),
        expires_at=hit.answer.expires_at,
    )


def noted(
    plan: Plan, recalled: SimilarRecall, entry: UUID, stored_question: str, similarity: float
) -> AskedHit:
    """Return what was asked, which entry was considered for it, and what that rests on."""
    assert recalled.vector is not None
    steps = [step for step in recalled.trail if step["entry"] == str(entry)]
    return AskedHit(
        question=plan.prints.text,
        stored_question=stored_question,
        vector=recalled.vector,
        scope=plan.prints.scope,
        fingerprint=plan.prints.exact,
        entry=entry,
        similarity=similarity,
        mode=plan.rules.semantic_mode,
        floor=plan.rules.least_similarity,
        verifier=recalled.verifier or "",
        verifier_score=next((step["score"] for step in steps if "score" in step), None),
    )


def _is_ordinary(answer: StoredAnswer) -> bool:
    # Postgres takes no NUL in text.
    printable = bool(answer.text) and "\x00" not in answer.text
    return answer.finish_reason == "stop" and printable and not answer.message.get("tool_calls")


def _is_too_personal(plan: Plan, answer: StoredAnswer) -> bool:
    """Whether the answer holds somebody's details while its scope reaches beyond that one user."""
    if "/user:" in plan.cacheability.owner:
        return False
    texts = [str(message.get("content", "")) for message in plan.call.messages]
    return repeats_details(answer.text, texts)
