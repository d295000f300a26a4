"""Finds out whether two English texts say the opposite of each other. Pure."""

import re
from collections.abc import Collection, Sequence
from itertools import pairwise

from caching.opposites import COMPOUNDS, opposites_between
from caching.roles import FILLING, roles_swapped
from caching.stems import are_comparable, stem_of, words_in, words_of

#: Longer texts hold several statements, so that the parity of their negations says nothing, unless they differ in
#: few words.
MOST_WORDS = 25
#: How much of their words two texts share at least if one denies the other; else a negation is a turn of speech.
_LEAST_COMMON = 1 / 3

_NEGATIONS = frozenset(
    {
        "not", "no", "non", "never", "none", "nobody", "nothing", "nowhere", "neither", "nor", "without", "cannot",
        "cant", "dont", "doesnt", "didnt", "isnt", "arent", "wasnt", "werent", "wont", "wouldnt", "shouldnt",
        "couldnt", "hasnt", "havent", "hadnt", "aint", "lack", "lacks", "lacking", "except", "excluding",
    }
)  # fmt: skip
#: These deny nothing: "... or not?", "not only".
_EMPTY_NEGATIONS = re.compile(
    r"^\s*no,|\b(?:why or why not|or not|or no|if not|not only|not just|no matter)\b", re.IGNORECASE
)
#: What used to be is not any more.
_PAST = re.compile(r"\bused? to be\b", re.IGNORECASE)
_EARLIER = re.compile(r"\b(?:prior to|ahead of|in advance of)\b", re.IGNORECASE)
_LATER = re.compile(
    r"\b(?:subsequent to|as soon as|following(?= (?:a|an|the|my|your|his|her)\b))", re.IGNORECASE
)
#: What may be said instead of a negation: "how do I avoid", "it failed to", "still waiting for".
_SOFT_NEGATIONS = frozenset(
    stem_of(word)
    for word in words_in(
        "avoid stop prevent quit fail unable refuse decline reject hardly barely rid instead rather "
        "unless deny ban block forbid miss wrong problem trouble issue pending wait broke broken lost "
        "impossible"
    )
)
#: How much there is of something: these turn around what they go with, as negations do.
_MORE = frozenset(
    stem_of(word)
    for word in words_in(
        "more most extra increase raise gain grow boost rise rose higher highest maximize maximise expand "
        "heighten escalate enhance greater"
    )
)
_LESS = frozenset(
    stem_of(word)
    for word in words_in(
        "less least fewer fewest decrease reduce lower lowest lose lost lessen minimize minimise cut fall "
        "fell shrink diminish decline drop weaken"
    )
)
_PARTICLE_VERBS = words_in(
    "log sign turn switch power opt check zoom move speed slow break make put take lay breathe pick drop pay"
)
_PARTICLES = frozenset({"in", "out", "on", "off", "up", "down"})
#: How far behind its verb a particle may stand: turn the lights off.
_PARTICLE_REACH = 4


def polarity_agrees(a: str, b: str) -> bool:
    """Whether an even number of negations, opposites and changed roles lies between two texts.

    Two opposites without a negation don't cancel each other: a hot summer, a cold winter. Texts of more than
    25 words agree unless they differ in a few words only.
    """
    ours, theirs = _words(a), _words(b)
    if not are_comparable(ours, theirs, MOST_WORDS) or "".join(ours) == "".join(theirs):
        return True
    negated = abs(_negations(ours) - _negations(theirs))
    ours_only, theirs_only = _different_stems(ours, theirs)
    more_or_less = _turned(ours_only, theirs_only)
    if more_or_less:
        ours_only, theirs_only = ours_only - _MORE - _LESS, theirs_only - _MORE - _LESS
    opposites = opposites_between(ours_only, theirs_only)
    turns = negated + more_or_less + roles_swapped(ours, theirs)
    if opposites == 0 and turns == negated % 2 == 1:
        return _is_said_softly(ours, theirs) or not _have_much_in_common(ours, theirs)
    return turns > 0 and (turns + opposites) % 2 == 0 if opposites > 1 else (turns + opposites) % 2 == 0


def _words(text: str) -> list[str]:
    plain = _EARLIER.sub("before", _LATER.sub("after", _EMPTY_NEGATIONS.sub(" ", text)))
    return words_of(_PAST.sub("not be", plain))


def _negations(words: Collection[str]) -> int:
    return sum(map(_is_negation, words))


def _different_stems(ours: Sequence[str], theirs: Sequence[str]) -> tuple[set[str], set[str]]:
    ours_stems, theirs_stems = _stems(ours), _stems(theirs)
    return ours_stems - theirs_stems, theirs_stems - ours_stems


def _stems(words: Sequence[str]) -> set[str]:
    """Return the stems of words and of verbs with their particles: turn_on."""
    pairs = COMPOUNDS.intersection(map("_".join, pairwise(words)))
    for place, word in enumerate(words):
        if word in _PARTICLE_VERBS:
            behind = words[place + 1 : place + 1 + _PARTICLE_REACH]
            pairs |= {f"{word}_{particle}" for particle in behind if particle in _PARTICLES}
    return {stem_of(word) for word in (*words, *pairs)}


def _turned(ours: set[str], theirs: set[str]) -> int:
    return min(len(ours & _MORE), len(theirs & _LESS)) + min(len(ours & _LESS), len(theirs & _MORE))


def _is_said_softly(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether the text with fewer negations has another word for one: avoid, unable, still waiting."""
    fewer, more = sorted((ours, theirs), key=_negations)
    return not _SOFT_NEGATIONS.isdisjoint(
        {stem_of(word) for word in fewer} - {stem_of(word) for word in more}
    )


def _have_much_in_common(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether two texts share so many words that a negation denies what the other says."""
    mine, others = _contents(ours), _contents(theirs)
    return len(mine & others) >= _LEAST_COMMON * len(mine | others)


def _contents(words: Sequence[str]) -> set[str]:
    return {stem_of(word) for word in words if not _is_negation(word) and word not in FILLING}


def _is_negation(word: str) -> bool:
    return word in _NEGATIONS or word.endswith("n't")
