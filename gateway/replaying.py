"""What is read for a replay: a tenant's recorded decisions, and what was judged of them. Blocking."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from analytics.models import RequestRecord
from caching.cross_encoder import limit_of, version_of
from caching.embedder import current_embedder_id
from caching.models import JudgedPair
from caching.verifier import verifier_for
from gateway.replay import PastDecision, Replayed, Trial, past_decision, replay

#: The latest ones; more would take a page seconds.
MOST_DECISIONS = 20_000
FLOORS = (0.80, 0.85, 0.88, 0.90, 0.92, 0.95, 0.97)


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """The verifier that decides now, and its limits."""

    version: str
    strict: float
    balanced: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """A tenant's decisions since a moment, and what is known of them."""

    since: datetime
    decisions: list[PastDecision]
    labels: dict[tuple[str, str], bool]
    """By (request, entry): whether one answer served both."""

    def under(self, trial: Trial) -> Replayed:
        return replay(self.decisions, trial, self.labels)


def calibration() -> Calibration | None:
    """Return what calibrates the settings' embedder; None: it has no verifier."""
    if name := settings.CROSS_ENCODER:
        return Calibration(version=version_of(name), strict=limit_of("strict"), balanced=limit_of("balanced"))
    verifier = verifier_for(current_embedder_id())
    if verifier is None:
        return None
    return Calibration(
        version=verifier.version, strict=verifier.limit("strict"), balanced=verifier.limit("balanced")
    )


def trials_of(calibrated: Calibration, floors: tuple[float, ...]) -> list[Trial]:
    """Return a trial for each mode and floor."""
    limits = (("strict", calibrated.strict), ("balanced", calibrated.balanced))
    return [
        Trial(
            mode="strict" if mode == "strict" else "balanced",
            floor=floor,
            limit=limit,
            verifier=calibrated.version,
        )
        for mode, limit in limits
        for floor in sorted(set(floors))
    ]


def past_of(tenant_id: int, since: datetime) -> Past:
    """Read the tenant's latest decisions since a moment, and the labels that were given since."""
    rows = (
        RequestRecord.objects.filter(tenant_id=tenant_id, started_at__gte=since, purpose="request")
        .exclude(decision={})
        .order_by("-started_at")
        .values_list("id", "cache_status", "decision", "cost_nano", "saved_nano")[:MOST_DECISIONS]
    )
    read = (
        past_decision(
            request=str(request), cache_status=status, decision=decision, cost_nano=cost, saved_nano=saved
        )
        for request, status, decision, cost, saved in rows
    )
    return Past(
        since=since,
        decisions=[decision for decision in read if decision is not None],
        labels=_labels(tenant_id, since),
    )


def _labels(tenant_id: int, since: datetime) -> dict[tuple[str, str], bool]:
    """Feedback is left out: it isn't drawn at random."""
    judged = JudgedPair.objects.filter(
        tenant_id=tenant_id, created_at__gte=since, label__in=("same", "different")
    ).exclude(origin="feedback")
    return {
        (str(request), str(entry)): label == "same"
        for request, entry, label in judged.values_list("request_id", "entry", "label")
    }
