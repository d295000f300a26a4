"""Words of a text, and their stems. Pure; stems are of English words and rough."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:'[^\W\d_]+)*")
_ENDINGS = ("ingly", "ing", "edly", "ed", "ies", "es", "s", "ly")
#: Of words that have English endings; longer ones would make the memory of stems large.
_LONGEST = 32
#: So few words may differ in texts that make the same statements.
_MOST_DIFFERENT = 6
#: Longer ones aren't compared word by word at all.
_MOST_COMPARED = 1_000
#: Letters in common of what is one word, misspelled, and of no two names.
_MISSPELLED = 0.75
#: The comparison takes the square of the length.
_LONGEST_COMPARED = 100


def words_of(text: str) -> list[str]:
    """Return words and numbers in lower case; an apostrophe belongs to the word."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    return _WORD.findall(text.lower())


def words_in(row: str) -> frozenset[str]:
    """Return the words of a row, as lists of words are written here."""
    return frozenset(row.split())


def stem_of(word: str) -> str:
    """Cut English endings, roughly; both sides of a comparison are cut alike."""
    return _stem(word) if len(word) <= _LONGEST else word


@lru_cache(maxsize=16_384)
def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    if word.endswith("y"):
        word = word[:-1] + "i"
    return word.removesuffix("e") if len(word) > 3 else word


def are_comparable(ours: Sequence[str], theirs: Sequence[str], most: int) -> bool:
    """Whether two lists of words can be compared word by word: of at most so many, or different in few."""
    longest = max(len(ours), len(theirs))
    if longest <= most or longest > _MOST_COMPARED:
        return longest <= most
    ours_counted, theirs_counted = Counter(ours), Counter(theirs)
    different = (ours_counted - theirs_counted) + (theirs_counted - ours_counted)
    return different.total() <= _MOST_DIFFERENT


def nearly_same(one: str, other: str) -> bool:
    """Whether two short texts are nearly spelled the same, so that one may be the other misspelled."""
    if max(len(one), len(other)) > _LONGEST_COMPARED:
        return one == other
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= _MISSPELLED
