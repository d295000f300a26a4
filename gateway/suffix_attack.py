"""A random search for words that, appended to a question, make the caches take it for another one.

It knows the victim's question, the embedder and, for what it climbs, the verifier: more than an attacker does.
Both ways count: the victim's stored answer served to the attacker's question, and the attacker's to the victim.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from caching.policy import CacheRules
from gateway.evaluation import Question, Verdict, prepare
from gateway.measuring import Bench

#: Besides the victim's own words, which are the best to append.
_FILLERS = (
    "the", "a", "is", "what", "how", "please", "answer", "question", "about", "again", "really", "this", "that",
    "not", "same", "means", "instead", "ignore", "before", "or", "and", "?", ".", "!",
)  # fmt: skip
_MOST_WORDS = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Attack:
    """How far a search came."""

    tries: int
    similarity: float
    """The greatest that was reached."""
    score: float
    """The verifier's greatest, of what passed the other checks; 0: nothing did."""
    hits: tuple[str, ...]
    """Texts that were served, or that served the victim."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tried:
    words: tuple[str, ...]
    text: str
    similarity: float
    score: float
    hit: bool

    @property
    def height(self) -> float:
        return self.score + self.similarity


def attack(
    bench: Bench, rules: CacheRules, *, victim: str, question: str, rounds: int, width: int, seed: int
) -> Attack:
    """Append words to `question` in `rounds` of `width` tries each, going on from the best so far."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    words = (*victim.replace("?", " ?").split(), *_FILLERS)
    (target,) = prepare([victim], bench.encoder, rules, bypass=False)
    tried = [_try(bench, rules, target, question, [()])[0]]
    for _ in range(rounds):
        best = max(tried, key=lambda each: each.height)
        suffixes = [_changed(best.words, words, chance) for _ in range(width)]
        tried += _try(bench, rules, target, question, suffixes)
    return Attack(
        tries=len(tried),
        similarity=max(each.similarity for each in tried),
        score=max(each.score for each in tried),
        hits=tuple(each.text for each in tried if each.hit),
    )


def _changed(suffix: tuple[str, ...], words: Sequence[str], chance: random.Random) -> tuple[str, ...]:
    """Return the suffix with a few words more, or with one of them replaced or left out."""
    changed = list(suffix)
    for _ in range(chance.randint(1, 3)):
        step = chance.random()
        if step < 0.6 or not changed:
            changed.insert(chance.randint(0, len(changed)), chance.choice(words))
        elif step < 0.85:
            changed[chance.randrange(len(changed))] = chance.choice(words)
        else:
            del changed[chance.randrange(len(changed))]
    return tuple(changed[:_MOST_WORDS])


def _try(
    bench: Bench, rules: CacheRules, target: Question, question: str, suffixes: Sequence[tuple[str, ...]]
) -> list[_Tried]:
    texts = [" ".join((question, *suffix)) for suffix in suffixes]
    asked = prepare(texts, bench.encoder, rules, bypass=False)
    to_attacker = bench.ask_pairs([(target, each) for each in asked])
    to_victim = bench.ask_pairs([(each, target) for each in asked])
    return [
        _Tried(
            words=suffix,
            text=text,
            similarity=there.similarity or 0.0,
            score=max(_score(there), _score(back)),
            hit=there.hit or back.hit,
        )
        for suffix, text, there, back in zip(suffixes, texts, to_attacker, to_victim, strict=True)
    ]


def _score(verdict: Verdict) -> float:
    return verdict.score if verdict.reason in (None, "verifier") else 0.0
