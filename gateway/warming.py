"""Filling the caches ahead of the callers: questions are asked, or given answers kept, as if a key had asked them.

It is the pipeline that asks, under the key's own policy: what is kept already costs nothing (so a run that was
broken off is repeated), what the caches would not keep is not asked, and a question that somebody asks at the same
time is asked once. Calls that reach upstream are recorded with the purpose `warm`: they are no requests, and count
against no limit; their cost is the tenant's.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import ValidationError

from caching.recall import ExactHit
from gateway import asking, recalling, storing, strict_json, tokens
from gateway.admission import Admission, Arrival, Caller
from gateway.attempts import Answered
from gateway.errors import Refusal
from gateway.pipeline import Begun
from gateway.planning import Plan, plan_call
from gateway.reading import call_of
from gateway.records import record_of
from gateway.refreshing import embedded
from gateway.runtime import RunningParts
from gateway.schemas import ChatRequest
from gateway.strict_json import BadJson
from gateway.upstream import UpstreamAnswer
from routing.pricing import Usage, cost_nano, price_at

Ending = Literal["asked", "given", "kept", "not_kept", "refused", "failed"]
"""`kept`: the caches answer it already; `not_kept`: they would not keep its answer, so it isn't asked."""

_ENDPOINT = "/chat"
#: In a row: upstream is down, or refuses them all.
_MOST_FAILURES = 10


class BadLine(Exception):
    """A line that is no question; tells its number and why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A question whose answer is wanted in the caches."""

    request: ChatRequest
    answer: str | None = field(default=None, repr=False)
    """Given by the operator: nobody is asked."""
    anew: bool = False
    """Ask even if it is kept: its time is running out."""


@dataclass(kw_only=True)
class Progress:
    """How far a run has come."""

    questions: int
    endings: Counter[Ending] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """Why questions were not kept, refused or failed."""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano: int = 0
    unpriced: int = 0
    """Questions for models without a price: their cost is not known."""
    stopped: Literal["budget", "upstream"] | None = None
    """Why the rest isn't asked: the cost has reached its bound, or upstream fails again and again."""
    failed_in_a_row: int = 0

    @property
    def done(self) -> int:
        return self.endings.total()

    def note(self, ending: Ending, reason: str | None = None) -> None:
        self.endings[ending] += 1
        if reason:
            self.reasons[reason] += 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """What a run may take."""

    per_second: float = 2.0
    """Questions that go upstream."""
    parallel: int = 4
    max_nano: int | None = None
    """Cost at which no more is asked; what is under way then may go beyond by what it was estimated too low."""
    answer_tokens: int = 256
    """Expected of an answer."""


def read_wanted(lines: Iterable[bytes]) -> Iterator[Wanted]:
    """Yield the questions of JSON lines: bodies of `/chat`, each with an optional `answer`. Raises BadLine."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _wanted(strict_json.parse(line))
        except (BadJson, ValidationError) as error:
            what = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise BadLine(f"line {number}: {what}") from error


def _wanted(row: object) -> Wanted:
    if not isinstance(row, dict):
        raise BadJson("a question must be an object")
    answer = row.pop("answer", None)
    if answer is not None and (not isinstance(answer, str) or not answer):
        raise BadJson("answer must be a text")
    return Wanted(request=ChatRequest.model_validate(row), answer=answer)


class Warmer:
    """One run, for one key."""

    def __init__(
        self,
        caller: Caller,
        parts: RunningParts,
        bounds: Bounds,
        *,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        """on_progress: told after each question."""
        self._caller, self._parts, self._bounds = caller, parts, bounds
        self._on_progress = on_progress
        self._next_at = 0.0
        self._reserved_nano = 0

    async def estimate(self, wanted: Sequence[Wanted]) -> Progress:
        """Say what a run would do and cost at the prices of now; nothing is asked. L2 isn't looked into."""
        progress = Progress(questions=len(wanted))
        for each in wanted:
            plan = self.plan(each)
            ending, reason = await self._foreseen(plan, each)
            if ending == "asked" and isinstance(plan, Plan):
                self._add_estimate(plan, progress)
            progress.note(ending, reason)
            self._on_progress(progress)
        return progress

    async def run(self, wanted: Sequence[Wanted]) -> Progress:
        """Have every question answered, and return when all that is to be kept is."""
        progress = Progress(questions=len(wanted))
        pending = iter(wanted)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._bounds.parallel):
                group.create_task(self._work(pending, progress))
        await self._parts.refresher.drain()
        await self._parts.storer.drain()
        return progress

    async def _work(self, pending: Iterator[Wanted], progress: Progress) -> None:
        for each in pending:
            await self._one(each, progress)
            self._on_progress(progress)
            if progress.stopped:
                return

    async def _one(self, wanted: Wanted, progress: Progress) -> None:
        plan = self.plan(wanted)
        ending, reason = await self._foreseen(plan, wanted)
        if ending == "asked" and isinstance(plan, Plan):
            await self._ask(plan, progress)
        elif ending == "given" and isinstance(plan, Plan) and wanted.answer:
            kept = await self._give(plan, wanted.answer)
            progress.note("given" if kept else "not_kept", None if kept else "personal_details")
        else:
            progress.note(ending, reason)

    def plan(self, wanted: Wanted) -> Plan | Refusal:
        """Return the plan of the question as a call of the key that nobody waits for."""
        call = call_of(wanted.request, Admission(arrival=Arrival.now(), caller=self._caller), _ENDPOINT)
        mode = "refresh" if wanted.anew else call.cache.mode
        return plan_call(replace(call, stream=False, cache=replace(call.cache, mode=mode)))

    async def _foreseen(self, plan: Plan | Refusal, wanted: Wanted) -> tuple[Ending, str | None]:
        """Return what becomes of a question, as far as can be told without asking, and why."""
        if isinstance(plan, Refusal):
            return "refused", plan.code
        if not plan.writes:
            return "not_kept", plan.cacheability.reason or "caller"
        if wanted.answer is not None:
            return "given", None
        found = await recalling.exact(plan, self._parts)
        return ("kept" if isinstance(found, ExactHit) and not found.stale else "asked"), None

    async def _ask(self, plan: Plan, progress: Progress) -> None:
        expected = _cost_nano(plan, self._expected(plan)) or 0
        most = self._bounds.max_nano
        if most is not None and progress.cost_nano + self._reserved_nano + expected > most:
            progress.stopped = "budget"
            return
        self._reserved_nano += expected
        try:
            await self._wait_for_turn()
            outcome = await self._parts.answer(plan.call, Begun(plan=plan))
        finally:
            self._reserved_nano -= expected
        progress.cost_nano += outcome.cost_nano
        if outcome.refusal is not None:
            progress.note("failed", outcome.refusal.code)
            progress.failed_in_a_row += 1
            if progress.failed_in_a_row >= _MOST_FAILURES:
                progress.stopped = "upstream"
        elif outcome.cache and outcome.cache.status.startswith("hit"):
            progress.note("kept", outcome.cache.reason or outcome.cache.status)
            return
        else:
            progress.note("asked")
            progress.failed_in_a_row = 0
            if outcome.answer:
                progress.input_tokens += outcome.answer.input_tokens
                progress.output_tokens += outcome.answer.output_tokens
        call = plan.call
        self._parts.records.put(record_of(call.admission, call.endpoint, outcome, call, purpose="warm"))

    async def _give(self, plan: Plan, text: str) -> bool:
        """Keep a given answer as one of the model that would have been asked; return whether it may be kept."""
        target = plan.targets[0]
        message = {"role": "assistant", "content": text}
        choices = ({"index": 0, "message": message, "finish_reason": "stop"},)
        usage = await tokens.in_background(tokens.estimate_usage, _body(plan), choices, target.upstream_name)
        given = UpstreamAnswer(choices=choices, usage=usage, estimated=True, upstream_id="")
        vector = await embedded(plan, self._parts)
        plan = plan.judged(vector)
        answer = asking.answer_of(plan, Answered(target=target, answer=given, attempts=()))
        asked = asking.Asked(
            answer=answer, choices=choices, upstream_ms=0.0, first_token_ms=None, attempts=()
        )
        storing.keep(plan, asked, vector, self._parts)
        return storing.may_keep(plan, answer)

    async def _wait_for_turn(self) -> None:
        now = time.monotonic()
        turn = max(now, self._next_at)
        self._next_at = turn + 1 / self._bounds.per_second
        await asyncio.sleep(turn - now)

    def _add_estimate(self, plan: Plan, progress: Progress) -> None:
        usage = self._expected(plan)
        cost = _cost_nano(plan, usage)
        progress.input_tokens += usage.input_tokens
        progress.output_tokens += usage.output_tokens
        progress.cost_nano += cost or 0
        progress.unpriced += cost is None

    def _expected(self, plan: Plan) -> Usage:
        """Return the usage of an answer of the expected length."""
        usage = tokens.estimate_usage(_body(plan), (), plan.targets[0].upstream_name)
        limits = [plan.call.params.get(name) for name in ("max_tokens", "max_completion_tokens")]
        longest = min((limit for limit in limits if limit), default=self._bounds.answer_tokens)
        return replace(usage, output_tokens=min(longest, self._bounds.answer_tokens))


def _body(plan: Plan) -> Mapping[str, Any]:
    return {"messages": list(plan.call.messages), **plan.call.params}


def _cost_nano(plan: Plan, usage: Usage) -> int | None:
    """Return what the usage costs at the first target's price of now; None if it has none."""
    price = price_at(plan.targets[0], time.time())
    return cost_nano(price, usage) if price else None
