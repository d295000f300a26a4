"""Judged pairs as the data plane writes and reads them: as the web role, one tenant's rows at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, LiteralString, Protocol
from uuid import UUID, uuid4

from psycopg import DataError
from psycopg import Error as PsycopgError
from psycopg_pool import PoolTimeout

from caching.evidence import WINDOW, Evidence, evidence_query, read_evidence
from tenants.database import TenantDatabase, within

Origin = Literal["audit", "shadow", "near_miss", "feedback"]
Label = Literal["same", "different", "unsure"]
Method = Literal["", "exact", "normalised", "embedding", "judge", "caller", "staff"]

#: Verdict of a pair that only the floor raised by audits refused: it would be served at the staff's.
TUNED_FLOOR = "tuned_floor"
SERVE = "serve"

#: How long both questions are kept, for staff to look at and to train on.
TEXTS_KEPT = timedelta(days=14)

_SECONDS = 2.0

_ADD = """
INSERT INTO caching_judgedpair (id, tenant_id, origin, request_id, entry, scope, embedder_id, question,
    stored_question, similarity, verifier_score, verifier, floor, mode, verdict, label, method, judge, judged_by,
    note, cost_nano, created_at, judged_at, texts_until)
VALUES (%(id)s, %(tenant)s, %(origin)s, %(request)s, %(entry)s, %(scope)s, %(embedder)s, %(question)s,
    %(stored_question)s, %(similarity)s, %(score)s, %(verifier)s, %(floor)s, %(mode)s, %(verdict)s, %(label)s,
    %(method)s, %(judge)s, %(judged_by)s, %(note)s, %(cost)s, %(now)s, %(now)s, %(texts_until)s)
RETURNING id
"""

# What was judged of other embedders, verifiers and modes says nothing of the hits of now.
_STANDING = """
SELECT count(*) FILTER (WHERE label IN ('same', 'different')), count(*) FILTER (WHERE label = 'different'),
    (SELECT coalesce(sum(cost_nano), 0) FROM caching_judgedpair
        WHERE tenant_id = %(tenant)s AND created_at >= %(month)s)
FROM caching_judgedpair
WHERE tenant_id = %(tenant)s AND created_at >= %(since)s AND origin = 'audit' AND verdict = 'serve'
    AND embedder_id = %(embedder)s AND verifier = %(verifier)s AND (mode = 'balanced') = %(balanced)s
"""

_BY_STAFF = """
SELECT pinned OR edited_at IS NOT NULL FROM caching_cacheentry WHERE tenant_id = %(tenant)s AND id = %(entry)s
"""


class JudgedUnavailable(Exception):
    """Postgres didn't take or tell it; `reason`: `timeout`, `database`, or `invalid` (it can't hold this text)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """What hits rest on: figures of different ones don't mix."""

    embedder_id: str
    verifier: str
    """Its version; empty: none."""
    balanced: bool
    """Whether by the mode `balanced`; `shadow` decides as `strict` does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewPair:
    """A question beside the stored one that was found for it, and what was judged of them."""

    tenant_id: int
    origin: Origin
    request_id: UUID
    entry: UUID
    scope: bytes
    embedder_id: str
    question: str = field(repr=False)
    stored_question: str = field(repr=False)
    similarity: float
    verifier_score: float | None
    verifier: str
    floor: float
    """In effect when it was decided."""
    mode: str
    verdict: str
    """`serve`, `tuned_floor`, or why the neighbour was refused."""
    label: Label
    method: Method
    judge: str = ""
    judged_by: str = ""
    note: str = ""
    cost_nano: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How far a tenant's audits have come."""

    judged: int
    """Audited hits of the last 30 days that were told right or wrong."""
    wrong: int
    spent_nano: int
    """This month, judges included."""


class JudgedPairs(Protocol):
    """Where judged pairs are kept. Every method raises JudgedUnavailable, within seconds."""

    async def add(self, pair: NewPair) -> None:
        """Keep the pair; its texts for TEXTS_KEPT."""

    async def standing(self, tenant_id: int, basis: Basis) -> Standing:
        """Return how far the tenant's audits of hits on this basis have come."""

    async def is_by_staff(self, tenant_id: int, entry: UUID) -> bool:
        """Return whether staff wrote or pinned the entry's answer."""

    async def evidence(self, tenant_id: int, since: datetime, until: datetime) -> Evidence:
        """Return what judged pairs of [since, until) say of the tenant's hits."""


class PostgresJudgedPairs:
    """Judged pairs in Postgres."""

    def __init__(self, database: TenantDatabase) -> None:
        self._database = database

    async def add(self, pair: NewPair) -> None:
        await self._ask(pair.tenant_id, _ADD, _columns(pair))

    async def standing(self, tenant_id: int, basis: Basis) -> Standing:
        now = datetime.now(UTC)
        values = {
            "tenant": tenant_id,
            "month": month_of(now),
            "since": now - WINDOW,
            "embedder": basis.embedder_id,
            "verifier": basis.verifier,
            "balanced": basis.balanced,
        }
        ((judged, wrong, spent),) = await self._ask(tenant_id, _STANDING, values)
        return Standing(judged=judged, wrong=wrong, spent_nano=int(spent))

    async def is_by_staff(self, tenant_id: int, entry: UUID) -> bool:
        rows = await self._ask(tenant_id, _BY_STAFF, {"tenant": tenant_id, "entry": entry})
        return any(by_staff for (by_staff,) in rows)

    async def evidence(self, tenant_id: int, since: datetime, until: datetime) -> Evidence:
        text, values = evidence_query(tenant_id, since, until)
        return read_evidence(await self._ask(tenant_id, text, values))

    async def _ask(
        self, tenant_id: int, statement: LiteralString, values: dict[str, object]
    ) -> Sequence[tuple[Any, ...]]:
        asked = self._database.ask(tenant_id, statement, values, timeout_ms=int(1000 * _SECONDS))
        try:
            return await within(_SECONDS, asked)
        except (TimeoutError, PoolTimeout):
            raise JudgedUnavailable("timeout") from None
        except DataError:
            raise JudgedUnavailable("invalid") from None
        except PsycopgError as error:
            raise JudgedUnavailable("database") from error


def month_of(moment: datetime) -> datetime:
    """Return the start of the month, which is what a budget is for."""
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _columns(pair: NewPair) -> dict[str, object]:
    now = datetime.now(UTC)
    # Postgres takes no NUL in text.
    question, stored_question = (text.replace("\0", "") for text in (pair.question, pair.stored_question))
    return {
        "id": uuid4(),
        "tenant": pair.tenant_id,
        "origin": pair.origin,
        "request": pair.request_id,
        "entry": pair.entry,
        "scope": pair.scope,
        "embedder": pair.embedder_id,
        "question": question,
        "stored_question": stored_question,
        "similarity": pair.similarity,
        "score": pair.verifier_score,
        "verifier": pair.verifier,
        "floor": pair.floor,
        "mode": pair.mode,
        "verdict": pair.verdict[:32],
        "label": pair.label,
        "method": pair.method,
        "judge": pair.judge[:160],
        "judged_by": pair.judged_by,
        "note": pair.note,
        "cost": pair.cost_nano,
        "now": now,
        "texts_until": now + TEXTS_KEPT,
    }
