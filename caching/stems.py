"""Words of a text, and their stems. Pure; stems are of English words and rough."""

import re
import unicodedata
from difflib import SequenceMatcher
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:'[^\W\d_]+)*")
_ENDINGS = ("ingly", "ing", "edly", "ed", "ies", "es", "s", "ly")


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


#: Of words that have English endings; longer ones would make the memory of stems large.
_LONGEST = 32


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


#: Letters in common of what is one word, misspelled, and of no two names.
_MISSPELLED = 0.75
#: The comparison takes the square of the length.
_LONGEST_COMPARED = 100


def nearly_same(one: str, other: str) -> bool:
    """Whether two short texts are nearly spelled the same, so that one may be the other misspelled."""
    if max(len(one), len(other)) > _LONGEST_COMPARED:
        return one == other
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= _MISSPELLED
