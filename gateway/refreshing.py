"""Asking anew, behind the callers' backs, what was served past its time: once for all whom it was served to.

Of all processes one asks, by the leases that coalesce calls. A refresh is nobody's request: it counts against no
limit and is recorded with the purpose `refresh`, so that its cost is the tenant's and no request is added.
"""

import asyncio
import logging
from contextvars import Context

from caching.embedding import EmbeddingUnavailable
from caching.memory import BoundedMemory
from caching.metrics import REFRESHES
from caching.vectors import Vector
from gateway import asking, coalescing, storing
from gateway.admission import Admission, Arrival
from gateway.asking import Asked
from gateway.call import CacheReport
from gateway.parts import Parts
from gateway.planning import Plan
from gateway.records import record_of

log = logging.getLogger(__name__)

_MOST_AT_ONCE = 32
#: For so long what was just asked anew isn't again: upstream may be down, or the answer nobody's but its caller's.
_REST_SECONDS = 10.0
_MOST_RESTING = 10_000
_STOP_SECONDS = 2.0

_Key = tuple[int, bytes]


class Refresher:
    """The refreshes of one process. It belongs to one event loop."""

    def __init__(self, *, most_at_once: int = _MOST_AT_ONCE, rest_s: float = _REST_SECONDS) -> None:
        """most_at_once: beyond it none is begun; whoever is served the stale answer next tries again."""
        self._most_at_once = most_at_once
        self._rest_s = rest_s
        self._under_way: dict[_Key, asyncio.Task[None]] = {}
        self._resting: BoundedMemory[_Key, bool] = BoundedMemory(_MOST_RESTING)

    def begin(self, plan: Plan, parts: Parts, vector: Vector | None = None) -> None:
        """Begin to ask the plan's question anew, unless that is under way. vector: of the question, if known."""
        key = (plan.tenant_id, plan.prints.exact)
        if key in self._under_way or self._resting.get(key):
            return
        if len(self._under_way) >= self._most_at_once:
            REFRESHES.labels(outcome="skipped").inc()
            return
        self._resting.put(key, True, size=1, ttl_s=self._rest_s)
        # A context of its own: what traces the caller's request has nothing to do with it.
        task = asyncio.create_task(_refresh(_of_nobody(plan), parts, vector), context=Context())
        self._under_way[key] = task
        task.add_done_callback(lambda _: self._under_way.pop(key, None))

    async def drain(self) -> None:
        """Wait for those that are under way."""
        while self._under_way:
            await asyncio.wait(self._under_way.values())

    async def stop(self) -> None:
        """Give those that are under way a moment, then break them off."""
        tasks = list(self._under_way.values())
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _of_nobody(plan: Plan) -> Plan:
    """Return the plan of a call of its own, which counts against no limit."""
    return plan.of(Admission(arrival=Arrival.now(), caller=plan.call.admission.caller))


async def embedded(plan: Plan, parts: Parts) -> Vector | None:
    """Return the vector of a question that nobody waits for; None if it needs or has none."""
    if not plan.writes_similar:
        return None
    try:
        return await parts.embedder.embed_patiently(plan.tenant_id, plan.prints.text)
    except EmbeddingUnavailable:
        return None


async def _refresh(plan: Plan, parts: Parts, vector: Vector | None) -> None:
    report = CacheReport(status="refresh", reason="stale")
    vector = vector or await embedded(plan, parts)
    plan = plan.judged(vector)
    if not plan.writes:
        return

    async def ask(began: float) -> asking.Asked | asking.Unanswered:
        return await asking.ask(plan, parts, report, None, began)

    try:
        asked = await coalescing.ask_if_nobody_does(plan, parts, ask)
    except Exception:
        # Nobody awaits the task: an error of our own would vanish with it.
        log.exception("a refresh failed")
        return
    if asked is None:
        REFRESHES.labels(outcome="left_to_another").inc()
        return
    if isinstance(asked, Asked):
        storing.keep(plan, asked, vector, parts)
        outcome = asking.answered(plan, asked, report)
    else:
        outcome = asking.refused(plan, asked, report)
    REFRESHES.labels(outcome="answered" if isinstance(asked, Asked) else "failed").inc()
    parts.finish(record_of(plan.call.admission, plan.call.endpoint, outcome, plan.call, purpose="refresh"))
