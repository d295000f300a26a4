"""Taking an answer away from the questions that it doesn't answer, in every layer; blocking.

A tombstone names a stored question and the neighbourhood of the question that its answer was wrong for. It reaches
a little more than half the way from there to the stored question, which keeps its answer.
"""

from dataclasses import dataclass
from typing import Literal
from uuid import NAMESPACE_OID, UUID, uuid5

from django.db import transaction
from django.utils import timezone

from caching.asked import AskedHit
from caching.judged import SERVE, TEXTS_KEPT
from caching.models import CacheEntry, JudgedPair, Tombstone
from caching.purging import Selection, drop_copies, purge
from caching.vectors import Vector
from tenants.snapshots import announce

Effect = Literal["buried", "unburied", "purged", "pinned", "none"]
Verdict = Literal["good", "bad"]

#: Stored vectors are rounded to 16 bits: a question is no nearer to itself than that for certain.
_NEAREST = 0.999


@dataclass(frozen=True, kw_only=True, slots=True)
class Author:
    """Who judged: an API key by its public id, or a person of the staff by e-mail address."""

    name: str
    is_staff: bool

    @property
    def method(self) -> Literal["caller", "staff"]:
        return "staff" if self.is_staff else "caller"


@dataclass(frozen=True, kw_only=True, slots=True)
class Feedback:
    """What became of a verdict."""

    effect: Effect
    repeated: bool = False
    """The same was said before: nothing was counted or written again."""


def judge_hit(
    tenant_id: int, request_id: UUID, hit: AskedHit, verdict: Verdict, *, note: str, author: Author
) -> Feedback:
    """Take note of a verdict on a semantic hit; a bad one takes the answer away from the question's neighbourhood.

    `good` after `bad` takes the tombstone back. A question that is the entry's own takes the entry along.
    Raises CacheUnavailable: the tombstone stands by then, and the call may be repeated.
    """
    entry = CacheEntry.objects.filter(tenant_id=tenant_id, id=hit.entry).first()
    if entry is not None and _is_own(entry, hit):
        return judge_entry(tenant_id, entry.id, verdict, author=author)
    with transaction.atomic():
        repeated = not _note_pair(tenant_id, request_id, hit, verdict, note=note, author=author)
        if verdict == "good":
            taken_back, _ = Tombstone.objects.filter(tenant_id=tenant_id, request_id=request_id).delete()
            return Feedback(effect="unburied" if taken_back else "none", repeated=repeated)
        if entry is not None:
            bury(entry, hit.vector, hit.similarity, request_id=request_id, author=author)
    _take_away(tenant_id, hit.entry, asked=hit.fingerprint, own=bytes(entry.fingerprint) if entry else None)
    return Feedback(effect="buried" if entry else "purged", repeated=repeated)


def refute(tenant_id: int, request_id: UUID, hit: AskedHit, *, served: bool, author: Author) -> bool:
    """Take an answer that an audit found wrong away from the question's neighbourhood; return whether it was.

    served: whether the question got it, and so has a copy; those of other questions aren't looked for: audits
    are many. What staff pinned stays. Raises CacheUnavailable: the tombstone stands by then.
    """
    entry = CacheEntry.objects.filter(tenant_id=tenant_id, id=hit.entry).first()
    if entry is not None and entry.pinned:
        return False
    if entry is not None:
        bury(entry, hit.vector, hit.similarity, request_id=request_id, author=author)
    if served:
        drop_copies(tenant_id, hit.entry, at=[hit.fingerprint])
        announce(tenant_id)
    return True


def bury_pair(pair: JudgedPair, vector: Vector, *, author: Author) -> bool:
    """Take an answer away from the neighbourhood of a question that staff judged different.

    vector: of the pair's question. Return False if the entry is gone. Raises CacheUnavailable: the tombstone
    stands by then.
    """
    entry = CacheEntry.objects.filter(tenant_id=pair.tenant_id, id=pair.entry).first()
    if entry is None:
        return False
    bury(entry, vector, pair.similarity, request_id=pair.request_id, author=author)
    _take_away(pair.tenant_id, entry.id, asked=None, own=bytes(entry.fingerprint))
    return True


def judge_entry(tenant_id: int, entry_id: UUID, verdict: Verdict, *, author: Author) -> Feedback:
    """Take note of a verdict on an answer as such: a bad one is purged.

    What staff pinned stays, unless staff say so. Raises CacheUnavailable.
    """
    if verdict == "good":
        return Feedback(effect="none")
    entry = CacheEntry.objects.filter(tenant_id=tenant_id, id=entry_id).first()
    if entry is not None and entry.pinned and not author.is_staff:
        # Only copies go: whoever asks again is answered by meaning, and can be told apart.
        _take_away(tenant_id, entry_id, asked=None, own=bytes(entry.fingerprint))
        return Feedback(effect="pinned")
    purged = purge(tenant_id, Selection(entries=frozenset({entry_id})), dry_run=False)
    return Feedback(effect="purged" if purged.entries or purged.exact else "none")


def judge_answer_of(tenant_id: int, request_id: UUID, verdict: Verdict) -> Feedback:
    """Take note of a verdict on an answer that upstream gave; if it was kept, a bad one is purged.

    Raises CacheUnavailable.
    """
    if verdict == "good":
        return Feedback(effect="none")
    purged = purge(tenant_id, Selection(request=request_id), dry_run=False)
    return Feedback(effect="purged" if purged.entries or purged.exact else "none")


def bury(
    entry: CacheEntry, vector: Vector, similarity: float, *, request_id: UUID | None, author: Author
) -> None:
    """Set the entry's tombstone for questions near to the vector, which has this similarity to the entry.

    Once for each request. L2 heeds it at once; copies in L1 are for the caller to drop.
    """
    Tombstone.objects.get_or_create(
        tenant_id=entry.tenant_id,
        request_id=request_id,
        fingerprint=bytes(entry.fingerprint),
        defaults={
            "entry": entry.id,
            "scope": bytes(entry.scope),
            "embedder_id": vector.embedder_id,
            "vector": vector.values,
            "least_similarity": reach(similarity),
            "created_by": author.name[:150],
        },
    )


def reach(similarity: float) -> float:
    """Return how similar to a tombstone's question is too near; similarity: of it to the stored question."""
    return min((1.0 + similarity) / 2, _NEAREST)


def _is_own(entry: CacheEntry, hit: AskedHit) -> bool:
    return bytes(entry.fingerprint) == hit.fingerprint or entry.question == hit.question


def _take_away(tenant_id: int, entry_id: UUID, *, asked: bytes | None, own: bytes | None) -> None:
    """Drop the answer where other questions got it. The asked question's copy goes first, and memory with it."""
    if asked is not None:
        drop_copies(tenant_id, entry_id, at=[asked])
        announce(tenant_id)
    try:
        drop_copies(tenant_id, entry_id, but=own)
    finally:
        announce(tenant_id)
    if asked is not None:
        # A call that found the entry before it was buried may have copied it meanwhile.
        drop_copies(tenant_id, entry_id, at=[asked])


def _note_pair(
    tenant_id: int, request_id: UUID, hit: AskedHit, verdict: Verdict, *, note: str, author: Author
) -> bool:
    """Write the labelled pair, one for each request; return whether that says anything new."""
    label = JudgedPair.Label.SAME if verdict == "good" else JudgedPair.Label.DIFFERENT
    now = timezone.now()
    judgement = {
        "label": label.value,
        "method": author.method,
        "judged_by": author.name[:150],
        "note": note,
        "judged_at": now,
    }
    pair, created = JudgedPair.objects.get_or_create(
        id=uuid5(NAMESPACE_OID, f"feedback {tenant_id} {request_id}"),
        defaults=judgement
        | {
            "tenant_id": tenant_id,
            "origin": JudgedPair.Origin.FEEDBACK,
            "request_id": request_id,
            "entry": hit.entry,
            "scope": hit.scope,
            "embedder_id": hit.vector.embedder_id,
            "question": hit.question,
            "stored_question": hit.stored_question,
            "similarity": hit.similarity,
            "verifier_score": hit.verifier_score,
            "verifier": hit.verifier,
            "floor": hit.floor,
            "mode": hit.mode,
            "verdict": SERVE,
            "texts_until": now + TEXTS_KEPT,
        },
    )
    if created or (pair.label == label.value and pair.method == author.method):
        return created
    JudgedPair.objects.filter(id=pair.id, tenant_id=tenant_id).update(**judgement)
    return True
