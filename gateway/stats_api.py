"""`GET /stats`: what the calling key's tenant asked, hit, spent and saved."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Query, Router, Schema

from analytics.stats import BadQuery, parse_query, stats_of_tenant
from caching.evidence import Evidence, Share
from caching.judged import JudgedUnavailable, PostgresJudgedPairs
from caching.policy import CacheRules
from gateway import doors, errors, runtime
from gateway.schemas import ErrorBody
from tenants.database import DATABASE_ERRORS, within

router = Router(tags=["stats"])

#: A little more than the statement may take: only a server that doesn't answer at all is given up here.
_MOST_SECONDS = 6.0


class StatsParams(Schema):
    since: str | None = Field(None, description="ISO 8601; default: the first of this month, UTC.")
    until: str | None = Field(None, description="ISO 8601; default: the end of this month.")
    bucket: str | None = Field(None, description="minute, hour or day")
    group_by: str | None = Field(None, description="model, cache, route or key")


@router.get(
    "/stats",
    auth=doors.KeyDoor("stats"),
    response={200: dict, **dict.fromkeys((401, 403, 422, 503), ErrorBody)},
    summary="Requests, hits, cost and saving",
)
async def stats(request: HttpRequest, params: Query[StatsParams]) -> HttpResponse:
    """Return exact sums over the tenant's finished calls, and what audits tell of its semantic hits.

    `semantic_truth`: `wrong` of `audited` served hits, with its exact 95 % interval; `unsure` counts neither way.
    `would_be`: the same of hits that shadow mode withheld.
    """
    admission = doors.admission_of(request)
    try:
        query = parse_query(params.dict(exclude_none=True), now=timezone.now())
        database = (await runtime.parts()).database
        shown = await within(_MOST_SECONDS, stats_of_tenant(database, admission.tenant_id, query))
        evidence = await PostgresJudgedPairs(database).evidence(admission.tenant_id, query.since, query.until)
    except BadQuery as error:
        return doors.refused(request, errors.invalid_request(str(error), error.param))
    except (TimeoutError, JudgedUnavailable, *DATABASE_ERRORS):
        return doors.refused(request, errors.DATABASE_UNAVAILABLE)
    truth = _truth(evidence, admission.tenant.part(CacheRules))
    return doors.json_answer(admission, {**shown, "semantic_truth": truth})


def _truth(evidence: Evidence, rules: CacheRules) -> dict[str, Any]:
    """Return how many semantic hits were wrong, as far as audits tell, and what keeps them few."""
    return {
        "audited": evidence.served.judged,
        **_share(evidence.served, "wrong_hit_share"),
        "floor": rules.staff_floor,
        "floor_in_effect": rules.least_similarity,
        "target": rules.target_wrong_share,
        "would_be": {"judged": evidence.would_be.judged, **_share(evidence.would_be, "wrong_share")},
    }


def _share(share: Share, name: str) -> dict[str, Any]:
    interval = share.interval
    return {
        "wrong": share.wrong,
        "unsure": share.unsure,
        name: share.wrong_share,
        "interval": {"low": interval.low, "high": interval.high},
    }
