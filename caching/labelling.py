"""Pairs for staff to judge: which come first, and what a judgement writes; blocking."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from django.db.models import Case, F, FloatField, Q, QuerySet, Value, When
from django.db.models.functions import Abs, Coalesce
from django.utils import timezone

from caching.embedder import current_embedder_id
from caching.models import JudgedPair
from caching.verifier import verifier_for

Label = Literal["same", "different", "unsure"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A word of a question, and whether the other question lacks it."""

    text: str
    differs: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What stood at a pair, to be put back."""

    pair: UUID
    label: str
    method: str
    judged_by: str
    judged_at: datetime | None


def left_to_judge(tenant_id: int | None = None) -> QuerySet[JudgedPair]:
    """Return the pairs that nobody could tell and whose texts are still there, nearest to the limit first.

    tenant_id: None takes all tenants. What staff can't tell either isn't asked again.
    """
    untold = Q(label="") | Q(label=JudgedPair.Label.UNSURE) & ~Q(method=JudgedPair.Method.STAFF)
    pairs = JudgedPair.objects.filter(untold).exclude(question="").exclude(stored_question="")
    if tenant_id is not None:
        pairs = pairs.filter(tenant_id=tenant_id)
    return pairs.annotate(margin=_margin()).order_by("margin", "-created_at", "id")


def judge_pair(pair_id: UUID, label: Label, *, by: str) -> Judgement | None:
    """Write a person's judgement; return what stood there before, None if there is no such pair."""
    pair = JudgedPair.objects.filter(id=pair_id).first()
    if pair is None:
        return None
    before = Judgement(
        pair=pair.id,
        label=pair.label,
        method=pair.method,
        judged_by=pair.judged_by,
        judged_at=pair.judged_at,
    )
    _write(before.pair, label, JudgedPair.Method.STAFF.value, by, timezone.now())
    return before


def put_back(before: Judgement) -> None:
    """Undo a judgement."""
    _write(before.pair, before.label, before.method, before.judged_by, before.judged_at)


def words_of(question: str, other: str) -> list[Word]:
    """Return the words of a question, those marked that the other one doesn't have."""
    known = {_bare(word) for word in other.split()}
    return [Word(text=word, differs=_bare(word) not in known) for word in question.split()]


def _bare(word: str) -> str:
    return word.strip(".,;:!?\"'()").lower()


def _write(pair_id: UUID, label: str, method: str, by: str, at: datetime | None) -> None:
    JudgedPair.objects.filter(id=pair_id).update(label=label, method=method, judged_by=by[:150], judged_at=at)


def _margin() -> Abs:
    """How far a pair is from being decided the other way: by the verifier's score, else by similarity."""
    by_similarity = F("similarity") - F("floor")
    verifier = verifier_for(current_embedder_id())
    if verifier is None:
        return Abs(by_similarity)
    limit = Case(
        When(mode="balanced", then=Value(verifier.limit("balanced"))),
        default=Value(verifier.limit("strict")),
        output_field=FloatField(),
    )
    return Abs(Coalesce(F("verifier_score") - limit, by_similarity))
