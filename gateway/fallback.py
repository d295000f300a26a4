"""What is served in place of upstream's failure: an answer past its time, where the tenant allows that."""

from dataclasses import replace

from caching.recall import ExactMiss, ExactRecall, SimilarHit, SimilarRecall
from gateway import recalling, storing
from gateway.call import ChatOutcome
from gateway.parts import Parts
from gateway.planning import Plan

_SERVER_ERROR = 500


def served(
    plan: Plan,
    failed: ChatOutcome,
    exact: ExactRecall | None,
    similar: SimilarRecall | None,
    parts: Parts,
) -> ChatOutcome | None:
    """Serve what was found past its time, if there is something and nothing was sent yet.

    failed: how the call would end. A request that is itself at fault isn't helped by an older answer. Nothing is
    saved: a call that fails costs nothing.
    """
    if failed.partial is not None or failed.status < _SERVER_ERROR:
        return None
    found = _found(plan, exact, similar, parts)
    if found is None or found.cache is None:
        return None
    return replace(
        found,
        cache=replace(found.cache, reason="stale_on_error"),
        saved_nano=0,
        upstream_ms=failed.upstream_ms,
        attempts=failed.attempts,
    )


def _found(
    plan: Plan, exact: ExactRecall | None, similar: SimilarRecall | None, parts: Parts
) -> ChatOutcome | None:
    if isinstance(exact, ExactMiss) and exact.fallback:
        return recalling.served_stale(plan, exact.fallback)
    if similar and similar.fallback and isinstance(hit := similar.fallback.outcome, SimilarHit):
        storing.remember(plan, similar.fallback, hit, parts)
        return recalling.served_similar(plan, similar.fallback, hit)
    return None
