"""Reads the numbers of a text, however they are written. Pure, linear in the text's length.

Everywhere: digits of every script, thousands separators, clock times, ISO dates, versions, fractions, Chinese
numerals. English: spelled-out numbers, months, days of the week. German, French, Spanish, Italian, Portuguese,
Dutch: months, and numbers up to twelve, that are not English words too.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Context, Decimal
from functools import lru_cache
from math import gcd
from typing import NamedTuple

from caching.number_words import (
    CHINESE,
    HOURS,
    LOOSE,
    LOOSE_ROMAN,
    MONTHS,
    MONTHS_BESIDE_DIGITS,
    NUMBERED_IN_ROMAN,
    PARTS,
    ROMAN,
    ROMAN_LETTERS,
    SCALES,
    SCALES_ALONE,
    SMALL,
    WEEKDAYS,
)
from caching.roles import FILLING
from caching.stems import words_in, words_of
from caching.units import SPOKEN_ALONE, SYMBOLS, UNITS, Unit

#: Written fractions with a larger denominator are rather dates and ratios.
_LARGEST_DENOMINATOR = 10
_DIGITS_OF_YEAR = 4
#: Capital letters right behind digits: $5M, 2B.
_CAPITAL_SCALES = {"M": 10**6, "B": 10**9}
#: Compatibility forms would make 1½ into 11/2 and 10³ into 103.
_ODD_DIGITS = re.compile("([\u00bc-\u00be\u2150-\u215e])|([\u00b2\u00b3\u00b9\u2070\u2074-\u2079]+)")

_TOKEN = re.compile(
    rf"""(?P<clock>\b\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?:\ ?[ap]\.?m\b)?|\b\d{{1,2}}(?:\.\d{{2}})?\ ?[ap]\.?m\b)
    |(?P<date>\b\d{{4}}(?:-\d{{2}}-\d{{2}}|/\d{{2}}/\d{{2}})\b)
    |(?P<fraction>(?<![\d/.,])\d{{1,2}}[/\u2044]\d{{1,2}}(?![/\d]|[.,]\d))
    |(?P<digits>(?:(?<![^\s(=])[-\u2212])?(?:\d{{1,3}}(?:[ ]\d{{3}})+(?![\d.,:])|\d+(?:[.,'\u2019]\d+)*))
        (?:(?:st|nd|rd|th)\b)?
    |(?P<symbol>[{SYMBOLS}])
    |(?P<chinese>[{CHINESE}]+)
    |(?P<word>[^\W\d_{CHINESE}]+)""",
    re.VERBOSE | re.IGNORECASE,
)

_OPERATOR = re.compile(r"(?<=\d)( ?[-+*/^\u00d7\u00f7\u2212\u2013] ?)(?=\d)")
_SIGNS = str.maketrans("\u00d7\u00f7\u2212\u2013", "*/--")
_AMBIGUOUS_OPERATORS = frozenset("-/")
#: Most questions hold no number at all, which is quickly found out.
_MAY_COUNT = re.compile(rf"[\d{SYMBOLS}{CHINESE}\u00bc-\u00be\u2150-\u215e]")
_COUNTING_WORDS = frozenset(
    {*SMALL, *SCALES, *PARTS, *MONTHS, *WEEKDAYS, *(f"{day}s" for day in WEEKDAYS), *HOURS}
    | {numeral.lower() for numeral in ROMAN}
    | NUMBERED_IN_ROMAN
)

_UNIT_WORD = re.compile(rf"[^\W\d_]+|[{SYMBOLS}]")

Number = tuple[str, Decimal | str]
"""A kind (`number`, `month`, `weekday`, `minute` of the day; `version`, `chinese`: as written) and a value."""


class _Token(NamedTuple):
    kind: str
    text: str
    word: str
    """The text in lower case."""


class _Found(NamedTuple):
    numbers: list[Number]
    behind: int
    """The place of the token behind them."""
    is_loose: bool = False


_CHINESE_ONE = "\u4e00"
#: Long numbers must not be rounded, or others would be the same.
_EXACT = Context(prec=100_000)
#: What stands behind numbers without being counted.
_UNCOUNTED = FILLING | words_in(
    "of and or more less than times each per as by from for with percent plus minus"
)
_RANKS = frozenset({"first", "second"})
_NO_TOKEN = _Token("", "", "")


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of a text, however they are written: 1,000 = one thousand = 1k."""

    values: Counter[Number] = field(default_factory=Counter)
    loose: Counter[Number] = field(default_factory=Counter)
    """Of words that may count or not: they match a number of the other side but need none."""
    amounts: Counter[Number] = field(default_factory=Counter)
    """All of them, measures turned into the smallest unit of their kind: 24 hours = 1 day."""
    ranks: set[str] = field(default_factory=set)
    """`first` or `second`, which are loose, but don't stand for each other."""
    measured: defaultdict[Number, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The units beside a number."""
    counted: defaultdict[str, set[Number]] = field(default_factory=lambda: defaultdict(set))
    """The numbers before a word: 3 apples."""


def same_numbers(a: str, b: str) -> bool:
    """Whether two texts hold the same numbers, each as often, and the same words don't count other ones."""
    ours, theirs = read_numbers(a), read_numbers(b)
    if ours.values and _calculate_otherwise(a, b):
        return False
    if _values_differ(ours, theirs):
        return bool(ours.amounts) and ours.amounts == theirs.amounts
    both = ours.counted.keys() & theirs.counted.keys()
    return all(ours.counted[word] & theirs.counted[word] for word in both)


def _values_differ(ours: Numbers, theirs: Numbers) -> bool:
    missing, added = ours.values - theirs.values, theirs.values - ours.values
    if not (missing <= theirs.loose - ours.loose and added <= ours.loose - theirs.loose):
        return True
    return len(ours.ranks) == len(theirs.ranks) == 1 and ours.ranks != theirs.ranks


def _calculate_otherwise(a: str, b: str) -> bool:
    """Whether two texts calculate with their numbers in other ways: 5 + 3, 5 - 3. But 5-10 may be 5/10."""
    ours, theirs = _operators(a), _operators(b)
    return bool(ours and theirs) and ours != theirs and not _AMBIGUOUS_OPERATORS.issuperset(ours + theirs)


def _operators(text: str) -> list[str]:
    return sorted(match[1].strip().translate(_SIGNS) for match in _OPERATOR.finditer(text))


def same_units(a: str, b: str) -> bool:
    """Whether no number has another unit in the other text, nor the texts speak of other ones."""
    ours, theirs = read_numbers(a), read_numbers(b)
    for number in ours.measured.keys() & theirs.measured.keys():
        if ours.measured[number].isdisjoint(theirs.measured[number]):
            return False
    for number in ours.values.keys() & theirs.values.keys():
        if ("%" in ours.measured.get(number, "")) != ("%" in theirs.measured.get(number, "")):
            return False
    spoken, answered = _spoken_units(a), _spoken_units(b)
    return not (spoken - answered and answered - spoken)


def _spoken_units(text: str) -> set[str]:
    return {UNITS[word].name for word in _UNIT_WORD.findall(text.lower()) if word in SPOKEN_ALONE}


@lru_cache(maxsize=8)
def read_numbers(text: str) -> Numbers:
    """Return the numbers of a text, the units beside them and what they count; not to be changed.

    Two guards ask this of a question, for each of its neighbours.
    """
    if not _MAY_COUNT.search(text) and _COUNTING_WORDS.isdisjoint(words_of(text)):
        return Numbers()
    tokens = list(_tokens(text))
    found = Numbers()
    place = 0
    while place < len(tokens):
        numbers, behind, is_loose = _read(tokens, place)
        if numbers:
            behind = _note(found, tokens, place, _Found(numbers, behind, is_loose))
        place = behind
    return found


def _note(found: Numbers, tokens: list[_Token], place: int, read: _Found) -> int:
    """Add what was read to what is found; return the place behind it and its unit."""
    unit, behind = _unit_beside(tokens, place, read.behind)
    (found.loose if read.is_loose else found.values).update(read.numbers)
    found.amounts.update(_amount(number, unit) for number in read.numbers)
    if unit is None and tokens[place].word in _RANKS:
        found.ranks.add(tokens[place].word)
    if unit:
        found.measured[read.numbers[-1]].add(unit.name)
    thing = _at(tokens, behind)
    if thing.kind == "word" and thing.word not in _UNCOUNTED:
        found.counted[thing.word.rstrip("s")].update(read.numbers)
    return behind


def _tokens(text: str) -> Iterator[_Token]:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _ODD_DIGITS.sub(_apart, text))
    for match in _TOKEN.finditer(text.replace("per cent", "percent")):
        kind = match.lastgroup or ""
        yield _Token(kind, match[kind], match[kind].lower())


def _apart(match: re.Match[str]) -> str:
    return f" {match[1]} " if match[1] else f"^{match[2]}"


def _at(tokens: list[_Token], place: int) -> _Token:
    return tokens[place] if 0 <= place < len(tokens) else _NO_TOKEN


def _read(tokens: list[_Token], place: int) -> _Found:
    """Return the numbers that begin at a token."""
    kind, text, word = tokens[place]
    match kind:
        case "word":
            return _read_word(tokens, place)
        case "digits":
            return _read_digits(tokens, place)
        case "chinese":
            return _Found([("chinese", text)], place + 1, is_loose=text == _CHINESE_ONE)
        case "clock":
            numbers: list[Number] = [("minute", _minute(word))]
        case "date":
            numbers = _date(text)
        case "fraction":
            numbers = _fraction(text)
        case _:
            numbers = []
    return _Found(numbers, place + 1)


def _date(text: str) -> list[Number]:
    year, month, day = map(Decimal, re.split("[-/]", text))
    return [("number", year), ("month", month), ("number", day)]


def _read_digits(tokens: list[_Token], place: int) -> _Found:
    numbers = _written(tokens[place].text, is_measure=_is_measure(tokens, place))
    kind, value = numbers[-1]
    if len(numbers) > 1 or not isinstance(value, Decimal):
        return _Found(numbers, place + 1)
    value, behind = _scaled(tokens, place, value)
    value, behind = _with_part(tokens, behind, value)
    return _Found([(kind, value)], behind)


def _is_measure(tokens: list[_Token], place: int) -> bool:
    return _at(tokens, place + 1).word in UNITS or _at(tokens, place - 1).kind == "symbol"


def _written(text: str, *, is_measure: bool) -> list[Number]:
    """Return what digits and the marks between them stand for: one number, a version, or a list of numbers."""
    groups = re.split(r"[.,'\u2019]", text.replace("\u2212", "-").replace(" ", ""))
    if len(groups) == 1:
        return [("number", Decimal(groups[0]))]
    marks = re.sub(r"[-\u2212\d]", "", text)
    if _are_thousands(groups, marks):
        return [("number", Decimal("".join(groups)))]
    if _has_decimals(groups, marks):
        if marks == "." and len(groups[1]) > 1 and groups[1].endswith("0") and not is_measure:
            return [("version", text)]
        return [("number", Decimal(f"{''.join(groups[:-1])}.{groups[-1]}"))]
    if set(marks) == {"."} and len(groups[-1]) != _DIGITS_OF_YEAR:
        return [("version", text)]
    return [("number", Decimal(group)) for group in groups]


def _are_thousands(groups: list[str], marks: str) -> bool:
    """Whether the marks part thousands: 1,000; 1.000.000; 10'000; 1,00,000 as in India. 1.000 is one."""
    if marks == "." or len(set(marks)) > 1 or len(groups[-1]) != 3 or len(groups[0].lstrip("-")) > 3:
        return False
    return len({len(group) for group in groups[1:-1]} | ({3} if marks != "," * len(marks) else set())) <= 1


def _has_decimals(groups: list[str], marks: str) -> bool:
    """Whether the last mark is a decimal point or comma: 3.5; 1,000.5; 1.000,5; 3,5 but not 3,500."""
    if len(groups) == 2:
        return marks == "." or (marks == "," and len(groups[1]) < 3)
    return (
        marks[-1] not in marks[:-1]
        and marks[-1] != "'"
        and _are_thousands(groups[:-1], marks[:-1] + marks[0])
    )


def _fraction(text: str) -> list[Number]:
    part, whole = map(int, re.split("[/\u2044]", text))
    if 0 < part < whole <= _LARGEST_DENOMINATOR and gcd(part, whole) == 1:
        return [("number", Decimal(part) / whole)]
    return [("number", Decimal(part)), ("number", Decimal(whole))]


def _minute(clock: str) -> Decimal:
    """Return the minute of the day; seconds as a part of it."""
    hour, minute, second, *_ = *map(Decimal, re.findall(r"\d+", clock)), Decimal(0), Decimal(0)
    if "m" in clock:
        hour = hour % 12 + (12 if "p" in clock else 0)
    return hour % 24 * 60 + minute + second / 60


def _read_word(tokens: list[_Token], place: int) -> _Found:
    _, text, word = tokens[place]
    if word in PARTS and (word in {"half", "quarter"} or _is_part_of(tokens, place)):
        return _part_alone(tokens, place)
    if word in SMALL or word in SCALES_ALONE:
        return _spelled(tokens, place)
    if (numeral := text.upper()) in ROMAN or numeral in ROMAN_LETTERS:
        return _roman(tokens, place)
    return _Found(_calendar(tokens, place), place + 1)


def _calendar(tokens: list[_Token], place: int) -> list[Number]:
    """Return the month, day of the week or time of day that a word names."""
    word = tokens[place].word
    if word in MONTHS_BESIDE_DIGITS:
        is_month = "digits" in {_at(tokens, place - 1).kind, _at(tokens, place + 1).kind}
        return [("month", Decimal(MONTHS_BESIDE_DIGITS[word]))] if is_month else []
    if word in MONTHS:
        return [("month", Decimal(MONTHS[word]))]
    if day := WEEKDAYS.get(word) or WEEKDAYS.get(word.removesuffix("s")):
        return [("weekday", Decimal(day))]
    return [("minute", Decimal(60 * HOURS[word]))] if word in HOURS else []


def _roman(tokens: list[_Token], place: int) -> _Found:
    numeral = tokens[place].text.upper()
    is_numbered = _at(tokens, place - 1).word in NUMBERED_IN_ROMAN
    if numeral in ROMAN_LETTERS:
        # "Type I" may go on with "diabetes" or with "like".
        numbers: list[Number] = [("number", Decimal(ROMAN_LETTERS[numeral]))] if is_numbered else []
        return _Found(numbers, place + 1, is_loose=numeral == "I")
    is_loose = numeral in LOOSE_ROMAN and not is_numbered
    return _Found([("number", Decimal(ROMAN[numeral]))], place + 1, is_loose=is_loose)


def _spelled(tokens: list[_Token], place: int) -> _Found:
    """Read the words of one number: two hundred and fifty thousand; a hundred; two thirds; two and a half."""
    total, group, behind = Decimal(0), Decimal(tokens[place].word in SCALES_ALONE), place
    while behind < len(tokens):
        word = tokens[behind].word
        if word in SMALL and SMALL[word] < _room(group):
            group += SMALL[word]
        elif word in SCALES and group:
            group *= SCALES[word]
            if group >= 1000:
                total, group = total + group, Decimal(0)
        elif not (word == "and" and _joins(tokens, behind)):
            break
        behind += 1
    word = tokens[place].word
    is_loose = word in LOOSE or (word in SCALES_ALONE and _at(tokens, place - 1).word != "a")
    value, behind = _with_part(tokens, behind, total + group)
    return _Found([("number", value)], behind, is_loose=is_loose and behind == place + 1)


def _room(group: Decimal) -> int:
    """Return below what a number word must be to go on with the group: fifty -> 10, two hundred -> 100."""
    if group % 100 == 0:
        return 100
    return 10 if group % 10 == 0 and group % 100 >= 20 else 0


def _joins(tokens: list[_Token], place: int) -> bool:
    """Whether an "and" stands inside a number: two hundred and fifty."""
    return _at(tokens, place - 1).word in SCALES and _at(tokens, place + 1).word in SMALL


def _scaled(tokens: list[_Token], place: int, value: Decimal) -> tuple[Decimal, int]:
    """Multiply by the scale words that follow digits: 5 million, 10k, $5M."""
    behind = place + 1
    scale = _CAPITAL_SCALES.get(_at(tokens, behind).text)
    while scale or (scale := SCALES.get(_at(tokens, behind).word)):
        value = _EXACT.multiply(value, scale)
        behind += 1
        scale = None
    return value, behind


def _with_part(tokens: list[_Token], place: int, value: Decimal) -> tuple[Decimal, int]:
    """Add or apply the part of a whole that follows: two and a half, 1 1/2, two thirds."""
    following = [_at(tokens, each).word for each in range(place, place + 3)]
    if following == ["and", "a", "half"]:
        return value + Decimal("0.5"), place + 3
    if _at(tokens, place).kind == "fraction" and len(part := _fraction(following[0])) == 1:
        return value + Decimal(part[0][1]), place + 1
    is_part = following[0] in PARTS and (value == 1) != following[0].endswith(("s", "ves"))
    if is_part and value < _LARGEST_DENOMINATOR and _at(tokens, place - 1).kind == "word":
        return value / PARTS[following[0]], place + 1
    return value, place


def _is_part_of(tokens: list[_Token], place: int) -> bool:
    return (_at(tokens, place - 1).word, _at(tokens, place + 1).word) == ("a", "of")


def _part_alone(tokens: list[_Token], place: int) -> _Found:
    """Read a part without a number before it: half, a third of, half a million."""
    word, behind = tokens[place].word, place + 1
    if _at(tokens, behind).word in {"a", "an"}:
        behind += 1
    value = Decimal(SCALES.get(_at(tokens, behind).word, 1)) / PARTS[word]
    return _Found([("number", value)], behind + (value > 1), is_loose=word in LOOSE)


def _unit_beside(tokens: list[_Token], place: int, behind: int) -> tuple[Unit | None, int]:
    """Return the unit of a number and the place behind both."""
    if unit := UNITS.get(_at(tokens, behind).word):
        return unit, behind + 1
    before = _at(tokens, place - 1)
    return (UNITS[before.text] if before.kind == "symbol" and before.text not in "%¢" else None), behind


def _amount(number: Number, unit: Unit | None) -> Number:
    value = number[1]
    if unit is None or not isinstance(value, Decimal):
        return number
    return unit.measures, _EXACT.multiply(value, unit.factor)
