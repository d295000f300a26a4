"""Compares the names in two texts by their capital letters. Pure; for languages that write only names so."""

import re

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_PRONOUN = re.compile(r"i(?:['\u2019].+)?")
#: With more capitals than this the text is a headline, and they tell nothing.
_MOST_CAPITALS = 0.6


def names_clash(a: str, b: str) -> bool:
    """Whether each of two texts names something that the other doesn't mention at all: Paris, Rome.

    A name that only one of them holds is no clash: people add and leave out detail without asking for more.
    """
    return bool(_names(a) - _mentions(b)) and bool(_names(b) - _mentions(a))


def _names(text: str) -> set[str]:
    inner = [match[0] for match in _WORD.finditer(text) if not _begins_sentence(text, match.start())]
    names = {_bare(word) for word in inner if word[0].isupper() and not _PRONOUN.fullmatch(word.lower())}
    return names if len(names) <= _MOST_CAPITALS * len(inner) else set()


def _mentions(text: str) -> set[str]:
    return {_bare(word) for word in _WORD.findall(text)}


def _begins_sentence(text: str, place: int) -> bool:
    before = text[max(0, place - 8) : place].rstrip(" \n\t\"'(\u201c\u2018*#-")
    return before.endswith((".", "?", "!", ":")) or (place <= 8 and not before)


def _bare(word: str) -> str:
    """Cut the possessive and the plural: Sam's and Sam, Toyotas and Toyota."""
    return word.lower().replace("\u2019", "'").removesuffix("'s").rstrip("s")
