"""Compares the operators and patterns of code in two texts, which embedders don't see: `i++`, `*.txt`, `>>`. Pure.

In every language: a piece counts if it holds signs that prose has no use for.
"""

import re
from collections import Counter

#: What pieces of code have and words, sums of money, percentages and dates have not.
_SIGN = re.compile(r"[=<>*|^~{}\[\]\\#]|\+\+|--|//|&&|\?\?|\?\.|\*\.|\(\)|\s/\s")
_AROUND = ".,;:!?\"'`\u201c\u201d\u2018\u2019"


def symbols_clash(a: str, b: str) -> bool:
    """Whether both texts hold pieces of code, and not the same ones."""
    if not (_SIGN.search(a) and _SIGN.search(b)):
        return False
    return _pieces(a) != _pieces(b)


def _pieces(text: str) -> Counter[str]:
    """Count the signs of the pieces that hold any, each with what it stands at: i++ is another thing than ++i."""
    chunks = (chunk.strip(_AROUND).lower() for chunk in text.split())
    return Counter(chunk for chunk in chunks if _SIGN.search(f" {chunk} "))
