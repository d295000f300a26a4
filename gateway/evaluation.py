"""Runs questions through the plan and the decision that serve requests, without a service or a database.

Vectors are rounded as the store rounds them, so that similarities are those of a running gateway.
"""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, assert_never
from uuid import UUID

import numpy as np
import numpy.typing as npt

from caching.cacheability import Cacheability
from caching.decision import CANDIDATES, Asked, Decision, Neighbour, Refuse, Serve, Verifier, decide
from caching.embedder import Encoded, TextEncoder, Vector
from caching.policy import CacheRules
from caching.vectors import vector_of
from gateway.errors import Refusal
from gateway.planning import Plan, plan_call
from gateway.scene import DEFAULT_KEY, Scene, default_scene
from gateway.schemas import ChatRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A planned question, and its vector."""

    plan: Plan
    vector: "Vector | None"
    """None: L2 is left out."""
    seconds: float
    """Spent on the plan."""

    @property
    def text(self) -> str:
        return self.plan.prints.text


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What became of one question."""

    hit: bool
    of: int | None = None
    """Place of the entry whose answer was served."""
    similarity: float | None = None
    """To the nearest entry; None: none was looked for."""
    score: float = 0.0
    """0 to 1, higher is surer: what the verifier gave (1 for an exact repeat), 0 where a guard refused, and for an
    entry below the floor its similarity, scaled to lie below every limit. Without a verifier the similarity."""
    reason: str | None = None
    """`exact` for a repeat, None for a semantic hit, else why there is no hit."""
    bypassed: bool = False
    seconds: float = 0.0
    """Spent on planning and deciding, without embedding and search."""


@dataclass(kw_only=True)
class ScoresHeard:
    """A verifier that remembers what it said, unrounded."""

    verifier: Verifier
    heard: dict[str, float] = field(default_factory=dict)
    """By stored question, of the last question."""

    @property
    def version(self) -> str:
        return self.verifier.version

    def limit(self, mode: Literal["strict", "balanced"]) -> float:
        return self.verifier.limit(mode)

    def score(self, question: str, stored: str, similarity: float) -> float:
        self.heard[stored] = self.verifier.score(question, stored, similarity)
        return self.heard[stored]


@dataclass(kw_only=True)
class _Entries:
    """The entries of one scope. An entry's place is the row that made it."""

    kept: list[tuple[int, Question]] = field(default_factory=list)
    vectors: Vector = field(default_factory=lambda: np.empty((0, 0), np.float32))
    expiries: "npt.NDArray[np.float64]" = field(default_factory=lambda: np.empty(0, np.float64))

    def nearest(self, vector: Vector, now: float) -> list[Neighbour]:
        """Return the unexpired entries nearest to the vector."""
        count = len(self.kept)
        similarities = np.where(self.expiries[:count] > now, self.vectors[:count] @ vector, -math.inf)
        # Sorting them all would take longer than everything else.
        best = np.argpartition(-similarities, min(CANDIDATES, count - 1))[:CANDIDATES]
        found = [self._neighbour(int(index), float(similarities[index])) for index in sorted(best)]
        return sorted((each for each in found if each.similarity > -math.inf), key=_furthest)

    def append(self, place: int, question: Question, vector: Vector, expiry: float) -> None:
        """Add an entry, doubling the room for vectors when it is used up."""
        count = len(self.kept)
        if count == len(self.vectors):
            grown = np.zeros((max(2 * count, 1), len(vector)), np.float32)
            grown[:count] = self.vectors.reshape(count, len(vector))
            self.vectors = grown
            self.expiries = np.resize(self.expiries, len(grown))
        self.vectors[count], self.expiries[count] = vector, expiry
        self.kept.append((place, question))

    def _neighbour(self, index: int, similarity: float) -> Neighbour:
        place, stored = self.kept[index]
        return Neighbour(
            entry=UUID(int=place),
            similarity=similarity,
            question=stored.text,
            complexity=stored.plan.route.complexity,
            model=stored.plan.targets[0].name,
        )


def _furthest(neighbour: Neighbour) -> float:
    return -neighbour.similarity


class FirstComeCache:
    """Both caches of one process: entries by fingerprint, and by vector in each scope."""

    def __init__(self, verifier: Verifier | None) -> None:
        """verifier: None measures what floor and guards alone decide."""
        self._verifier = ScoresHeard(verifier=verifier) if verifier else None
        self._exact: dict[bytes, int] = {}
        self._scopes: dict[bytes, _Entries] = {}
        self._expiries: dict[int, float] = {}

    def recall(self, question: Question, now: float = 0.0) -> Verdict:
        """Say whether the caches answer a question at a moment (seconds), and out of which entry."""
        plan = question.plan
        judged = plan.cacheability
        if not judged.cacheable or not plan.call.cache.reads:
            reason = judged.reason if not judged.cacheable else plan.call.cache.mode
            return Verdict(hit=False, reason=reason, bypassed=True, seconds=question.seconds)
        place = self._exact.get(plan.prints.exact)
        if place is not None and self._expiries[place] > now and plan.reads_exact:
            return Verdict(
                hit=True, of=place, similarity=1.0, score=1.0, reason="exact", seconds=question.seconds
            )
        if plan.withheld:
            return Verdict(hit=False, reason=plan.withheld, seconds=question.seconds)
        if question.vector is None or not plan.reads_similar:
            return Verdict(hit=False, reason=judged.reason, seconds=question.seconds)
        return self._recall_similar(question, question.vector, now)

    def store(self, place: int, question: Question, now: float = 0.0, ttl_s: float = math.inf) -> None:
        """Keep the answer that row `place` got from upstream."""
        plan, expiry = question.plan, now + ttl_s
        self._expiries[place] = expiry
        self._keep_exact(question, place, now)
        if question.vector is not None and plan.writes_similar:
            entries = self._scopes.setdefault(plan.prints.scope, _Entries())
            entries.append(place, question, question.vector, expiry)

    def attach(self, question: Question, place: int, now: float = 0.0) -> None:
        """Keep the fingerprint of a question that an entry answered: its repeat is an exact hit."""
        if question.plan.writes:
            self._keep_exact(question, place, now)

    def _keep_exact(self, question: Question, place: int, now: float) -> None:
        exact = question.plan.prints.exact
        held = self._exact.get(exact)
        if question.plan.rules.exact_enabled and (held is None or self._expiries[held] <= now):
            self._exact[exact] = place

    def _recall_similar(self, question: Question, vector: Vector, now: float) -> Verdict:
        entries = self._scopes.get(question.plan.prints.scope)
        neighbours = entries.nearest(vector, now) if entries else []
        if self._verifier:
            self._verifier.heard.clear()
        start = time.perf_counter()
        decision = decide(self._asked(question), neighbours)
        return self._verdict(decision, question.seconds + time.perf_counter() - start)

    def _asked(self, question: Question) -> Asked:
        plan = question.plan
        return Asked(
            question=question.text,
            rules=plan.rules,
            complexity=plan.route.complexity,
            allowed=plan.call.admission.caller.usable_models.__contains__,
            verifier=self._verifier,
        )

    def _verdict(self, decision: Decision, seconds: float) -> Verdict:
        match decision:
            case Serve(neighbour=served):
                return Verdict(
                    hit=True,
                    of=served.entry.int,
                    similarity=served.similarity,
                    score=self._score(served, None),
                    seconds=seconds,
                )
            case Refuse(nearest=nearest, reason=reason):
                return Verdict(
                    hit=False,
                    similarity=nearest.similarity if nearest else None,
                    score=self._score(nearest, reason) if nearest else 0.0,
                    reason=reason,
                    seconds=seconds,
                )
            case _:
                assert_never(decision)

    def _score(self, neighbour: Neighbour, reason: str | None) -> float:
        if reason not in (None, "below_floor", "verifier"):
            return 0.0
        if self._verifier is None:
            return neighbour.similarity
        if reason == "below_floor":
            lowest = min(self._verifier.limit("strict"), self._verifier.limit("balanced"))
            return max(neighbour.similarity, 0.0) * lowest
        return self._verifier.heard[neighbour.question]


def ask_pairs(
    pairs: Iterable[tuple[str, str]],
    encoder: TextEncoder,
    rules: CacheRules,
    *,
    bypass: bool,
    verifier: Verifier | None,
) -> list[Verdict]:
    """Say for each (a, b) whether an entry of `a`, alone in the cache, serves `b`.

    bypass: False leaves the cacheability step out. verifier: None measures what floor and guards alone decide.
    """
    pairs = list(pairs)
    questions = prepare([text for pair in pairs for text in pair], encoder, rules, bypass=bypass)
    return answer_pairs(list(zip(questions[::2], questions[1::2], strict=True)), verifier)


def answer_pairs(pairs: Sequence[tuple[Question, Question]], verifier: Verifier | None) -> list[Verdict]:
    """The same for questions that are prepared."""
    return [_ask_pair(a, b, verifier) for a, b in pairs]


def _ask_pair(a: Question, b: Question, verifier: Verifier | None) -> Verdict:
    cache = FirstComeCache(verifier)
    if a.plan.writes:
        cache.store(0, a)
    verdict = cache.recall(b)
    if verdict.reason == "no_neighbour":
        return replace(verdict, reason=a.plan.withheld or a.plan.cacheability.reason)
    return verdict


def ask_stream(
    texts: Sequence[str],
    encoder: TextEncoder,
    rules: CacheRules,
    *,
    bypass: bool,
    verifier: Verifier | None,
) -> list[Verdict]:
    """Ask the questions in order of an empty cache that keeps every answer it didn't have."""
    return answer_stream(prepare(texts, encoder, rules, bypass=bypass), verifier)


def answer_stream(questions: Iterable[Question], verifier: Verifier | None) -> list[Verdict]:
    """The same for questions that are prepared."""
    cache = FirstComeCache(verifier)
    verdicts = []
    for place, question in enumerate(questions):
        verdict = cache.recall(question)
        verdicts.append(verdict)
        if verdict.of is not None:
            cache.attach(question, verdict.of)
        elif question.plan.writes:
            cache.store(place, question)
    return verdicts


def prepare(texts: Sequence[str], encoder: TextEncoder, rules: CacheRules, *, bypass: bool) -> list[Question]:
    """Plan and embed questions that are one user message each. bypass: False leaves the cacheability step out."""
    scene = default_scene(rules)
    planned = {text: _planned(text, scene, bypass=bypass) for text in dict.fromkeys(texts)}
    embedded = with_vectors(list(planned.values()), encoder, judge_freshness=bypass)
    ready = dict(zip(planned, embedded, strict=True))
    return [ready[text] for text in texts]


def _planned(text: str, scene: Scene, *, bypass: bool) -> Question:
    # Unchecked: a row may hold an empty question, which serving would refuse as such.
    call = scene.call(ChatRequest.model_construct(prompt=text))
    start = time.perf_counter()
    plan = plan_call(call)
    if isinstance(plan, Refusal):
        raise AssertionError(f"a plain question was refused: {plan.code}")
    if not bypass:
        ordinary = Cacheability(cacheable=True, semantic=True, owner=f"key:{DEFAULT_KEY}", reason=None)
        plan = replace(plan, cacheability=ordinary)
    return Question(plan=plan, vector=None, seconds=time.perf_counter() - start)


def with_vectors(
    questions: Sequence[Question], encoder: TextEncoder, *, judge_freshness: bool = True
) -> list[Question]:
    """Return the questions with the vectors of those that may use L2, and with their freshness; a text is embedded
    once."""
    due = [question.text for question in questions if question.plan.cacheability.semantic]
    texts = list(dict.fromkeys(due))
    encoded = dict(zip(texts, encoder.encode(texts), strict=True))
    embedded = [
        _with_vector(question, encoded[question.text]) if question.plan.cacheability.semantic else question
        for question in questions
    ]
    return [_judged(each, encoder.embedder_id) for each in embedded] if judge_freshness else embedded


def _with_vector(question: Question, encoded: Encoded) -> Question:
    if isinstance(encoded, str):
        judged = replace(question.plan.cacheability, semantic=False, reason=encoded)
        return replace(question, plan=replace(question.plan, cacheability=judged))
    return replace(question, vector=_as_stored(encoded))


def _judged(question: Question, embedder_id: str) -> Question:
    """Return the question with its freshness, as a call has it that asks upstream."""
    start = time.perf_counter()
    vector = None if question.vector is None else vector_of(embedder_id, question.vector.tolist())
    plan = question.plan.judged(vector)
    return replace(question, plan=plan, seconds=question.seconds + time.perf_counter() - start)


def _as_stored(vector: Vector) -> Vector:
    """Round to half precision as the vector column does."""
    rounded = vector.astype(np.float16).astype(np.float32)
    return (rounded / np.linalg.norm(rounded)).astype(np.float32)
