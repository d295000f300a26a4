"""What a cache policy would have done with past requests: hits, wrong ones, money, room.

The plan, the decision and the choice of what is kept are those that serve (gateway.evaluation). Left out are the
jitter of TTLs, size caps, stale answers, layers that fail, tombstones, pins and aliases.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

import numpy as np

from caching import answers
from caching.answers import StoredAnswer
from caching.decision import Verifier
from caching.embedder import TextEncoder
from caching.embedding import Embedder, EmbeddingUnavailable
from caching.judged import Label
from caching.truth import CONFIDENCE, FIRST_RATE, Interval, audits_needed, exact_interval
from caching.vectors import Vector, vector_of
from gateway import storing
from gateway.errors import Refusal
from gateway.evaluation import FirstComeCache, Question, Verdict, with_vectors
from gateway.judging import Answers, compare
from gateway.past_requests import PastRequest
from gateway.planning import plan_call
from gateway.scene import Scene
from routing.pricing import cost_nano, price_at

#: What Postgres keeps of an entry besides question, answer and vector: two digests, names, times, headers.
_ROW_BYTES = 260
#: Characters to a token, where an answer's length is known in tokens only.
_CHARACTERS = 4
_BYTES_OF_HALF = 2
_MONTH_S = 30 * 86_400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """What the caches themselves cost, and what bounds it."""

    embedding_usd: float
    """Per million tokens; 0 for a worker of one's own."""
    audit_budget_usd: float
    """A month."""
    audits: bool
    """Whether hits are sampled and asked again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WrongShare:
    """The share of semantic hits that would have been wrong, as far as it can be told."""

    source: Literal["labels", "verifier", "none"]
    """`labels`: counted by the rows' classes or, as audits do, by comparing answers; with the exact binomial
    interval. `verifier`: expected by its probabilities; the interval is that of chance alone, as if they were
    right. `none`: nothing tells."""
    hits: int
    """How many hits the share is of."""
    unsure: int
    """Hits besides, whose answers could be told neither the same nor different."""
    wrong: float
    share: float | None
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """What is kept at the fullest moment. Bytes are about those of rows and values, without indexes."""

    entries: int
    entry_bytes: int
    exact_answers: int
    exact_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Money:
    """In nano-USD, at the catalogue's prices of now. Net = saved less embedding and audits."""

    cost: int
    """Of the calls that still go upstream."""
    saved: int
    embedding: int
    audits: int

    @property
    def net(self) -> int:
        return self.saved - self.embedding - self.audits


@dataclass(frozen=True, kw_only=True, slots=True)
class Simulation:
    """What became of all requests; every one of them is in exactly one count."""

    requests: int
    hits_memory: int
    """Exact hits within the time that one process keeps an answer; 0 where the log tells no times."""
    hits_exact: int
    hits_semantic: int
    misses: dict[str, int]
    bypassed: dict[str, int]
    refused: dict[str, int]
    """Requests that get no answer at all, by error code."""
    wrong: WrongShare
    wrong_exact: WrongShare
    """Of the exact hits, where labels tell: a repeat whose answer has changed since."""
    money: Money | None
    """None: no prices are known."""
    room: Room
    span_s: float | None
    """From the first request to the last; None: the log tells no times."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ended:
    """One request and what became of it."""

    place: int
    request: PastRequest
    question: Question
    verdict: Verdict
    cost: int | None
    """What asking upstream costs."""
    in_memory: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Truth:
    """What tells right hits from wrong ones."""

    told: Mapping[int, Label]
    verifier: Verifier | None


@dataclass(kw_only=True)
class _Kept:
    """What was put into the caches, to find the fullest moment."""

    changes: list[tuple[float, int, int]] = field(default_factory=list)

    def add(self, size: int, begins: float, ends: float) -> None:
        self.changes += [(begins, 1, size), (ends, -1, -size)]

    def fullest(self) -> tuple[int, int]:
        """Return count and bytes at the moment of most bytes."""
        count = size = most_count = most_size = 0
        for _, one, change in sorted(self.changes):
            count, size = count + one, size + change
            if size > most_size:
                most_count, most_size = count, size
        return most_count, most_size


@dataclass(kw_only=True)
class _Run:
    """The caches and what they came to hold."""

    scene: Scene
    cache: FirstComeCache
    memory_s: float
    entries: _Kept = field(default_factory=_Kept)
    exact: _Kept = field(default_factory=_Kept)
    used: dict[bytes, float] = field(default_factory=dict)

    def ask(self, place: int, request: PastRequest, question: Question) -> _Ended:
        now = request.at_s or 0.0
        verdict = self.cache.recall(question, now)
        if verdict.of is not None:
            self.cache.attach(question, verdict.of, now)
        else:
            self._keep(place, request, question, now)
        return _Ended(
            place=place,
            request=request,
            question=question,
            verdict=verdict,
            cost=_cost(request, question),
            in_memory=self._touch(question, verdict, request.at_s),
        )

    def _keep(self, place: int, request: PastRequest, question: Question, now: float) -> None:
        plan, answer = question.plan, _answer(place, request, question, now)
        if not storing.may_keep(plan, answer):
            return
        self.cache.store(place, question, now, plan.ttl_s)
        size = len(answers.dump(answer))
        if plan.rules.exact_enabled:
            self.exact.add(size, now, now + plan.ttl_s)
        if question.vector is not None and plan.writes_similar:
            row = _ROW_BYTES + size + len(question.text.encode()) + _BYTES_OF_HALF * len(question.vector)
            self.entries.add(row, now, now + plan.ttl_s)

    def _touch(self, question: Question, verdict: Verdict, at_s: float | None) -> bool:
        """Note that the answer is in memory now, and say whether it was."""
        if at_s is None:
            return False
        exact = question.plan.prints.exact
        held = verdict.reason == "exact" and at_s - self.used.get(exact, -math.inf) <= self.memory_s
        if not held:
            self.used[exact] = at_s
        return held


def simulate(
    requests: Sequence[PastRequest],
    scene: Scene,
    encoder: TextEncoder,
    verifier: Verifier | None,
    prices: Prices,
    *,
    memory_s: float,
    progress: Callable[[int], None] = lambda done: None,
) -> Simulation:
    """Ask the requests, in order of their times, of empty caches under the scene's policy.

    memory_s: how long a process keeps an answer in memory. progress: called with the number of requests done.
    """
    planned: list[tuple[PastRequest, Question]] = []
    refused: Counter[str] = Counter()
    for request in requests:
        question = _planned(request, scene)
        if isinstance(question, Refusal):
            refused[question.code] += 1
        else:
            planned.append((request, question))
    questions = with_vectors([question for _, question in planned], encoder)
    run = _Run(scene=scene, cache=FirstComeCache(verifier), memory_s=memory_s)
    ended = []
    for place, ((request, _), question) in enumerate(zip(planned, questions, strict=True)):
        ended.append(run.ask(place, request, question))
        progress(place + 1)
    told = asyncio.run(_labels(ended, encoder))
    return _summed(ended, run, refused, prices, _Truth(told=told, verifier=verifier))


def _planned(request: PastRequest, scene: Scene) -> Question | Refusal:
    call = scene.call(request.question, request.key)
    start = time.perf_counter()
    plan = plan_call(call)
    if isinstance(plan, Refusal):
        return plan
    return Question(plan=plan, vector=None, seconds=time.perf_counter() - start)


def _cost(request: PastRequest, question: Question) -> int | None:
    price = price_at(question.plan.targets[0], time.time())
    return None if price is None else cost_nano(price, request.usage)


def _answer(place: int, request: PastRequest, question: Question, now: float) -> StoredAnswer:
    text = request.answer or "x" * max(1, _CHARACTERS * request.usage.output_tokens)
    target = question.plan.targets[0]
    return StoredAnswer(
        entry=UUID(int=place),
        text=text,
        message={"role": "assistant", "content": text},
        model=target.name,
        provider=target.provider,
        finish_reason="stop",
        input_tokens=request.usage.input_tokens,
        output_tokens=request.usage.output_tokens,
        cost_nano=0,
        complexity=question.plan.route.complexity,
        key_public_id=request.key,
        request_id=UUID(int=place),
        created_at=now,
        expires_at=now + question.plan.ttl_s,
    )


def _summed(
    ended: Sequence[_Ended],
    run: _Run,
    refused: Counter[str],
    prices: Prices,
    truth: _Truth,
) -> Simulation:
    hits = [each for each in ended if each.verdict.hit]
    semantic = [each for each in hits if each.verdict.reason is None]
    exact = [each for each in hits if each.verdict.reason == "exact"]
    missed = [each for each in ended if not each.verdict.hit]
    wrong = _wrong_share(semantic, truth.told, truth.verifier)
    times = [each.request.at_s for each in ended if each.request.at_s is not None]
    span_s = times[-1] - times[0] if times else None
    months = max(1.0, (span_s or 0.0) / _MONTH_S)
    entries, exact_kept = run.entries.fullest(), run.exact.fullest()
    return Simulation(
        requests=len(ended) + refused.total(),
        hits_memory=sum(each.in_memory for each in exact),
        hits_exact=sum(not each.in_memory for each in exact),
        hits_semantic=len(semantic),
        misses=_by_reason(each for each in missed if not each.verdict.bypassed),
        bypassed=_by_reason(each for each in missed if each.verdict.bypassed),
        refused=dict(refused.most_common()),
        wrong=wrong,
        wrong_exact=_wrong_share(exact, truth.told, None),
        money=_money(ended, prices, audits=_audits(semantic, wrong, run.scene, months), months=months),
        room=Room(
            entries=entries[0],
            entry_bytes=entries[1],
            exact_answers=exact_kept[0],
            exact_bytes=exact_kept[1],
        ),
        span_s=span_s,
    )


def _by_reason(ended: Iterable[_Ended]) -> dict[str, int]:
    return dict(Counter(each.verdict.reason or "new" for each in ended).most_common())


def _money(ended: Sequence[_Ended], prices: Prices, *, audits: float, months: float) -> Money | None:
    """audits: what they would cost if no budget bounded them."""
    if not ended or any(each.cost is None for each in ended):
        return None
    embedded = {each.question.text: each.request for each in ended if each.question.vector is not None}
    tokens = sum(request.usage.input_tokens for request in embedded.values())
    budget = prices.audit_budget_usd * 1e9 * months if prices.audits else 0.0
    return Money(
        cost=sum(each.cost or 0 for each in ended if not each.verdict.hit),
        saved=sum(each.cost or 0 for each in ended if each.verdict.hit),
        embedding=math.ceil(tokens * prices.embedding_usd * 1000),
        audits=math.ceil(min(audits, budget)),
    )


def _audits(semantic: Sequence[_Ended], wrong: WrongShare, scene: Scene, months: float) -> float:
    """Return what audits of these hits would cost in nano-USD: as many as hold the interval of a month."""
    if not semantic:
        return 0.0
    needed = audits_needed(wrong.share or 0.0, scene.rules.target_wrong_share)
    count = min(FIRST_RATE * len(semantic), months * needed)
    return count * sum(hit.cost or 0 for hit in semantic) / len(semantic)


def _wrong_share(hits: Sequence[_Ended], told: Mapping[int, Label], verifier: Verifier | None) -> WrongShare:
    """told: by the place of the request in the log."""
    labels = [told.get(hit.place) for hit in hits]
    # A share of a part of the hits would be one of whatever hits happen to be labelled.
    if labels and None not in labels:
        judged, wrong = len(labels) - labels.count("unsure"), labels.count("different")
        return _share("labels", judged, wrong, exact_interval(wrong, judged), unsure=labels.count("unsure"))
    if verifier is None or not hits:
        return _share("none", len(hits), 0.0, Interval(low=0.0, high=1.0))
    doubts = [1.0 - hit.verdict.score for hit in hits]
    return _share("verifier", len(hits), sum(doubts), chance_interval(doubts))


def _share(
    source: Literal["labels", "verifier", "none"],
    hits: int,
    wrong: float,
    interval: Interval,
    *,
    unsure: int = 0,
) -> WrongShare:
    return WrongShare(
        source=source,
        hits=hits,
        unsure=unsure,
        wrong=wrong,
        share=wrong / hits if hits and source != "none" else None,
        low=interval.low,
        high=interval.high,
    )


async def _labels(ended: Sequence[_Ended], encoder: TextEncoder) -> dict[int, Label]:
    """Say of each hit, by its place, whether the served answer is its own, as far as the log tells."""
    embedder, told = _PatientEncoder(encoder), {}
    for hit in ended:
        if hit.verdict.of is not None:
            label = await _label(hit, ended[hit.verdict.of], embedder)
            if label is not None:
                told[hit.place] = label
    return told


async def _label(hit: _Ended, source: _Ended, embedder: Embedder) -> Label | None:
    asked, served = hit.request, source.request
    if asked.label is not None and served.label is not None:
        return "same" if asked.label == served.label else "different"
    if not asked.answer or not served.answer:
        return None
    compared = Answers(
        question=hit.question.text,
        stored_question=source.question.text,
        stored=served.answer,
        fresh=asked.answer,
    )
    return (await compare(compared, embedder, tenant_id=0)).label


class _PatientEncoder:
    """The encoder as what compares answers asks for it."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder

    async def embed(self, tenant_id: int, text: str) -> Vector:
        (encoded,) = self._encoder.encode([text])
        if isinstance(encoded, str):
            raise EmbeddingUnavailable(encoded)
        return vector_of(self._encoder.embedder_id, encoded)

    async def embed_patiently(self, tenant_id: int, text: str) -> Vector:
        return await self.embed(tenant_id, text)


def chance_interval(doubts: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Return between which shares the wrong ones lie by chance, if each is wrong with this probability.

    It knows nothing of how good the probabilities are. doubts: at least one.
    """
    chances = np.ones(1)
    for doubt in doubts:
        chances = np.convolve(chances, (1.0 - doubt, doubt))
    below, tail = np.cumsum(chances), (1.0 - confidence) / 2
    low = int(np.searchsorted(below, tail))
    high = int(np.searchsorted(below, 1.0 - tail))
    return Interval(low=low / len(doubts), high=min(high, len(doubts)) / len(doubts))
