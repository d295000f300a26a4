"""Finds two questions that are alike but for what stands in one place: a name, another name, none. Pure.

Names are words with a capital letter, in languages that write only names so; the things of `kinds` are in English.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from caching.kinds import things_of
from caching.roles import FILLING
from caching.stems import nearly_same

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W\d_]+)*")
#: Fewer words in common don't make two questions alike.
_LEAST_COMMON = 3
#: What is longer is a clause.
_LONGEST = 6
_WITHIN_NAMES = frozenset({"of", "the", "de", "la", "le", "van", "von", "al", "el", "and"})


@dataclass(frozen=True, slots=True)
class _Side:
    """One of two texts, as they differ."""

    frame: list[str]
    """The words that the other has too, in lower case."""
    filling: list[str]
    """The words that it lacks."""
    begins: bool
    """Whether the filling begins the text."""


def slots_clash(a: str, b: str) -> bool:
    """Whether two texts have the same words in the same order, but for other names in the place of names.

    Or but for a known thing that one of them adds, where the other names none at all: "in India". A single
    word that begins the text is no name, and a name that is misspelled is the same.
    """
    ours, theirs = _words(a), _words(b)
    one, other = _side(ours, theirs), _side(theirs, ours)
    if max(len(one.filling), len(other.filling)) > _LONGEST:
        return False
    if one.filling and other.filling:
        return _are_other_names(one, other)
    return _is_added(one, other, b) or _is_added(other, one, a)


def _words(text: str) -> list[str]:
    words = _WORD.findall(unicodedata.normalize("NFKC", text))
    return [word.removesuffix("'s").removesuffix("\u2019s") for word in words]


def _side(words: Sequence[str], others: Sequence[str]) -> _Side:
    known = {word.lower() for word in others}
    lower = [word.lower() for word in words]
    return _Side(
        frame=[word for word in lower if word in known],
        filling=[word for word in words if word.lower() not in known],
        begins=bool(lower) and lower[0] not in known,
    )


def _are_other_names(one: _Side, other: _Side) -> bool:
    if len(one.frame) < _LEAST_COMMON or one.frame != other.frame or not (_is_name(one) and _is_name(other)):
        return False
    ours, theirs = " ".join(one.filling), " ".join(other.filling)
    if nearly_same(ours.lower(), theirs.lower()):
        return False
    things = things_of(ours)
    return not things or things != things_of(theirs)


def _is_name(side: _Side) -> bool:
    names = [word for word in side.filling if word not in _WITHIN_NAMES]
    return bool(names) and all(name[0].isupper() for name in names) and (len(names) > 1 or not side.begins)


def _is_added(longer: _Side, shorter: _Side, shorter_text: str) -> bool:
    """Whether one text is the other and a known thing, written as a name."""
    if shorter.filling or not any(word[0].isupper() for word in longer.filling):
        return False
    if _contents(longer) != _contents(shorter) or things_of(shorter_text):
        return False
    return bool(things_of(" ".join(word for word in longer.filling if word[0].isupper())))


def _contents(side: _Side) -> list[str]:
    return [word for word in side.frame if word not in FILLING]
