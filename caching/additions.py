"""Whether one text is the other with something else beside it: words appended to one question lift its similarity
with another one that they repeat, whatever it asks itself. Pure; English.
"""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from caching.stems import stem_of, words_in, words_of

#: Content words in a row, none of them in the other text, that ask for something of their own.
_LEAST_BESIDE = 4
#: The same where they are a sentence of their own.
_LEAST_SENTENCE = 2
#: How much oftener than the other text one may say a word.
_MOST_REPEATED = 3
#: Longer texts have room for such words without being about something else.
_MOST_WORDS = 80
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_EMPTY = words_in(
    "a about again all am also an and another any anybody anyone are as at be been being best but by can "
    "could did do does doing done else for from get gets getting give go good had has have having he her here "
    "him his how i if in into is it its itself just know let like many may me might more most much must my "
    "need no nor not of on one or our out please possible question really same shall she should so some such "
    "tell than thank thanks that the their them then there these they this those to too us use used using "
    "very want was way ways we well were what when where which who whom whose why will with would you your"
)


def is_beside(a: str, b: str) -> bool:
    """Whether one of the texts holds all that the other asks about and, beside it, something else of its own."""
    ours, theirs = _contents(a), _contents(b)
    if max(len(ours), len(theirs)) > _MOST_WORDS or not ours or not theirs:
        return False
    return _holds_more(a, ours, b, theirs) or _holds_more(b, theirs, a, ours)


def _holds_more(longer_text: str, longer: Sequence[str], shorter_text: str, shorter: Sequence[str]) -> bool:
    known = set(shorter)
    if any(longer.count(word) - shorter.count(word) >= _MOST_REPEATED for word in known):
        return True
    if not known <= set(longer):
        return False
    if _longest_run(longer, known) >= _LEAST_BESIDE:
        return True
    return len(_sentences(shorter_text)) == 1 and any(
        _is_of_its_own(sentence, known) for sentence in _sentences(longer_text)
    )


def _longest_run(words: Sequence[str], known: AbstractSet[str]) -> int:
    longest = run = 0
    for word in words:
        run = 0 if word in known else run + 1
        longest = max(longest, run)
    return longest


def _is_of_its_own(sentence: str, known: AbstractSet[str]) -> bool:
    words = _contents(sentence)
    return len(words) >= _LEAST_SENTENCE and known.isdisjoint(words)


def _sentences(text: str) -> list[str]:
    return _SENTENCE_END.split(text.strip())


def _contents(text: str) -> list[str]:
    return [stem_of(word) for word in words_of(text) if word not in _EMPTY]
