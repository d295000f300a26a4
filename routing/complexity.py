"""How hard a prompt looks: a score from 0 to 1 by signs in its text, learned from nothing.

Each sign adds evidence for "complex"; evidence is squashed into the score. Length counts throughout, so that
a long prompt without any known sign is never taken for simple merely because nothing was recognised in it.

A text is cut into words once and most signs are looked up among them: what costs is searching a text for each
of two hundred words. Patterns run only where a word or a character says that they may match.
"""

import math
import re
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

THRESHOLD = 0.5
"""Scores below are simple."""

_READ_CHARS = 20_000
"""Signs are looked for in the question's first part only: matching must not stall on a huge prompt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Complexity:
    """How hard a prompt looks."""

    score: float
    """0 (surely simple) to 1 (surely complex)."""
    label: Literal["simple", "complex"]


def score(messages_texts: Sequence[str], question: str) -> Complexity:
    """Return the complexity of a question; `messages_texts` are all messages, the question's own included."""
    read = _Read(question[:_READ_CHARS])
    evidence = _BASE + sum(sign(read) for sign in _SIGNS) + _length(question)
    context = sum(len(text) for text in messages_texts) - len(question)
    evidence += 0.25 * math.log2(1 + max(context, 0) / 2000)
    value = 1 / (1 + math.exp(-evidence))
    return Complexity(score=value, label="simple" if value < THRESHOLD else "complex")


_BASE = -2.9
_WORD = re.compile(r"\w+")
_STEM_CHARS = 5
#: Patterns that ignore case take some of these for i, s and pi, which `lower` doesn't; pi may be part of a word.
_ODD_CASE = re.compile("[\u0130\u0131\u017f\u03a0\u03c0\u03d6]")


class _Read:
    """A text, and what the signs want to know of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lower = text.lower()
        self.words = set(_WORD.findall(self.lower))
        self.beginnings = {word[:_STEM_CHARS] for word in self.words}
        self.is_odd = not text.isascii() and _ODD_CASE.search(text) is not None


_Sign = Callable[[_Read], float]


def _wording(
    weight: float,
    most: int,
    *,
    words: str = "",
    stems: str = "",
    phrases: tuple[str, ...] = (),
    symbols: str = "",
    patterns: tuple[str, ...] = (),
    hints: str = "",
) -> _Sign:
    """A sign that adds its weight per different find, `most` finds at most, whatever their case.

    words: whole words. stems: beginnings of longer ones, of at least five letters. phrases: words in a row,
    none of which is in `words`. symbols: a character class. patterns: the rest, which may hold some of
    `words` (those don't count then); `hints` are words or characters, of which every match has one.
    """
    listed, begun = frozenset(words.split()), tuple(stems.split())
    beginnings = frozenset(stem[:_STEM_CHARS] for stem in begun)
    hint_words = frozenset(hint for hint in hints.split() if hint.isalpha())
    hint_characters = tuple(hint for hint in hints.split() if not hint.isalpha())
    phrase = re.compile(rf"\b(?:{'|'.join(phrases)})\b")
    phrase_words = frozenset(row.split()[0] for row in phrases)
    symbol = re.compile(symbols)
    plain = "|".join([*phrases, *words.split(), *(rf"{stem}\w+" for stem in begun)])
    whole = re.compile(
        "|".join([*patterns, rf"\b(?:{plain})\b", *([symbols] if symbols else [])]), re.IGNORECASE
    )

    def evidence(read: _Read) -> float:
        finds = _all(read) if read.is_odd or _hinted(read) else _quick(read)
        return weight * min(len(finds), most)

    def _hinted(read: _Read) -> bool:
        if not hint_words.isdisjoint(read.words):
            return True
        return bool(hint_characters) and any(sign in read.text for sign in hint_characters)

    def _all(read: _Read) -> AbstractSet[str]:
        return {match.lower() for match in whole.findall(read.text)}

    def _quick(read: _Read) -> AbstractSet[str]:
        finds: AbstractSet[str] = listed & read.words
        if not beginnings.isdisjoint(read.beginnings):
            finds |= {word for word in read.words if word.startswith(begun) and word not in begun}
        if not phrase_words.isdisjoint(read.words) and any(row in read.lower for row in phrases):
            finds |= set(phrase.findall(read.lower))
        if symbols and (found := symbol.findall(read.lower)):
            finds |= set(found)
        return finds

    return evidence


# Quantifiers are bounded where two of them could share text: a hostile prompt must not stall a match.
_CODE = re.compile(
    r"```|\bdef \w{1,60}\(|#include|\bSELECT\s|[{};]\s?\n|=>|->|\w\(\)|</\w{1,20}>|_\w{1,40}\(|\bTraceback\b|"
    r"\b\w{0,30}(?:Error|Exception):"
)
#: All code has one of these characters or words.
_CODE_CHARACTER = re.compile(r"[`({};#<>]")
_CODE_WORDS = ("SELECT", "Traceback", "Error:", "Exception:")
_EASY = re.compile(
    r"(?:hi|hello|hey|thanks|thank you|good (?:morning|evening|afternoon)|yes|no|ok(?:ay)?|define|spell|"
    r"translate|(?:who|what|when|where|which)(?:['\u2019]s|'re| is| are| was| were| does)|"
    r"how (?:many|old|tall|far|long))\b",
    re.IGNORECASE,
)
# What must not stand before a number is looked up behind its first digit: digits are found fast.
_NUMBER = re.compile(r"\d(?<![\w.]\d)[\d,]*(?:\.\d+)?")


def _length(question: str) -> float:
    """Evidence of length, which grows ever more slowly: the strongest single sign on public routing data."""
    return 1.1 * math.log2(1 + len(question) / 60)


def _easy(read: _Read) -> float:
    """A greeting, a definition or a short question for one fact."""
    return -1.5 if _EASY.match(read.text.lstrip()) and len(read.text.split()) <= 10 else 0.0


def _numbers(read: _Read) -> float:
    """Several numbers make a calculation; one is usually a fact."""
    return 0.2 * min(max(len(_NUMBER.findall(read.text)) - 1, 0), 4)


def _questions(read: _Read) -> float:
    """Each further question or listed item is a further task."""
    text = read.text
    return 0.4 * min(max(text.count("?") - 1, 0) + text.count("\n- ") + text.count("\n1"), 3)


def _code(read: _Read) -> float:
    if not (_CODE_CHARACTER.search(read.text) or any(word in read.text for word in _CODE_WORDS)):
        return 0.0
    return 0.6 * min(len({match.lower() for match in _CODE.findall(read.text)}), 2)


_build = _wording(
    0.8,
    2,
    words="implement refactor optimise optimize architect design debug prove derive draft build develop migrate "
    "analyse analyze evaluate critique synthesise synthesize formulate devise plan review",
    patterns=(
        r"\bwrite (?:a |an |the )?(?:\w{1,20} ){0,3}"
        r"(?:function|program|script|class|module|essay|report|query|test|algorithm|proposal)\b",
    ),
    hints="write",
)
_reason = _wording(
    1.2,
    2,
    words="justify",
    patterns=(
        r"\bstep[- ]by[- ]step\b",
        r"\bthink (?:\w{1,20} ){0,3}(?:carefully|through|step)\b",
        r"\breason(?:ing)? through\b",
        r"\b(?:show|explain) (?:your|the) (?:work|reasoning|steps|thinking)\b",
        r"\bpros and cons\b",
        r"\btrade-?offs?\b",
        r"\bwalk me through\b",
        r"\bcompare and contrast\b",
        r"\bwhy or why not\b",
    ),
    hints="step think through work reasoning steps thinking pros trade tradeoff tradeoffs contrast why",
)
_logic = _wording(
    0.1,
    5,
    words="if unless suppose therefore hence whereas neither exactly each every twice half remaining total "
    "altogether respectively per rate average percent fraction ratio",
    stems="assum percent increas decreas",
    phrases=(
        "given that", "such that", "at least", "at most", "more than", "less than", "fewer than", "as many as",
        "as much as",
    ),
    symbols="%",
)  # fmt: skip
_math = _wording(
    0.2,
    3,
    words="integral derivative matrix theorem equation polynomial probability modulo differentiable logarithm "
    "subgroup",
    stems="eigen isomorph",
    phrases=("continuous function", "vector space"),
    symbols="[=<>≤≥∑∫√π∞^]",
    patterns=(r"\\(?:frac|sum|int|sqrt|begin|left)",),
    hints="\\",
)
_constraint = _wording(
    0.25,
    3,
    words="must should ensure including include without proper support supports supporting handle handles "
    "handling requirement requirements constraint constraints considering consider",
    phrases=("taking into account", "as well as"),
)
_technical = _wording(
    0.25,
    3,
    words="distributed kubernetes microservice microservices throughput latency schema algorithm complexity "
    "architecture multithread thread protocol kernel compiler recursion regression quantum thermodynamic "
    "jurisdiction plaintiff defendant contract statute derivative derivatives diagnosis stochastic optimisation "
    "optimization",
    stems="concurren authenticat encrypt scalab consisten algorithm asynchron multithread statistic "
    "thermodynamic liabilit amortiz pathophysiolog hypothes philosoph epistemolog",
)

_SIGNS: tuple[_Sign, ...] = (
    _easy,
    _numbers,
    _questions,
    _code,
    _build,
    _reason,
    _logic,
    _math,
    _constraint,
    _technical,
)
