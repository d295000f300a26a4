"""What goes on behind calls to find out whether stored answers are right.

    audit       a sampled semantic hit was served          upstream is asked the same, within a budget
    shadow      a hit was withheld (mode, no verifier)      upstream's answer is at hand: no cost
    near miss   a neighbour was refused, but not by far     the same

The two answers are compared (gateway.judging), what comes of it is kept (caching.judged), and then:

    different   the entry never serves questions near this one again; the fresh answer takes its place for this one
    same        beyond doubt, and not served: the question becomes an alias of the entry, for later calls

Nothing here is awaited by a call, and calls come first. What there is no time, money or database for is dropped
and counted.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from uuid import UUID

from caching.answers import StoredAnswer
from caching.asked import AskedHit
from caching.decision import Asked as AskedOfDecision
from caching.decision import Serve, Verifier, decide
from caching.judged import (
    SERVE,
    TUNED_FLOOR,
    Basis,
    JudgedPairs,
    JudgedUnavailable,
    NewPair,
    Origin,
)
from caching.memory import BoundedMemory
from caching.recall import SimilarHit, SimilarMiss, SimilarRecall
from caching.semantic import SemanticUnavailable
from caching.truth import FIRST_RATE
from caching.verification import VerifierUnavailable
from gateway import asking, audit_metrics, judging, storing
from gateway.admission import Admission, Arrival
from gateway.asking import Asked
from gateway.audit_metrics import ALIASES, DROPPED
from gateway.audit_pace import AuditPace, CountHits
from gateway.call import CacheReport
from gateway.judge import judge_of
from gateway.judging import Answers, Judgement
from gateway.parts import Parts
from gateway.planning import Plan
from gateway.records import record_of
from gateway.request_id import shown

log = logging.getLogger(__name__)

_AT_ONCE = 4
_MOST_WAITING = 64
#: While so many calls are under way audits wait, but not for ever.
_BUSY_CALLS = 64
_BUSY_LOOK_SECONDS = 0.5
_MOST_BUSY_SECONDS = 30.0
_STOP_SECONDS = 2.0
#: Comparisons that cost nothing leave rows all the same: a tenant has 500, and one more every ten seconds.
_FREE_BURST = 500.0
_FREE_PER_SECOND = 0.1
_MOST_TENANTS = 10_000
#: So far below the floor a refused neighbour may be and still count as a near miss.
_NEAR = 0.03
#: Refusals that aren't about what the questions mean.
_OTHER_REASONS = frozenset({"no_neighbour", "weaker_tier", "model_not_allowed", "too_long", "invalid"})
_WITHHELD = frozenset({"shadow", "uncalibrated"})
_REPORT = CacheReport(status="refresh", reason="audit")


class Bury(Protocol):
    """Takes wrong answers out of the caches."""

    async def __call__(self, tenant_id: int, request_id: UUID, hit: AskedHit, *, served: bool) -> None:
        """Keep the hit's entry from serving questions near it. Raises JudgedUnavailable."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Case:
    """What is compared, and on whose behalf."""

    origin: Origin
    request_id: UUID
    """The caller's request."""
    plan: Plan
    hit: AskedHit
    verdict: str
    """`serve`, `tuned_floor`, or why the neighbour was refused."""
    stored: StoredAnswer = field(repr=False)

    @property
    def basis(self) -> Basis:
        hit = self.hit
        return Basis(
            embedder_id=hit.vector.embedder_id, verifier=hit.verifier, balanced=hit.mode == "balanced"
        )

    @property
    def is_evidence(self) -> bool:
        """Whether it says something of hits that are, or would be, served."""
        return self.verdict in (SERVE, TUNED_FLOOR)


class Auditor:
    """The audits of one process. Belongs to one event loop."""

    def __init__(
        self,
        pairs: JudgedPairs,
        count_hits: CountHits,
        bury: Bury,
        *,
        open_calls: Callable[[], int] = lambda: 0,
        dice: Callable[[], float] = random.random,
        at_once: int = _AT_ONCE,
    ) -> None:
        """open_calls: how many calls are under way. at_once: of audits and comparisons each."""
        self._pairs = pairs
        self._pace = AuditPace(pairs, count_hits)
        self._bury = bury
        self._open_calls = open_calls
        self._dice = dice
        self._asking = asyncio.Semaphore(at_once)
        self._comparing = asyncio.Semaphore(at_once)
        self._tasks: set[asyncio.Task[None]] = set()
        self._allowances: BoundedMemory[int, _Allowance] = BoundedMemory(_MOST_TENANTS)

    def hit_served(self, plan: Plan, recalled: SimilarRecall, hit: SimilarHit, parts: Parts) -> None:
        """Take note of a semantic hit that was served; a sample of them is audited."""
        if not plan.rules.audits_enabled or hit.stale or self._dice() >= FIRST_RATE:
            return
        case = _Case(
            origin="audit",
            request_id=plan.call.admission.arrival.request_id,
            plan=plan,
            hit=storing.noted(plan, recalled, hit.answer.entry, hit.question, hit.similarity),
            verdict=SERVE,
            stored=hit.answer,
        )
        self._begin(self._audit(case, parts))

    def answered(self, plan: Plan, recalled: SimilarRecall | None, asked: Asked, parts: Parts) -> None:
        """Take note of upstream's answer to a question whose neighbour wasn't served."""
        if recalled is None or not isinstance(missed := recalled.outcome, SimilarMiss):
            return
        if not plan.rules.audits_enabled or missed.nearest is None or not _is_whole(asked.answer):
            return
        if missed.reason not in _WITHHELD and not _is_near(plan, missed):
            return
        if not self._allowance(plan.tenant_id).take():
            DROPPED.labels(reason="too_many").inc()
            return
        near = missed.nearest
        case = _Case(
            origin="shadow" if missed.reason in _WITHHELD else "near_miss",
            request_id=plan.call.admission.arrival.request_id,
            plan=plan,
            hit=storing.noted(
                plan, recalled, near.answer.entry, near.neighbour.question, missed.similarity or 0.0
            ),
            verdict=SERVE if missed.reason in _WITHHELD else missed.reason,
            stored=near.answer,
        )
        self._begin(self._compare_free(case, missed, asked, parts))

    async def drain(self) -> None:
        """Wait for everything that has begun."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        """Give what is under way a moment, then break it off."""
        tasks = list(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        if len(self._tasks) >= _MOST_WAITING:
            work.close()
            DROPPED.labels(reason="overloaded").inc()
            return
        # A context of its own: what traces the caller's request has nothing to do with it.
        task = asyncio.create_task(_guarded(work), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _allowance(self, tenant_id: int) -> "_Allowance":
        allowance = self._allowances.get(tenant_id) or _Allowance()
        self._allowances.put(tenant_id, allowance, size=1, ttl_s=_FREE_BURST / _FREE_PER_SECOND)
        return allowance

    async def _audit(self, case: _Case, parts: Parts) -> None:
        """Ask upstream what a served hit was asked, and compare."""
        async with self._asking:
            rate = await self._pace.rate(case.plan.tenant_id, case.basis, case.plan.rules)
            if rate == 0.0:
                raise _Dropped("budget")
            # The first dice were for the highest rate.
            if self._dice() >= rate / FIRST_RATE or await self._is_by_staff(case):
                return
            await self._wait_while_busy()
            plan = _of_nobody(case.plan)
            asked = await _ask(plan, case, parts)
            self._spent(case, asked.answer.cost_nano)
            judgement = await self._compare(case, asked, parts, cost_nano=asked.answer.cost_nano)
            if judgement.label == "different":
                # Not before the copies of the wrong answer are gone.
                storing.keep(plan, asked, case.hit.vector, parts)

    async def _compare_free(self, case: _Case, missed: SimilarMiss, asked: Asked, parts: Parts) -> None:
        """Compare an answer that is at hand with the one that wasn't served."""
        async with self._comparing:
            if await self._is_by_staff(case):
                return
            await self._wait_while_busy()
            if case.verdict == "below_floor" and await self._counts_as_hit(case, missed, parts):
                case = replace(case, verdict=TUNED_FLOOR)
            judgement = await self._compare(case, asked, parts, cost_nano=0)
            if judgement.certain and case.plan.writes_similar and storing.may_keep(case.plan, asked.answer):
                await self._attach(case, asked, parts)

    async def _is_by_staff(self, case: _Case) -> bool:
        """Whether the stored answer is staff's own, which upstream's can't refute."""
        return await self._pairs.is_by_staff(case.plan.tenant_id, case.hit.entry)

    async def _counts_as_hit(self, case: _Case, missed: SimilarMiss, parts: Parts) -> bool:
        """Whether only the floor that audits raised keeps the neighbour from being served.

        What stands below that floor is sampled as what stands above it, so that figures of both can be added up.
        """
        rules = case.plan.rules
        if missed.nearest is None or rules.tuned_floor is None or case.hit.similarity < rules.staff_floor:
            return False
        rate = await self._pace.rate(case.plan.tenant_id, case.basis, rules)
        if self._dice() >= rate:
            return False
        asked = AskedOfDecision(
            question=case.hit.question,
            rules=replace(rules, tuned_floor=None),
            complexity=case.plan.route.complexity,
            allowed=case.plan.call.admission.caller.usable_models.__contains__,
            verifier=await _verifier(case.hit, parts),
        )
        return isinstance(decide(asked, [missed.nearest.neighbour]), Serve)

    async def _compare(self, case: _Case, asked: Asked, parts: Parts, *, cost_nano: int) -> Judgement:
        """Compare the stored answer with the fresh one, keep what comes of it, and bury a wrong hit's entry."""
        if _is_whole(asked.answer):
            judgement, cost_of_judge = await self._judged(case, asked, parts)
            cost_nano += cost_of_judge
        else:
            judgement = Judgement(label="unsure", method="")
        audit_metrics.observe(case.origin, judgement.label, judgement.method)
        await self._pairs.add(_pair(case, judgement, cost_nano))
        if judgement.label == "different" and case.verdict == SERVE:
            await self._bury(case.plan.tenant_id, case.request_id, case.hit, served=case.origin == "audit")
        return judgement

    async def _judged(self, case: _Case, asked: Asked, parts: Parts) -> tuple[Judgement, int]:
        """Return what comes of comparing the answers, and the nano-USD that a judge took for it."""
        judge = judge_of(case.plan, parts) if await self._may_ask_judge(case) else None
        judgement = await judging.compare(
            Answers(
                question=case.hit.question,
                stored_question=case.hit.stored_question,
                stored=case.stored.text,
                fresh=asked.answer.text,
            ),
            parts.embedder,
            case.plan.tenant_id,
            judge.ask if judge else None,
        )
        if judge is None:
            return judgement, 0
        self._spent(case, judge.cost_nano)
        return judgement, judge.cost_nano

    async def _may_ask_judge(self, case: _Case) -> bool:
        if not case.is_evidence or not case.plan.rules.judge_model:
            return False
        return await self._pace.rate(case.plan.tenant_id, case.basis, case.plan.rules) > 0.0

    async def _attach(self, case: _Case, asked: Asked, parts: Parts) -> None:
        """Make the question an alias of the entry, in place of the entry of its own that it has just got."""
        attached = await parts.storer.attach(
            case.plan.tenant_id, case.plan.prints, asked.answer, case.hit.vector, to=case.hit.entry
        )
        if attached:
            ALIASES.inc()

    def _spent(self, case: _Case, cost_nano: int) -> None:
        self._pace.spent(case.plan.tenant_id, case.basis, case.plan.rules, cost_nano)

    async def _wait_while_busy(self) -> None:
        until = time.monotonic() + _MOST_BUSY_SECONDS
        while self._open_calls() > _BUSY_CALLS:
            if time.monotonic() >= until:
                raise _Dropped("busy")
            await asyncio.sleep(_BUSY_LOOK_SECONDS)


class _Dropped(Exception):
    """An audit was given up; its text is the reason, as counted."""


class _Allowance:
    """How many comparisons a tenant may still have for nothing."""

    def __init__(self) -> None:
        self._left, self._at = _FREE_BURST, time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._left = min(_FREE_BURST, self._left + (now - self._at) * _FREE_PER_SECOND)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


async def _guarded(work: Coroutine[Any, Any, None]) -> None:
    """Run the work; count what became of one that failed."""
    try:
        await work
    except _Dropped as dropped:
        DROPPED.labels(reason=str(dropped)).inc()
    except (JudgedUnavailable, SemanticUnavailable, VerifierUnavailable) as error:
        DROPPED.labels(reason=error.reason).inc()
        log.info("audit given up", extra={"reason": error.reason})
    except Exception:
        # Nobody awaits the task: an error of our own would vanish with it.
        log.exception("an audit failed")
        DROPPED.labels(reason="bug").inc()


async def _ask(plan: Plan, case: _Case, parts: Parts) -> Asked:
    """Ask the targets of the call once more and record it; raises _Dropped if none answers."""
    asked = await asking.ask(plan, parts, _REPORT, None, time.monotonic())
    outcome = (
        asking.answered(plan, asked, _REPORT)
        if isinstance(asked, Asked)
        else asking.refused(plan, asked, _REPORT)
    )
    record = record_of(
        plan.call.admission, plan.call.endpoint, replace(outcome, cache=None), plan.call, purpose="audit"
    )
    parts.finish(replace(record, entry_id=case.hit.entry, decision={"audit_of": shown(case.request_id)}))
    if not isinstance(asked, Asked):
        raise _Dropped("upstream")
    return asked


def _of_nobody(plan: Plan) -> Plan:
    """Return the plan of a call of its own, which counts against no limit."""
    return plan.of(Admission(arrival=Arrival.now(), caller=plan.call.admission.caller))


def _is_whole(answer: StoredAnswer) -> bool:
    return answer.finish_reason == "stop" and bool(answer.text.strip())


def _is_near(plan: Plan, missed: SimilarMiss) -> bool:
    """Whether a refused neighbour was near enough to be worth a comparison."""
    if missed.reason in _OTHER_REASONS or missed.similarity is None:
        return False
    return missed.similarity >= min(plan.rules.staff_floor, plan.rules.least_similarity - _NEAR)


async def _verifier(hit: AskedHit, parts: Parts) -> Verifier | None:
    if parts.cross_encoder is not None:
        return await parts.cross_encoder.judge(hit.question, [hit.stored_question])
    return parts.verifier_of(hit.vector.embedder_id)


def _pair(case: _Case, judgement: Judgement, cost_nano: int) -> NewPair:
    hit = case.hit
    # What holds somebody's details is nobody else's to read.
    is_personal = "/user:" in case.plan.cacheability.owner
    return NewPair(
        tenant_id=case.plan.tenant_id,
        origin=case.origin,
        request_id=case.request_id,
        entry=hit.entry,
        scope=hit.scope,
        embedder_id=hit.vector.embedder_id,
        question="" if is_personal else hit.question,
        stored_question="" if is_personal else hit.stored_question,
        similarity=hit.similarity,
        verifier_score=hit.verifier_score,
        verifier=hit.verifier,
        floor=hit.floor,
        mode=hit.mode,
        verdict=case.verdict,
        label=judgement.label,
        method=judgement.method,
        judge=judgement.judge,
        cost_nano=cost_nano,
    )
