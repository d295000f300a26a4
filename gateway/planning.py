"""The plan of a call: everything that can be decided about it without asking anybody. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from caching.cacheability import Cacheability, RequestFacts, judge
from caching.fingerprint import CacheQuestion, Fingerprints, fingerprints, last_user_text
from caching.policy import CacheRules, CacheSwitches
from caching.staleness import StaleWindows
from caching.vectors import Vector
from gateway import errors
from gateway.admission import Admission
from gateway.call import ChatCall, RouteReport
from gateway.errors import Refusal
from routing import complexity, freshness
from routing.catalog import Catalog, Target, TenantRules
from routing.freshness import Freshness, Kind, Lifetimes, ttl_for
from routing.selection import Ask, Chosen, Denied, NotAllowed, UnknownModel, resolve_alias, select

#: Fields by which an answer may call, or look up, something.
_TOOLS = ("tools", "functions", "web_search_options")
#: Fields that ask for more than a message.
_MORE = ("logprobs", "audio", "modalities")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What identifies a question, which caches it may use, and where it goes if they don't know it."""

    call: ChatCall
    prints: Fingerprints
    cacheability: Cacheability
    rules: CacheRules
    route: RouteReport
    targets: tuple[Target, ...]
    semantic_allowed: bool
    """Whether the switches of tenant and gateway let L2 run at all."""
    freshness: Freshness | None = None
    """How long an answer stays true; None until `judged`, which exact hits are spared."""

    def of(self, admission: Admission) -> "Plan":
        """Return the same plan for another call of the same caller with the same body."""
        return replace(self, call=replace(self.call, admission=admission))

    def judged(self, vector: Vector | None) -> "Plan":
        """Return the plan with the freshness of its question. vector: the question's, if it is known."""
        found = freshness.score(
            self.prints.text,
            vector.values if vector else None,
            vector.embedder_id if vector else None,
            self.rules.freshness_cut,
        )
        return replace(self, freshness=found)

    @property
    def tenant_id(self) -> int:
        return self.call.admission.tenant_id

    @property
    def reads_exact(self) -> bool:
        return self.cacheability.cacheable and self.rules.exact_enabled and self.call.cache.reads

    @property
    def reads_similar(self) -> bool:
        return self._semantic and self.call.cache.reads

    @property
    def writes(self) -> bool:
        return self.cacheability.cacheable and self.call.cache.writes and self.ttl_s > 0

    @property
    def writes_similar(self) -> bool:
        return self._semantic and self.writes and self.withheld is None

    @property
    def withheld(self) -> Kind | None:
        """What kind of question keeps L2 from answering it and from answering others by it; None: it may."""
        return self._kind if self._kind in ("live", "personal") else None

    @property
    def ttl_s(self) -> int:
        """For how many seconds the answer is kept; 0: it isn't."""
        rules = self.rules
        lifetimes = Lifetimes(
            static=rules.static_ttl_seconds,
            slow=rules.ttl_seconds,
            live=rules.live_ttl_seconds,
            longest=rules.max_ttl_seconds,
        )
        return ttl_for(self._kind, lifetimes, self.call.cache.ttl_s)

    @property
    def _kind(self) -> Kind:
        """The question's kind as far as it is known. What is personal is ordinary in the person's own scope."""
        kind = self.freshness.acted_on if self.freshness else "slow"
        return "slow" if kind == "personal" and "/user:" in self.cacheability.owner else kind

    @property
    def stale_windows(self) -> StaleWindows:
        """How long past their time answers may serve the call; what can't be asked anew isn't served meanwhile."""
        return StaleWindows(
            while_revalidate_s=self.rules.stale_while_revalidate_seconds if self.writes else 0.0,
            on_error_s=self.rules.stale_on_error_seconds,
        )

    @property
    def _semantic(self) -> bool:
        return self.cacheability.cacheable and self.cacheability.semantic and self.semantic_allowed


def plan_call(call: ChatCall) -> Plan | Refusal:
    """Return the plan, or why the call may not go on: no such model, none that it may use, no such feature.

    A refusal has to win over a hit, so the target is chosen before the caches are asked.
    """
    admission = call.admission
    catalog = admission.gateway.part(Catalog)
    rules = admission.tenant.part(CacheRules)
    question = last_user_text(call.messages)
    hard = complexity.score([_text(message.get("content")) for message in call.messages], question)
    ask = Ask(
        model_asked=call.model_asked,
        score=hard.score,
        label=hard.label,
        tags=call.tags,
        allowed=admission.key.allows_model,
    )
    chosen = select(catalog, admission.tenant.part(TenantRules), ask)
    if not isinstance(chosen, Chosen):
        return _refusal(chosen, call.model_asked)
    cacheability = judge(_facts(call, question), rules)
    prints = fingerprints(
        CacheQuestion(
            tenant_id=admission.tenant_id,
            owner=cacheability.owner,
            model=resolve_alias(catalog, call.model_asked),
            messages=call.messages,
            params=call.params,
            epoch=rules.epoch,
        )
    )
    return Plan(
        call=call,
        prints=prints,
        cacheability=cacheability,
        rules=rules,
        route=RouteReport(complexity=hard.label, score=hard.score, rule=chosen.rule),
        targets=chosen.targets,
        semantic_allowed=rules.semantic_enabled and admission.gateway.part(CacheSwitches).semantic_enabled,
    )


def _refusal(selection: Denied | UnknownModel | NotAllowed, model: str) -> Refusal:
    match selection:
        case Denied(rule=rule):
            return errors.denied_by_rule(rule)
        case UnknownModel():
            return errors.model_not_found(model)
        case NotAllowed():
            return errors.model_not_allowed(model)


def _facts(call: ChatCall, question: str) -> RequestFacts:
    return RequestFacts(
        texts=tuple(_said(call.messages)),
        question=question,
        turns=sum(message["role"] in ("user", "assistant") for message in call.messages),
        has_tools=any(call.params.get(name) for name in _TOOLS) or any(map(_uses_tools, call.messages)),
        # What a stored answer has no room for.
        has_more=any(call.params.get(name) for name in _MORE),
        has_images=any(_has_image(message.get("content")) for message in call.messages),
        temperature=call.params.get("temperature"),
        answers=call.params.get("n") or 1,
        key_public_id=call.admission.key.public_id,
        user=call.user,
    )


def _said(messages: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what was said in the conversation. Instructions are the application's own words: a support address in
    them is nobody's personal detail, and they are part of the scope anyway."""
    for message in messages:
        if message["role"] not in ("system", "developer"):
            yield _text(message.get("content"))


def _text(content: object) -> str:
    """Return all text of a message's content, parts joined by line breaks."""
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if part["type"] == "text")
    return content if isinstance(content, str) else ""


def _uses_tools(message: Mapping[str, Any]) -> bool:
    return message["role"] in ("tool", "function") or bool(
        message.get("tool_calls") or message.get("function_call")
    )


def _has_image(content: object) -> bool:
    """Images, sounds, files: whatever isn't text."""
    return isinstance(content, list) and any(part["type"] != "text" for part in content)
