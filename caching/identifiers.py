"""Compares the identifiers in two texts: error codes, order numbers, models, files, addresses, code. Pure.

In every language: an identifier is told from a word by its signs, digits or capitals.
"""

import re
from itertools import pairwise

from caching.number_words import SCALES
from caching.stems import words_in
from caching.units import UNITS

_AROUND = "()[]{}<>,.;:!?\"'`\u201c\u201d\u2018\u2019\u00ab\u00bb*"
_EXTENSIONS = words_in(
    "py js ts tsx jsx java c cc cpp h hpp cs go rs rb php sh bat ps1 sql json yml yaml toml ini cfg conf "
    "env xml htm html css scss md txt csv tsv log pdf doc docx xls xlsx ppt pptx png jpg jpeg gif svg mp3 "
    "mp4 wav zip tar gz exe dll so jar apk iso lock vue ipynb parquet"
)
_COUNTED = re.compile(r"[-+]?\d+(?:[.,:]\d+)*([^\W\d_]+)")
_SUFFIXES = UNITS.keys() | SCALES.keys() | {"st", "nd", "rd", "th", "am", "pm", "x", "b"}
_MIXED = re.compile(r"\d[^\W\d_]|[^\W\d_]\d|[A-Z]-\d|\d-[A-Z]")
_JOINED = re.compile(r"[^\W_]_+[^\W_]|[a-z]{2}[A-Z]")
#: What every identifier has some of.
_MAY_IDENTIFY = re.compile(r"\d|\w_|[a-z]{2}[A-Z]|--|\(\)|[\\@/]|\.\w")
_ZEROS_FIRST = re.compile(r"0\d{2,}")
_PARTS = re.compile(r"[./\\:]")
_SIGNS = re.compile(r"[\W_]+")
#: What tells models of one name and number apart.
_VARIANTS = words_in("pro max plus mini ultra lite air se xl xr fe xs")
_DIGIT = re.compile(r"\d")


def identifiers_clash(a: str, b: str) -> bool:
    """Whether each of two texts names something by an identifier that the other doesn't mention."""
    if not (_MAY_IDENTIFY.search(a) and _MAY_IDENTIFY.search(b)):
        return False
    ours, theirs = a.split(), b.split()
    if _variants(ours) != _variants(theirs) and _DIGIT.search(a) and _DIGIT.search(b):
        return True
    return _lacks_some(theirs, _identifiers(ours)) and _lacks_some(ours, _identifiers(theirs))


def _identifiers(chunks: list[str]) -> list[str]:
    return [chunk for chunk in chunks if _is_identifier(chunk)]


def _lacks_some(chunks: list[str], identifiers: list[str]) -> bool:
    """Whether a text doesn't mention one of the identifiers, as a whole or by its parts."""
    if not identifiers:
        return False
    bare = [_bare(part) for chunk in chunks for part in (chunk, *_PARTS.split(chunk))]
    mentioned = {*bare, *(one + other for one, other in pairwise(map(_bare, chunks)))}
    return any(
        _bare(identifier) not in mentioned
        and not mentioned.issuperset(map(_bare, _PARTS.split(identifier.strip(_AROUND))))
        for identifier in identifiers
    )


def _bare(chunk: str) -> str:
    text = chunk.strip(_AROUND).lower().removesuffix("'s").removesuffix("\u2019s")
    return _SIGNS.sub("", text) or text


def _is_identifier(chunk: str) -> bool:
    text = chunk.strip(_AROUND)
    if _MIXED.search(text):
        counted = _COUNTED.fullmatch(text)
        return not (counted and counted[1].lower() in _SUFFIXES)
    return bool(
        chunk.startswith("--")
        or "()" in chunk
        or _JOINED.search(text)
        or _ZEROS_FIRST.fullmatch(text)
        or _is_address(text)
    )


def _is_address(text: str) -> bool:
    """Whether a text is an e-mail or web address, a path or a file's name; not `and/or`."""
    if "." in text and (
        "@" in text or text.rpartition(".")[2].lower() in _EXTENSIONS or text.startswith("www.")
    ):
        return True
    return "\\" in text or "://" in text or text.startswith(("/", "~/")) or text.count("/") > 1


def _variants(chunks: list[str]) -> set[str]:
    """Return which variants of numbered models are named: iPhone 14 Pro Max."""
    found: set[str] = set()
    is_model = False
    for chunk in chunks:
        word = chunk.strip(_AROUND).lower()
        is_variant = is_model and word in _VARIANTS
        if is_variant:
            found.add(word)
        is_model = is_variant or _DIGIT.search(word) is not None
    return found
