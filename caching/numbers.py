"""Reads the numbers of a text, however they are written. Pure.

Digits of every script; spelled-out numbers, months and units in English.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

_SMALL = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15,
    "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40,
    "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "dozen": 12,
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14,
    "fifteenth": 15, "sixteenth": 16, "seventeenth": 17, "eighteenth": 18, "nineteenth": 19,
    "twentieth": 20, "thirtieth": 30, "fortieth": 40, "fiftieth": 50,
}  # fmt: skip
_SCALES = {
    "hundred": 10**2, "thousand": 10**3, "k": 10**3, "lakh": 10**5, "lakhs": 10**5, "million": 10**6,
    "mn": 10**6, "crore": 10**7, "crores": 10**7, "billion": 10**9, "bn": 10**9, "trillion": 10**12,
}  # fmt: skip
#: Without I, V and X, which are more often a pronoun, a letter or a name.
_ROMAN = {
    "II": 2, "III": 3, "IV": 4, "VI": 6, "VII": 7, "VIII": 8, "IX": 9, "XI": 11, "XII": 12, "XIII": 13,
    "XIV": 14, "XV": 15, "XVI": 16, "XVII": 17, "XVIII": 18, "XIX": 19, "XX": 20, "XXI": 21,
}  # fmt: skip
#: These count things only sometimes ("which one", "at first", "a second opinion").
_LOOSE_WORDS = frozenset({"one", "first", "second"})

_MONTHS = {
    "january": 1, "february": 2, "march": 3, "april": 4, "may": 5, "june": 6, "july": 7, "august": 8,
    "september": 9, "october": 10, "november": 11, "december": 12,
}  # fmt: skip
#: Abbreviations and names that are other words too: months only beside digits.
_MONTHS_BESIDE_DIGITS = {name[:3]: month for name, month in _MONTHS.items()} | {"march": 3, "sept": 9}

#: Each line: one unit and its other spellings.
_SPELLINGS = """
    % percent pct
    $ usd dollar dollars bucks
    € eur euro euros
    £ gbp pound pounds quid
    ₹ rs inr rupee rupees
    ¥ jpy yen
    kg kgs kilo kilos kilogram kilograms kilogrammes
    g gram grams
    mg milligram milligrams
    lb lbs
    oz ounce ounces
    km kms kilometer kilometers kilometre kilometres
    m meter meters metre metres
    cm centimeter centimeters centimetre centimetres
    mm millimeter millimeters millimetre millimetres
    mi mile miles
    ft foot feet
    inch inches
    l liter liters litre litres
    ml milliliter milliliters millilitre millilitres
    gallon gallons
    s sec secs second seconds
    min mins minute minutes
    h hr hrs hour hours
    day days
    wk wks week weeks
    month months
    yr yrs year years
    kb
    mb
    gb
    tb
    mbps
    gbps
    celsius centigrade
    fahrenheit
    kcal
    kw
    kwh
    mah
    mph
    kph kmh
    hz
    mhz
    ghz
    cc
    rpm
"""
_UNITS = {spelling: line.split()[0] for line in _SPELLINGS.strip().splitlines() for spelling in line.split()}

_TOKEN = re.compile(
    r"""(?P<clock>\b\d{1,2}:\d{2}(?:\ ?[ap]\.?m\b)?|\b\d{1,2}\ ?[ap]\.?m\b)
    |(?P<iso>\b\d{4}-\d{2}-\d{2}\b)
    |(?P<digits>(?:(?<![^\s(=])-)?\d{1,18}(?:,\d{2,3})*(?:\.\d+)?)(?:(?:st|nd|rd|th)\b)?
    |(?P<unit>[%$€£₹¥])
    |(?P<word>[^\W\d_]+)""",
    re.VERBOSE | re.IGNORECASE,
)

Number = tuple[str, float]
"""A kind (`number`, `month`, `minute` of the day) and a value."""


class _Token(NamedTuple):
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of a text, however they are written: 1,000 = one thousand = 1k."""

    values: Counter[Number] = field(default_factory=Counter)
    loose: Counter[Number] = field(default_factory=Counter)
    """Of words that may count or not: they match a number of the other side but need none."""
    units: set[str] = field(default_factory=set)


def read_numbers(text: str) -> Numbers:
    """Return the numbers of a text and the units that stand beside them."""
    tokens = [
        _Token(match.lastgroup or "", match[match.lastgroup or 0])
        for match in _TOKEN.finditer(unicodedata.normalize("NFKC", text))
    ]
    found = Numbers()
    place = 0
    while place < len(tokens):
        values, behind = _read(tokens, place)
        if values:
            is_loose = behind == place + 1 and tokens[place].text.lower() in _LOOSE_WORDS
            (found.loose if is_loose else found.values).update(values)
            found.units.update(_units_beside(tokens, place, behind))
        place = behind
    return found


def _read(tokens: list[_Token], place: int) -> tuple[list[Number], int]:
    """Return the values that begin at a token, and the place behind them."""
    kind, text = tokens[place]
    match kind:
        case "clock":
            return [("minute", _minute(text))], place + 1
        case "iso":
            year, month, day = map(float, text.split("-"))
            return [("number", year), ("month", month), ("number", day)], place + 1
        case "digits":
            value, behind = _scaled(tokens, place + 1, float(text.replace(",", "")))
            return [("number", value)], behind
        case "word":
            return _read_word(tokens, place)
        case _:
            return [], place + 1


def _read_word(tokens: list[_Token], place: int) -> tuple[list[Number], int]:
    text = tokens[place].text
    word = text.lower()
    if word in _SMALL:
        value, behind = _spelled(tokens, place)
        return [("number", value)], behind
    if text in _ROMAN:
        return [("number", float(_ROMAN[text]))], place + 1
    month = _MONTHS_BESIDE_DIGITS.get(word)
    if month is None or not _beside_digits(tokens, place):
        month = None if word in _MONTHS_BESIDE_DIGITS else _MONTHS.get(word)
    return ([("month", float(month))] if month else []), place + 1


def _spelled(tokens: list[_Token], place: int) -> tuple[float, int]:
    """Read the words of one number: two hundred and fifty thousand."""
    total = group = 0.0
    while place < len(tokens):
        word = tokens[place].text.lower()
        if word in _SMALL and _SMALL[word] < _room(group):
            group += _SMALL[word]
        elif word in _SCALES and group:
            group *= _SCALES[word]
            if group >= 1000:
                total, group = total + group, 0.0
        elif not (word == "and" and _joins(tokens, place)):
            break
        place += 1
    return total + group, place


def _room(group: float) -> int:
    """Return below what a number word must be to go on with the group: fifty -> 10, two hundred -> 100."""
    if group % 100 == 0:
        return 100
    return 10 if group % 10 == 0 and group % 100 >= 20 else 0


def _joins(tokens: list[_Token], place: int) -> bool:
    """Whether an "and" stands inside a number: two hundred and fifty."""
    before = tokens[place - 1].text.lower()
    behind = tokens[place + 1].text.lower() if place + 1 < len(tokens) else ""
    return before in _SCALES and behind in _SMALL


def _scaled(tokens: list[_Token], place: int, value: float) -> tuple[float, int]:
    """Multiply by the scale words that follow digits: 5 million, 10k."""
    while place < len(tokens) and (scale := _SCALES.get(tokens[place].text.lower())):
        value *= scale
        place += 1
    return value, place


def _beside_digits(tokens: list[_Token], place: int) -> bool:
    neighbours = tokens[max(place - 1, 0) : place] + tokens[place + 1 : place + 2]
    return any(token.kind == "digits" for token in neighbours)


def _units_beside(tokens: list[_Token], place: int, behind: int) -> Iterator[str]:
    if behind < len(tokens) and (unit := _UNITS.get(tokens[behind].text.lower())):
        yield unit
    if place and tokens[place - 1].kind == "unit" and tokens[place - 1].text != "%":
        yield _UNITS[tokens[place - 1].text]


def _minute(clock: str) -> float:
    hours, _, rest = clock.lower().partition(":")
    hour = int(re.sub(r"\D", "", hours)) % 24
    if clock.lower().rstrip("m. ").endswith(("a", "p")):
        hour = hour % 12 + (12 if "p" in clock.lower() else 0)
    return hour * 60.0 + int(re.sub(r"\D", "", rest) or 0)
