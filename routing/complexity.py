"""How hard a prompt looks: a score from 0 to 1 by signs in its text, learned from nothing.

Each sign adds evidence for "complex"; evidence is squashed into the score. Length counts throughout, so that
a long prompt without any known sign is never taken for simple merely because nothing was recognised in it.
"""

import math
import re
from collections.abc import Callable, Sequence
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
    evidence = _BASE + sum(sign(question[:_READ_CHARS]) for sign in _SIGNS) + _length(question)
    context = sum(len(text) for text in messages_texts) - len(question)
    evidence += 0.25 * math.log2(1 + max(context, 0) / 2000)
    value = 1 / (1 + math.exp(-evidence))
    return Complexity(score=value, label="simple" if value < THRESHOLD else "complex")


_BASE = -2.9

# Quantifiers are bounded where two of them could share text: a hostile prompt must not stall a match.
_CODE = re.compile(
    r"```|\bdef \w{1,60}\(|#include|\bSELECT\s|[{};]\s?\n|=>|->|\w\(\)|</\w{1,20}>|_\w{1,40}\(|\bTraceback\b|"
    r"\b\w{0,30}(?:Error|Exception):"
)
_BUILD = re.compile(
    r"\b(?:implement|refactor|optimi[sz]e|architect|design|debug|prove|derive|draft|build|develop|migrate|"
    r"analy[sz]e|evaluate|critique|synthesi[sz]e|formulate|devise|plan|review|write (?:a |an |the )?"
    r"(?:\w{1,20} ){0,3}"
    r"(?:function|program|script|class|module|essay|report|query|test|algorithm|proposal))\b",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\bstep[- ]by[- ]step\b|\bthink (?:\w{1,20} ){0,3}(?:carefully|through|step)\b|"
    r"\breason(?:ing)? through\b|"
    r"\b(?:show|explain) (?:your|the) (?:work|reasoning|steps|thinking)\b|\bpros and cons\b|\btrade-?offs?\b|"
    r"\bwalk me through\b|\bcompare and contrast\b|\bwhy or why not\b|\bjustify\b",
    re.IGNORECASE,
)
_LOGIC = re.compile(
    r"\b(?:if|unless|suppose|assum\w+|given that|such that|therefore|hence|whereas|neither|at least|at most|"
    r"exactly|each|every|twice|half|remaining|total|altogether|respectively|per|rate|average|percent\w*|"
    r"fraction|ratio|more than|less than|fewer than|as (?:many|much) as|increas\w+|decreas\w+)\b|%",
    re.IGNORECASE,
)
_MATH = re.compile(
    r"[=<>≤≥∑∫√π∞^]|\\(?:frac|sum|int|sqrt|begin|left)|\b(?:integral|derivative|matrix|theorem|equation|"
    r"polynomial|probability|eigen\w+|modulo|isomorph\w+|continuous function|differentiable|logarithm|"
    r"vector space|subgroup)\b",
    re.IGNORECASE,
)
_CONSTRAINT = re.compile(
    r"\b(?:must|should|ensure|including|include|without|proper|support(?:s|ing)?|handl(?:e|es|ing)|requirements?|"
    r"constraints?|considering|consider|taking into account|as well as)\b",
    re.IGNORECASE,
)
_TECHNICAL = re.compile(
    r"\b(?:distributed|concurren\w+|kubernetes|microservices?|authenticat\w+|encrypt\w+|throughput|latency|"
    r"scalab\w+|consisten\w+|schema|algorithm\w*|complexity|architecture|asynchron\w+|multithread\w*|thread|"
    r"protocol|kernel|compiler|recursion|regression|statistic\w+|quantum|thermodynamic\w*|jurisdiction|liabilit\w+|"
    r"plaintiff|defendant|contract|statute|amortiz\w+|derivatives?|pathophysiolog\w+|diagnosis|hypothes\w+|"
    r"philosoph\w+|epistemolog\w+|stochastic|optimi[sz]ation)\b",
    re.IGNORECASE,
)
_EASY = re.compile(
    r"(?:hi|hello|hey|thanks|thank you|good (?:morning|evening|afternoon)|yes|no|ok(?:ay)?|define|spell|"
    r"translate|(?:who|what|when|where|which)(?:['\u2019]s|'re| is| are| was| were| does)|"
    r"how (?:many|old|tall|far|long))\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")


def _length(question: str) -> float:
    """Evidence of length, which grows ever more slowly: the strongest single sign on public routing data."""
    return 1.1 * math.log2(1 + len(question) / 60)


def _up_to(pattern: re.Pattern[str], weight: float, most: int) -> "_Sign":
    """A sign that adds its weight per different find, `most` finds at most."""

    def evidence(text: str) -> float:
        return weight * min(len({match.lower() for match in pattern.findall(text)}), most)

    return evidence


def _easy(text: str) -> float:
    """A greeting, a definition or a short question for one fact."""
    return -1.5 if len(text.split()) <= 10 and _EASY.match(text.lstrip()) else 0.0


def _numbers(text: str) -> float:
    """Several numbers make a calculation; one is usually a fact."""
    return 0.2 * min(max(len(_NUMBER.findall(text)) - 1, 0), 4)


def _questions(text: str) -> float:
    """Each further question or listed item is a further task."""
    return 0.4 * min(max(text.count("?") - 1, 0) + text.count("\n- ") + text.count("\n1"), 3)


_Sign = Callable[[str], float]

_SIGNS: tuple[_Sign, ...] = (
    _easy,
    _numbers,
    _questions,
    _up_to(_CODE, 0.6, 2),
    _up_to(_BUILD, 0.8, 2),
    _up_to(_REASON, 1.2, 2),
    _up_to(_LOGIC, 0.1, 5),
    _up_to(_MATH, 0.2, 3),
    _up_to(_CONSTRAINT, 0.25, 3),
    _up_to(_TECHNICAL, 0.25, 3),
)
