"""Moves tenants' floors by what audits find; blocking, as the owner of the tables."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from caching.evidence import WINDOW
from caching.judged import SERVE, TUNED_FLOOR
from caching.models import CachePolicy, FloorChange, JudgedPair
from caching.truth import FloorMove, Judged, exact_interval, tuned

log = logging.getLogger(__name__)

#: Of the window the latest only: what was true of the first thousand need not be true of the next.
_MOST_PAIRS = 1_000
#: Tenants without a judged pair for so long have nothing new to say.
_LATELY = timedelta(days=1)

_HITS = Q(origin__in=("audit", "shadow"), verdict=SERVE) | Q(origin="near_miss", verdict=TUNED_FLOOR)


def tune_all() -> list[FloorChange]:
    """Tune the floors of all tenants that were audited lately; return what changed."""
    since = timezone.now() - _LATELY
    tenants = JudgedPair.objects.filter(_HITS, created_at__gte=since).values_list("tenant_id", flat=True)
    changes = [tune(tenant_id) for tenant_id in sorted(set(tenants.order_by().distinct()))]
    return [change for change in changes if change is not None]


@transaction.atomic
def tune(tenant_id: int) -> FloorChange | None:
    """Move the tenant's floor in effect if its judged pairs ask for it; return the change, published by then.

    Pairs of other embedders, verifiers and modes than the latest one's don't count (see caching.truth.tuned).
    """
    policy = CachePolicy.objects.select_for_update().filter(tenant_id=tenant_id, audits_enabled=True).first()
    if policy is None:
        return None
    last = FloorChange.objects.filter(tenant_id=tenant_id).order_by("-created_at").first()
    pairs, since_change = _read(tenant_id, last.created_at if last else None)
    move = tuned(
        pairs,
        staff_floor=policy.staff_floor,
        in_effect=policy.floor_in_effect,
        target=policy.target_wrong_share,
        since_change=since_change,
    )
    return _moved(policy, move) if move else None


@transaction.atomic
def forget_tuning(tenant_id: int, *, by: str) -> FloorChange | None:
    """Go back to the staff's floor; None if it is in effect. by: who wants it, for the record."""
    policy = CachePolicy.objects.select_for_update().get(tenant_id=tenant_id)
    in_effect = policy.floor_in_effect
    if in_effect == policy.staff_floor:
        return None
    move = FloorMove(before=in_effect, after=policy.staff_floor, judged=0, wrong=0, reason=f"by hand: {by}")
    return _moved(policy, move)


def _read(tenant_id: int, changed_at: datetime | None) -> tuple[list[Judged], int]:
    """Return the latest judged hits, and how many of them were judged after the last change."""
    judged = JudgedPair.objects.filter(
        _HITS,
        tenant_id=tenant_id,
        created_at__gte=timezone.now() - WINDOW,
        label__in=(JudgedPair.Label.SAME, JudgedPair.Label.DIFFERENT),
    ).order_by("-created_at")
    rows = list(_on_one_basis(judged).values_list("similarity", "label", "created_at")[:_MOST_PAIRS])
    pairs = [Judged(similarity=similarity, wrong=label == "different") for similarity, label, _ in rows]
    return pairs, _count_after(changed_at, [created_at for *_, created_at in rows])


def _on_one_basis(judged: QuerySet[JudgedPair]) -> QuerySet[JudgedPair]:
    latest = judged.first()
    if latest is None:
        return judged
    same = judged.filter(embedder_id=latest.embedder_id, verifier=latest.verifier)
    return same.filter(mode="balanced") if latest.mode == "balanced" else same.exclude(mode="balanced")


def _count_after(moment: datetime | None, times: Sequence[datetime]) -> int:
    return len(times) if moment is None else sum(each > moment for each in times)


def _moved(policy: CachePolicy, move: FloorMove) -> FloorChange:
    policy.tuned_floor = move.after if move.after > policy.staff_floor else None
    # Saving it publishes the policy.
    policy.save(update_fields=["tuned_floor"])
    change = FloorChange.objects.create(
        tenant_id=policy.tenant_id,
        before=move.before,
        after=move.after,
        audited=move.judged,
        wrong=move.wrong,
        reason=_explained(move, policy.target_wrong_share)[:200],
    )
    log.warning(
        "floor moved",
        extra={
            "tenant_id": policy.tenant_id,
            "before": move.before,
            "after": move.after,
            "audited": move.judged,
            "wrong": move.wrong,
            "reason": move.reason,
        },
    )
    return change


def _explained(move: FloorMove, target: float) -> str:
    if not move.judged:
        return move.reason
    interval = exact_interval(move.wrong, move.judged)
    return (
        f"{move.reason} of {target:.1%}: {move.wrong} of {move.judged} wrong, {move.wrong / move.judged:.1%}"
        f" (95 % interval {interval.low:.1%} to {interval.high:.1%})"
    )
