"""What judged pairs say of a tenant's semantic hits, for pages and `/stats`.

One statement, one reading of its rows: pages run it as the owner of the tables (`evidence_of`), the data plane as
the web role (gateway.stats_api).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, LiteralString

from django.db import connection
from django.utils import timezone

from caching.truth import Interval, exact_interval

#: Older pairs tell of another time: answers, models and questions change.
WINDOW = timedelta(days=30)

#: Similarities are shown in bands of this width.
BAND = 0.05

#: What a pair counts as. Feedback isn't drawn at random and so says nothing of shares.
_STATEMENT = """
SELECT origin, verdict IN ('serve', 'tuned_floor'), label, verifier,
    floor(similarity::numeric / %(band)s)::integer, count(*), coalesce(sum(cost_nano), 0)
FROM caching_judgedpair
WHERE tenant_id = %(tenant)s AND created_at >= %(since)s AND created_at < %(until)s
GROUP BY 1, 2, 3, 4, 5
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """How many of some pairs were wrong."""

    same: int = 0
    wrong: int = 0
    unsure: int = 0
    """Compared, but it couldn't be told; neither right nor wrong."""

    @property
    def judged(self) -> int:
        """Pairs that were told right or wrong."""
        return self.same + self.wrong

    @property
    def wrong_share(self) -> float | None:
        """Wrong ones among the judged; None without any."""
        return self.wrong / self.judged if self.judged else None

    @property
    def unsure_share(self) -> float | None:
        """Unsure ones among the compared; None without any."""
        compared = self.judged + self.unsure
        return self.unsure / compared if compared else None

    @property
    def interval(self) -> Interval:
        """The exact 95 % interval of the wrong share; [0, 1] without any pair."""
        return exact_interval(self.wrong, self.judged)

    def __add__(self, other: "Share") -> "Share":
        return Share(
            same=self.same + other.same, wrong=self.wrong + other.wrong, unsure=self.unsure + other.unsure
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What is known of one tenant's semantic hits in a time range."""

    served: Share = Share()
    """Hits that were served and asked upstream again; its wrong share is the wrong_hit_share."""
    would_be: Share = Share()
    """Hits that shadow mode, or an embedder without a verifier, withheld."""
    near_misses: Share = Share()
    """Neighbours that were refused: `same` ones are hits that a check cost, `wrong` ones it was right about."""
    feedback: Share = Share()
    """What callers and staff said of served hits."""
    by_verifier: dict[str, Share] = field(default_factory=dict)
    """Of served and would-be hits, by the verifier's version (empty: none)."""
    by_band: dict[float, Share] = field(default_factory=dict)
    """The same by the lower bound of the similarity's band, ascending."""
    cost_nano: int = 0

    @property
    def audited(self) -> int:
        """Served hits that were told right or wrong."""
        return self.served.judged

    @property
    def wrong(self) -> int:
        return self.served.wrong

    @property
    def unsure(self) -> int:
        return self.served.unsure

    @property
    def wrong_hit_share(self) -> float | None:
        return self.served.wrong_share

    @property
    def interval(self) -> Interval:
        return self.served.interval


def evidence_of(tenant_id: int, *, since: datetime | None = None, until: datetime | None = None) -> Evidence:
    """Return what is known of a tenant's hits in [since, until); by default of the last 30 days."""
    text, values = evidence_query(tenant_id, since or timezone.now() - WINDOW, until or timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(text, values)
        return read_evidence(cursor.fetchall())


def evidence_query(tenant_id: int, since: datetime, until: datetime) -> tuple[LiteralString, dict[str, Any]]:
    """Return the statement and its values whose rows `read_evidence` reads."""
    return _STATEMENT, {"tenant": tenant_id, "since": since, "until": until, "band": BAND}


def read_evidence(rows: Iterable[Sequence[Any]]) -> Evidence:
    """Sum the rows of `evidence_query`."""
    sums = {origin: Share() for origin in ("audit", "shadow", "near_miss", "feedback")}
    by_verifier: dict[str, Share] = {}
    by_band: dict[float, Share] = {}
    cost_nano = 0
    for origin, is_hit, label, verifier, band, count, cost in rows:
        share = _share(label, count)
        cost_nano += int(cost)
        sums[origin] += share
        if origin in ("audit", "shadow") and is_hit:
            by_verifier[verifier] = by_verifier.get(verifier, Share()) + share
            lower = round(band * BAND, 6)
            by_band[lower] = by_band.get(lower, Share()) + share
    return Evidence(
        served=sums["audit"],
        would_be=sums["shadow"],
        near_misses=sums["near_miss"],
        feedback=sums["feedback"],
        by_verifier=dict(sorted(by_verifier.items())),
        by_band=dict(sorted(by_band.items())),
        cost_nano=cost_nano,
    )


def _share(label: str, count: int) -> Share:
    match label:
        case "same":
            return Share(same=count)
        case "different":
            return Share(wrong=count)
        case "unsure":
            return Share(unsure=count)
        case _:
            return Share()
