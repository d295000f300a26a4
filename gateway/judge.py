"""Asking a tenant's judge: a model of its own that says whether two answers say the same."""

import time
from dataclasses import dataclass

from gateway.admission import Arrival
from gateway.affinity import affinity_of
from gateway.asking import cost_of
from gateway.attempts import Answered, Question, ask_with_retries
from gateway.call import ChatOutcome, PartialAnswer
from gateway.judging import PROMPT_VERSION, Answers, Verdict, judge_messages, read_verdict
from gateway.parts import Parts
from gateway.planning import Plan
from gateway.records import record_of
from routing.catalog import Catalog, Target, TenantRules
from routing.selection import AUTO, Ask, Chosen, select

#: One word; models that think before they speak need room for it.
_MOST_TOKENS = 512


@dataclass(kw_only=True)
class Judge:
    """The judge of one comparison, and what it came to cost."""

    plan: Plan
    parts: Parts
    target: Target
    cost_nano: int = 0

    async def ask(self, answers: Answers) -> tuple[Verdict, str]:
        """Return the verdict and who gave it; a judge that can't be asked leaves it unsure."""
        arrival, began = Arrival.now(), time.monotonic()
        catalog = self.plan.call.admission.gateway.part(Catalog)
        body = {"messages": judge_messages(answers), "temperature": 0, "max_tokens": _MOST_TOKENS}
        result = await ask_with_retries(
            self.parts.upstream,
            Question(
                targets=(self.target,),
                accesses={access.slug: access for access in catalog.providers},
                body=body,
                started=began,
                max_attempts=1,
                affinity=lambda: affinity_of(self.plan.tenant_id, body),
            ),
            health=self.parts.upstream_health,
            budget=self.parts.retry_budget,
        )
        name = f"{self.target.full_name} {PROMPT_VERSION}"
        if not isinstance(result, Answered):
            return "unsure", name
        self.cost_nano = cost_of(result.target, result.answer.usage)
        self._record(arrival, result, (time.monotonic() - began) * 1000)
        return read_verdict(result.answer.text), name

    def _record(self, arrival: Arrival, result: Answered, upstream_ms: float) -> None:
        given, call = result.answer, self.plan.call
        outcome = ChatOutcome(
            partial=PartialAnswer(
                model=result.target.name,
                provider=result.target.provider,
                input_tokens=given.usage.input_tokens,
                output_tokens=given.usage.output_tokens,
                finish_reason=given.finish_reason,
                cached_input_tokens=given.usage.cached_input_tokens,
                reasoning_tokens=given.usage.reasoning_tokens,
                estimated=given.estimated,
            ),
            cost_nano=self.cost_nano,
            upstream_ms=upstream_ms,
            attempts=tuple(attempt.as_dict() for attempt in result.attempts),
        )
        admission = call.admission._replace(arrival=arrival)
        self.parts.finish(record_of(admission, call.endpoint, outcome, purpose="audit"))


def judge_of(plan: Plan, parts: Parts) -> Judge | None:
    """Return the judge that the tenant names, if it does and the call's key may use that model."""
    name = plan.rules.judge_model
    if not name or name == AUTO:
        return None
    admission = plan.call.admission
    ask = Ask(model_asked=name, score=0.0, label="simple", tags=(), allowed=admission.key.allows_model)
    chosen = select(admission.gateway.part(Catalog), admission.tenant.part(TenantRules), ask)
    return Judge(plan=plan, parts=parts, target=chosen.targets[0]) if isinstance(chosen, Chosen) else None
