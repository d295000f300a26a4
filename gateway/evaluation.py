"""Runs labelled questions through the decision that serves requests, without a service or a database.

Every question is one user message without parameters, asked with one API key of one tenant. Vectors are
rounded as the store rounds them, so that similarities are those of a running gateway.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never
from uuid import UUID

import numpy as np

from caching.cacheability import Cacheability, RequestFacts, judge
from caching.decision import CANDIDATES, Asked, Decision, Neighbour, Refuse, Serve, Verifier, decide
from caching.embedder import Encoded, TextEncoder, Vector
from caching.fingerprint import CacheQuestion, fingerprints
from caching.models import CachePolicy
from caching.policy import CacheRules, SemanticMode
from routing import complexity

_MODEL = "auto"
_KEY = "evaluation"
_NO_BYPASS = Cacheability(cacheable=True, semantic=True, owner=f"key:{_KEY}", reason=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A question and what the caches need of it."""

    text: str
    exact: bytes
    complexity: str
    cacheability: Cacheability
    vector: "Vector | None"
    """None: L2 is left out."""
    seconds: float
    """Spent on judging it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What became of one question."""

    hit: bool
    of: int | None = None
    """Place of the entry whose answer was served."""
    similarity: float | None = None
    """To the nearest entry; None: none was looked for."""
    score: float = 0.0
    """The similarity, or 0 where anything but the floor refused."""
    reason: str | None = None
    """`exact` for a repeat, None for a semantic hit, else why there is no hit."""
    bypassed: bool = False
    seconds: float = 0.0
    """Spent on judging and deciding, without embedding and search."""


@dataclass(kw_only=True)
class FirstComeCache:
    """Entries of one scope, found by fingerprint and by vector. An entry's place is the row that made it."""

    rules: CacheRules
    verifier: Verifier | None
    _exact: dict[bytes, int] = field(default_factory=dict)
    _entries: list[tuple[int, Question]] = field(default_factory=list)
    _vectors: Vector = field(default_factory=lambda: np.empty((0, 0), np.float32))

    def recall(self, question: Question) -> Verdict:
        """Say whether the caches answer a question, and out of which entry."""
        judged = question.cacheability
        if not judged.cacheable:
            return Verdict(hit=False, reason=judged.reason, bypassed=True, seconds=question.seconds)
        if (place := self._exact.get(question.exact)) is not None:
            return Verdict(
                hit=True, of=place, similarity=1.0, score=1.0, reason="exact", seconds=question.seconds
            )
        if question.vector is None:
            return Verdict(hit=False, reason=judged.reason, seconds=question.seconds)
        return self._recall_similar(question, question.vector)

    def store(self, place: int, question: Question) -> None:
        """Keep the answer that row `place` got from upstream."""
        self._exact.setdefault(question.exact, place)
        if question.vector is not None:
            self._append(question.vector)
            self._entries.append((place, question))

    def attach(self, question: Question, place: int) -> None:
        """Keep the fingerprint of a question that an entry answered: its repeat is an exact hit."""
        self._exact.setdefault(question.exact, place)

    def _recall_similar(self, question: Question, vector: Vector) -> Verdict:
        neighbours = self._nearest(vector)
        start = time.perf_counter()
        asked = Asked(
            question=question.text,
            rules=self.rules,
            complexity=question.complexity,
            allowed=lambda model: model == _MODEL,
            verifier=self.verifier,
        )
        decision = decide(asked, neighbours)
        seconds = question.seconds + time.perf_counter() - start
        return self._verdict(decision, seconds)

    @staticmethod
    def _verdict(decision: Decision, seconds: float) -> Verdict:
        match decision:
            case Serve(neighbour=served):
                cosine = served.similarity
                return Verdict(
                    hit=True, of=served.entry.int, similarity=cosine, score=cosine, seconds=seconds
                )
            case Refuse(nearest=nearest, reason=reason):
                similarity = nearest.similarity if nearest else None
                score = similarity or 0.0 if reason == "below_floor" else 0.0
                return Verdict(hit=False, similarity=similarity, score=score, reason=reason, seconds=seconds)
            case _:
                assert_never(decision)

    def _nearest(self, vector: Vector) -> list[Neighbour]:
        similarities = self._vectors[: len(self._entries)] @ vector if self._entries else np.empty(0)
        best = np.argsort(-similarities, kind="stable")[:CANDIDATES]
        return [self._neighbour(int(index), float(similarities[index])) for index in best]

    def _neighbour(self, index: int, similarity: float) -> Neighbour:
        place, stored = self._entries[index]
        return Neighbour(
            entry=UUID(int=place),
            similarity=similarity,
            question=stored.text,
            complexity=stored.complexity,
            model=_MODEL,
        )

    def _append(self, vector: Vector) -> None:
        """Add a row, doubling the room when it is used up."""
        count = len(self._entries)
        if count == len(self._vectors):
            grown = np.zeros((max(2 * count, 1), len(vector)), np.float32)
            grown[:count] = self._vectors.reshape(count, len(vector))
            self._vectors = grown
        self._vectors[count] = vector


def default_rules(mode: SemanticMode) -> CacheRules:
    """Return the rules of a tenant that has changed nothing but the mode."""
    policy = CachePolicy(semantic_mode=mode)
    return CacheRules(**{name: getattr(policy, name) for name in CacheRules.__dataclass_fields__})


def ask_pairs(
    pairs: Iterable[tuple[str, str]],
    encoder: TextEncoder,
    rules: CacheRules,
    *,
    bypass: bool,
    verifier: Verifier | None,
) -> list[Verdict]:
    """Say for each (a, b) whether an entry of `a`, alone in the cache, serves `b`.

    verifier: None measures what floor and guards alone decide.
    """
    pairs = list(pairs)
    questions = prepare([text for pair in pairs for text in pair], encoder, rules, bypass=bypass)
    return [_ask_pair(a, b, rules, verifier) for a, b in zip(questions[::2], questions[1::2], strict=True)]


def _ask_pair(a: Question, b: Question, rules: CacheRules, verifier: Verifier | None) -> Verdict:
    cache = FirstComeCache(rules=rules, verifier=verifier)
    if a.cacheability.cacheable:
        cache.store(0, a)
    verdict = cache.recall(b)
    if verdict.reason == "no_neighbour":
        return replace(verdict, reason=a.cacheability.reason)
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
    cache = FirstComeCache(rules=rules, verifier=verifier)
    verdicts = []
    for place, question in enumerate(prepare(texts, encoder, rules, bypass=bypass)):
        verdict = cache.recall(question)
        verdicts.append(verdict)
        if verdict.of is not None:
            cache.attach(question, verdict.of)
        elif not verdict.bypassed:
            cache.store(place, question)
    return verdicts


def prepare(texts: Sequence[str], encoder: TextEncoder, rules: CacheRules, *, bypass: bool) -> list[Question]:
    """Judge, fingerprint and embed the questions. bypass: False leaves the judgement out."""
    judged = {text: _judged(text, rules, bypass=bypass) for text in dict.fromkeys(texts)}
    due = [text for text, question in judged.items() if question.cacheability.semantic]
    for text, encoded in zip(due, encoder.encode(due), strict=True):
        judged[text] = _with_vector(judged[text], encoded)
    return [judged[text] for text in texts]


def _judged(text: str, rules: CacheRules, *, bypass: bool) -> Question:
    start = time.perf_counter()
    cacheability = judge(_facts(text), rules) if bypass else _NO_BYPASS
    exact = fingerprints(_cache_question(text, cacheability, rules)).exact
    label = complexity.score((text,), text).label
    return Question(
        text=text,
        exact=exact,
        complexity=label,
        cacheability=cacheability,
        vector=None,
        seconds=time.perf_counter() - start,
    )


def _with_vector(question: Question, encoded: Encoded) -> Question:
    if isinstance(encoded, str):
        judged = replace(question.cacheability, semantic=False, reason=encoded)
        return replace(question, cacheability=judged)
    return replace(question, vector=_as_stored(encoded))


def _as_stored(vector: Vector) -> Vector:
    """Round to half precision as the vector column does."""
    rounded = vector.astype(np.float16).astype(np.float32)
    return (rounded / np.linalg.norm(rounded)).astype(np.float32)


def _facts(text: str) -> RequestFacts:
    return RequestFacts(
        texts=(text,),
        question=text,
        turns=1,
        has_tools=False,
        has_images=False,
        has_more=False,
        temperature=None,
        answers=1,
        key_public_id=_KEY,
        user=None,
    )


def _cache_question(text: str, cacheability: Cacheability, rules: CacheRules) -> CacheQuestion:
    return CacheQuestion(
        tenant_id=0,
        owner=cacheability.owner,
        model=_MODEL,
        messages=({"role": "user", "content": text},),
        params={},
        epoch=rules.epoch,
    )
