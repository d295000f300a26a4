"""Guards: rules that refuse a near match to which cosine is blind. Pure.

Numbers: digits of every script; spelled-out numbers, months and units in English. Polarity: English only.
No guard looks at question words: true paraphrases differ in them too often.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from caching.policy import CacheRules

#: Longer texts hold several statements, so that the parity of their negations says nothing.
POLARITY_WORDS = 25

# --- Numbers ----------------------------------------------------------------------------------------------

_UP_TO_NINETEEN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
_SMALL = (
    {word: value for value, word in enumerate(_UP_TO_NINETEEN)}
    | {word: value for value, word in enumerate(_ORDINALS, start=1)}
    | {word: value for value, word in zip(range(20, 100, 10), _TENS, strict=True)}
    | {"thirtieth": 30, "fortieth": 40, "fiftieth": 50, "dozen": 12}
)
_SCALES = {
    "hundred": 10**2, "thousand": 10**3, "k": 10**3, "lakh": 10**5, "lakhs": 10**5, "million": 10**6, "mn": 10**6,
    "crore": 10**7, "crores": 10**7, "billion": 10**9, "bn": 10**9, "trillion": 10**12,
}  # fmt: skip
_ROMAN = {
    "II": 2, "III": 3, "IV": 4, "VI": 6, "VII": 7, "VIII": 8, "IX": 9, "XI": 11, "XII": 12, "XIII": 13, "XIV": 14,
    "XV": 15, "XVI": 16, "XVII": 17, "XVIII": 18, "XIX": 19, "XX": 20, "XXI": 21,
}  # fmt: skip
#: These count things only sometimes ("which one", "at first", "a second opinion").
_LOOSE_WORDS = frozenset({"one", "first", "second"})

_MONTH_NAMES = (
    "january february march april may june july august september october november december"
).split()
_MONTHS = {name: month for month, name in enumerate(_MONTH_NAMES, start=1)}
#: Abbreviations and names that are also other words: months only beside a number.
_MONTHS_BESIDE_NUMBERS = {name[:3]: month for name, month in _MONTHS.items()} | {
    "march": 3,
    "may": 5,
    "sept": 9,
}

_UNITS = {
    spelling: spellings.split()[0]
    for spellings in (
        "% percent pct", "$ usd dollar dollars bucks", "€ eur euro euros", "£ gbp pound pounds quid",
        "₹ rs inr rupee rupees", "¥ yen jpy", "kg kgs kilo kilos kilogram kilograms kilogrammes", "g gram grams",
        "mg milligram milligrams", "lb lbs", "oz ounce ounces", "km kms kilometer kilometers kilometre kilometres",
        "m meter meters metre metres", "cm centimeter centimeters centimetre centimetres", "mm millimeter millimetre",
        "mi mile miles", "ft foot feet", "inch inches", "l liter liters litre litres", "ml milliliter millilitre",
        "gallon gallons", "s sec secs second seconds", "min mins minute minutes", "h hr hrs hour hours", "day days",
        "week weeks wk wks", "month months", "year years yr yrs", "kb", "mb", "gb", "tb", "mbps", "gbps", "kcal",
        "celsius centigrade", "fahrenheit", "kw", "kwh", "mph", "kph kmh", "mah", "hz", "mhz", "ghz", "cc", "rpm",
    )
    for spelling in spellings.split()
}  # fmt: skip

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


def numbers(text: str) -> Numbers:
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
    month = _MONTHS_BESIDE_NUMBERS.get(word)
    if month is None or not _beside_digits(tokens, place):
        month = _MONTHS.get(word) if word not in {"march", "may"} else None
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


def numbers_agree(a: str, b: str) -> bool:
    """Whether two texts hold the same numbers, each as often, whatever their notation and order."""
    ours, theirs = numbers(a), numbers(b)
    missing = ours.values - theirs.values
    added = theirs.values - ours.values
    return missing <= theirs.loose and added <= ours.loose


def units_agree(a: str, b: str) -> bool:
    """Whether the units beside the numbers are the same ones; a side that names none agrees with any."""
    ours, theirs = numbers(a).units, numbers(b).units
    return not ours or not theirs or ours == theirs


# --- Polarity ---------------------------------------------------------------------------------------------

_NEGATIONS = frozenset(
    "not no never none nobody nothing nowhere neither nor without cannot cant dont doesnt didnt isnt arent wasnt "
    "werent wont wouldnt shouldnt couldnt hasnt havent hadnt aint lacks lacking lack except excluding".split()
)
#: "or not" adds nothing to a question, "not only" denies nothing.
_EMPTY_NEGATIONS = re.compile(r"\b(?:or not|not only|no matter|if not|not just)\b")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_NEGATING_PREFIXES = ("un", "in", "im", "ir", "il", "dis", "non", "mis", "de")

#: Two sides of a scale each; a word of one side against a word of the other turns the meaning around.
_OPPOSITES = (
    ("increase raise gain grow boost rise maximize expand", "decrease reduce lower lose lessen shrink minimize drop cut decline fall"),
    ("more most", "less least fewer"),
    ("good better best great positive", "bad worse worst terrible poor negative"),
    ("buy purchase acquire", "sell"),
    ("before prior", "after"),
    ("start begin open launch enable activate turn-on", "stop end finish close quit cease disable deactivate cancel"),
    ("add insert include attach install create", "remove delete exclude detach uninstall destroy erase"),
    ("allow permit let accept approve", "forbid prohibit prevent deny reject refuse decline ban block avoid"),
    ("love like enjoy", "hate dislike detest"),
    ("win", "lose"),
    ("up above over upper", "down below under beneath"),
    ("high tall", "low short"),
    ("long", "short brief"),
    ("big large huge", "small little tiny"),
    ("fast quick rapid", "slow"),
    ("hot warm", "cold cool"),
    ("easy simple", "hard difficult complicated complex tough"),
    ("cheap inexpensive affordable", "expensive costly"),
    ("strong", "weak"),
    ("rich wealthy", "poor"),
    ("young", "old elderly"),
    ("new", "old used"),
    ("safe secure", "dangerous risky harmful"),
    ("legal lawful", "illicit"),
    ("true right correct", "false wrong"),
    ("happy glad cheerful", "sad depressed miserable"),
    ("male man men boy husband father son brother", "female woman women girl wife mother daughter sister"),
    ("always", "rarely seldom"),
    ("with", "without"),
    ("all every everyone everybody", "none nobody"),
    ("push", "pull"),
    ("import", "export"),
    ("encrypt encode", "decrypt decode"),
    ("borrow", "lend"),
    ("arrive come enter", "leave depart exit go"),
    ("early", "late"),
    ("first", "last"),
    ("majority", "minority"),
    ("maximum max", "minimum min"),
    ("advantage benefit pro pros", "disadvantage drawback con cons"),
    ("success succeed", "failure fail"),
    ("healthy", "sick ill"),
    ("brave courageous", "cowardly fearful timid scared"),
    ("calm relaxed", "anxious nervous stressed"),
    ("optimistic hopeful", "pessimistic hopeless"),
    ("humble modest", "arrogant proud"),
    ("generous", "selfish stingy greedy"),
    ("smart intelligent clever wise", "stupid dumb foolish"),
    ("beautiful pretty handsome attractive", "ugly"),
    ("polite", "rude"),
    ("lazy", "hardworking productive active diligent"),
    ("visible", "hidden"),
    ("public", "private"),
    ("inside indoor internal", "outside outdoor external"),
    ("light bright", "dark heavy"),
    ("full", "empty"),
    ("wet", "dry"),
    ("thick fat", "thin slim"),
    ("deep", "shallow"),
    ("loud noisy", "quiet silent"),
    ("clean", "dirty"),
    ("rough", "smooth gentle"),
    ("ancient", "modern"),
    ("guilty", "innocent"),
    ("ascending", "descending"),
    ("lock", "unlock"),
    ("ally friend", "enemy"),
    ("remember", "forget"),
    ("build", "demolish"),
    ("pass", "fail"),
    ("north northern", "south southern"),
    ("east eastern", "west western"),
    ("left", "right"),
    ("front", "back rear"),
    ("income revenue", "expense expenditure"),
    ("profit", "loss"),
    ("credit", "debit"),
    ("deposit", "withdraw withdrawal"),
    ("hire employ", "fire dismiss"),
    ("love", "hatred"),
    ("day", "night"),
    ("birth born", "death die"),
)  # fmt: skip


def polarity_agrees(a: str, b: str) -> bool:
    """Whether an even number of negations and opposites lies between two texts of up to POLARITY_WORDS words."""
    ours, theirs = _words(a), _words(b)
    if max(len(ours), len(theirs)) > POLARITY_WORDS:
        return True
    turns = _negations(ours) + _negations(theirs) + _opposites(set(ours), set(theirs))
    return turns % 2 == 0


def _words(text: str) -> list[str]:
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return _WORD.findall(_EMPTY_NEGATIONS.sub(" ", text))


def _negations(words: list[str]) -> int:
    return sum(word in _NEGATIONS or word.endswith("n't") for word in words)


def _opposites(a: set[str], b: set[str]) -> int:
    """Count the opposites between two sets of words; words that both have are left out."""
    only_a, only_b = {_stem(word) for word in a - b}, {_stem(word) for word in b - a}
    only_a, only_b = only_a - only_b, only_b - only_a
    listed = sum(
        bool((only_a & left and only_b & right) or (only_a & right and only_b & left))
        for left, right in _OPPOSITE_STEMS
    )
    return listed + _prefixed(only_a, only_b) + _prefixed(only_b, only_a)


def _prefixed(words: set[str], others: set[str]) -> int:
    """Count the words whose negation by prefix is among the others: happy, unhappy."""
    return sum(
        len(word) > 3 and any(prefix + word in others for prefix in _NEGATING_PREFIXES) for word in words
    )


def _stem(word: str) -> str:
    """Cut English endings, roughly; both sides of a comparison are cut alike."""
    for ending in ("ingly", "ing", "edly", "ed", "ies", "es", "s", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


_OPPOSITE_STEMS = tuple(
    (frozenset(map(_stem, left.split())), frozenset(map(_stem, right.split()))) for left, right in _OPPOSITES
)

# --- The guards, in the order in which they are asked --------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """A named refusal: two questions that it finds different never share an answer."""

    name: str
    agrees: Callable[[str, str], bool]
    is_on: Callable[[CacheRules], bool]

    def refusal(self, question: str, stored: str) -> str | None:
        """Return the guard's name as the reason if the questions differ by it."""
        return None if self.agrees(question, stored) else self.name


GUARDS: tuple[Guard, ...] = (
    Guard(name="numbers", agrees=numbers_agree, is_on=lambda rules: rules.guard_numbers),
    Guard(name="units", agrees=units_agree, is_on=lambda rules: rules.guard_numbers),
    Guard(name="polarity", agrees=polarity_agrees, is_on=lambda rules: rules.guard_polarity),
)
