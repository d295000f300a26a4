"""Compares what two texts quote. Pure; in every language whose quotation marks are known."""

import re

from caching.stems import nearly_same, words_of

#: A quotation is a phrase; what stands between marks that are further apart isn't one.
_LONGEST = 200
_QUOTED = re.compile(
    rf"""(?<!\w)["\u201c\u201d\u201e](?=\w)([^"\u201c\u201d\u201e]{{1,{_LONGEST}}})(?<=\S)["\u201c\u201d](?!\w)
    |\u00ab([^\u00ab\u00bb]{{1,{_LONGEST}}})\u00bb
    |\u300c([^\u300c\u300d]{{1,{_LONGEST}}})\u300d
    |`([^`]{{1,{_LONGEST}}})`
    |(?<!\w)['\u2018](?=\w)((?:[^'\u2018\u2019\n]|['\u2019](?=\w)){{1,{_LONGEST}}})['\u2019](?!\w)""",
    re.VERBOSE,
)
#: Longer lists of quotations are material, not what is asked about.
_MOST = 4


def quotes_clash(a: str, b: str) -> bool:
    """Whether each of two texts quotes something that the other doesn't say at all."""
    ours, theirs = _quotations(a), _quotations(b)
    if not ours or not theirs or len(ours) > _MOST or len(theirs) > _MOST:
        return False
    return _misses(ours, b, theirs) and _misses(theirs, a, ours)


def _quotations(text: str) -> set[str]:
    return {said for match in _QUOTED.finditer(text) if (said := _plain(match[match.lastindex or 0]))}


def _misses(quotations: set[str], text: str, others: set[str]) -> bool:
    """Whether a text lacks one of the quotations and quotes nothing that is nearly the same."""
    said = f" {_plain(text)} "
    return any(
        f" {each} " not in said and not any(nearly_same(each, other) for other in others)
        for each in quotations
    )


def _plain(text: str) -> str:
    return " ".join(words_of(text))
