"""Reads a question into what the verifier compares: words with their kinds, stems and weights. Pure."""

# ruff: noqa: SIM905 (word lists are read and edited as text)

import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from caching.verifier_lexicon import Lexicon
from caching.verifier_words import CLASSES, CONTRACTIONS, IRREGULAR, NUMBER_WORDS, Kind

#: Longer texts are not judged: time must be bounded, and a long text hides what matters in it.
MOST_TOKENS = 220
MOST_CHARACTERS = 2_000

_TOKEN = re.compile(r"\d+(?:[.,:/]\d+)*|[^\W\d_]+(?:'[^\W\d_]+)*|[+#&%$\u20ac\u00a3]+")
_SENTENCE_END = re.compile(r"[.?!\n]\s")
_STARTS = re.compile(r"(?:^|[.?!:]\s+|\n\s*)[\"'(\[\u201c\u2018*#-]*$")
_SQUEEZED = re.compile(r"[\W_]+")
_KIND_OF = {word: kind for kind, words in reversed(CLASSES.items()) for word in words}
#: Words that come as often as this in English carry little of a question's matter.
_RARE = 0.62

YES_NO = "yes_no"
OTHER = "other"
_HOW_TO = frozenset("can could should would does to".split())
_HOW_MUCH = frozenset("many much long far old big tall often large high deep fast heavy".split())
_VERBS_FIRST = frozenset(
    "is are am was were do does did has have had can could should would will shall may must".split()
)
CONTENT = frozenset({Kind.NUMBER, Kind.NAME, Kind.COMMON, Kind.RARE, Kind.DEGREE, Kind.TIME})


class Token(NamedTuple):
    """One word of a text."""

    word: str
    """In lower case."""
    stem: str
    kind: Kind
    weight: float
    """0 (in every text) to 1 (rare, or not in the lexicon)."""
    known: int
    """Its place in the lexicon; -1: not there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A question as the verifier sees it."""

    tokens: tuple[Token, ...]
    stems: tuple[str, ...]
    pieces: frozenset[str]
    """Runs of three characters, spaces and punctuation left out."""
    asks: str
    """The question word (`how_much` for how many, long, far ...), `yes_no` or `other`."""
    sentences: int
    too_long: bool
    """Nothing else is filled in."""


_TOO_LONG = Reading(tokens=(), stems=(), pieces=frozenset(), asks=OTHER, sentences=0, too_long=True)


def read_question(text: str, lexicon: Lexicon) -> Reading:
    """Read a text, at most MOST_CHARACTERS and MOST_TOKENS of it: a longer one is only marked as too long."""
    if len(text) > MOST_CHARACTERS:
        return _TOO_LONG
    text = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    tokens = _tokens(text, lexicon)
    if len(tokens) > MOST_TOKENS:
        return _TOO_LONG
    squeezed = _SQUEEZED.sub("", text).lower()
    return Reading(
        tokens=tuple(tokens),
        stems=tuple(token.stem for token in tokens),
        pieces=frozenset(squeezed[place : place + 3] for place in range(len(squeezed) - 2)),
        asks=_asks(tokens),
        sentences=1 + len(_SENTENCE_END.findall(text.strip())),
        too_long=False,
    )


def _tokens(text: str, lexicon: Lexicon) -> list[Token]:
    found: list[Token] = []
    for match in _TOKEN.finditer(text):
        word = match[0]
        lower = word.lower()
        is_name = word != lower and not _begins(text, match.start())
        for part in CONTRACTIONS.get(lower) or (lower.removesuffix("'s"),):
            found.append(_token(part, lexicon, is_name=is_name and part == lower.removesuffix("'s")))
        if len(found) > MOST_TOKENS:
            break
    return _plainly_asked(found, lexicon)


def _plainly_asked(tokens: list[Token], lexicon: Lexicon) -> list[Token]:
    """Read "how can I", "how should I" and "how to" as "how do I": they ask for the same."""
    for place, (asked, then) in enumerate(pairwise(tokens)):
        if asked.word == "how" and then.word in _HOW_TO:
            tokens[place + 1] = _token("do", lexicon, is_name=False)
    return tokens


def _begins(text: str, place: int) -> bool:
    """Whether a capital at this place says nothing."""
    return (
        _STARTS.search(text[max(0, place - 4) : place]) is not None if place > 3 else not text[:place].strip()
    )


def _token(word: str, lexicon: Lexicon, *, is_name: bool) -> Token:
    known = lexicon.place(word)
    weight = lexicon.weight(known)
    if word[0].isdigit():
        return Token(word, word.replace(",", "").rstrip("."), Kind.NUMBER, 1.0, -1)
    if (number := NUMBER_WORDS.get(word)) is not None:
        return Token(word, number, Kind.NUMBER, weight, known)
    kind = _KIND_OF.get(word)
    if kind is None:
        kind = Kind.NAME if is_name else Kind.RARE if weight > _RARE else Kind.COMMON
    return Token(word, stem(word), kind, weight, known)


def stem(word: str) -> str:
    """Cut English endings, roughly: both sides of a comparison are cut alike."""
    if (base := IRREGULAR.get(word)) is not None:
        return base
    if len(word) <= 3:
        return word
    for ending in ("ingly", "edly", "ing", "ied", "ies", "ed", "es", "s", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith(("ss", "us", "is")):
            word = word[: -len(ending)] + ("y" if ending in {"ied", "ies"} else "")
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] == "e" else word


def _asks(tokens: list[Token]) -> str:
    for place, token in enumerate(tokens):
        if token.kind is Kind.QUESTION and token.word != "whether":
            after = tokens[place + 1].word if place + 1 < len(tokens) else ""
            return "how_much" if token.word == "how" and after in _HOW_MUCH else token.word
    return YES_NO if tokens and tokens[0].word in _VERBS_FIRST else OTHER
