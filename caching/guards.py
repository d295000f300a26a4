"""Guards: rules that refuse a near match to which cosine is blind. Pure, linear in the texts' length.

What each costs (true paraphrases refused) and catches: `manage.py guard_costs`, table in docs/cache-truth.md.

| guard | languages |
|---|---|
| numbers, units | digits, dates, symbols: all; words: English, some of five more |
| identifiers, quotes | all |
| slots, names | where only names have capital letters (not German, Chinese, ...) |
| kinds | English, and the names that are alike elsewhere |
| additions, polarity, coreference | English |

No guard looks at question words: true paraphrases differ in them too often. Nor is there one for tense, added
words or the order of words as such: they refuse 3 to 13 % of true paraphrases, and are left to the verifier.
"""

from collections.abc import Callable
from dataclasses import dataclass

from caching.additions import is_beside
from caching.coreference import persons_clash
from caching.identifiers import identifiers_clash
from caching.kinds import kinds_clash
from caching.names import names_clash
from caching.numbers import same_numbers, same_units
from caching.polarity import polarity_agrees
from caching.policy import CacheRules
from caching.quotes import quotes_clash
from caching.slots import slots_clash
from caching.symbols import symbols_clash


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """A rule that may refuse that two questions share an answer."""

    name: str
    refusal: Callable[[str, str], str | None]
    """Takes both questions, returns the reason or None; the order of the two doesn't matter."""
    is_on: Callable[[CacheRules], bool]


def compare_numbers(a: str, b: str) -> str | None:
    """Refuse as `numbers` unless both texts hold the same numbers, each as often, and counting the same things.

    In any notation and order: 1,000 = one thousand, 24 hours = 1 day.
    """
    return None if same_numbers(a, b) else "numbers"


def compare_units(a: str, b: str) -> str | None:
    """Refuse as `units` if a number has another unit or currency, or the texts speak of other ones.

    A text that names no unit agrees with any.
    """
    return None if same_units(a, b) else "units"


def compare_polarity(a: str, b: str) -> str | None:
    """Refuse as `polarity` two texts that say the opposite, or give the same things each other's roles."""
    return None if polarity_agrees(a, b) else "polarity"


def compare_identifiers(a: str, b: str) -> str | None:
    """Refuse as `identifiers` two texts that each name a code, file, version or the like that the other lacks.

    Operators and patterns of code count too.
    """
    return "identifiers" if identifiers_clash(a, b) or symbols_clash(a, b) else None


def compare_kinds(a: str, b: str) -> str | None:
    """Refuse as `kinds` two texts that each name a thing of one kind that the other lacks: India, China."""
    return "kinds" if kinds_clash(a, b) else None


def compare_slots(a: str, b: str) -> str | None:
    """Refuse as `slots` two texts that are the same but for a name."""
    return "slots" if slots_clash(a, b) else None


def compare_additions(a: str, b: str) -> str | None:
    """Refuse as `additions` two texts of which one says all that the other does, and something else beside it."""
    return "additions" if is_beside(a, b) else None


def compare_quotes(a: str, b: str) -> str | None:
    """Refuse as `quotes` two texts that each quote something that the other doesn't say."""
    return "quotes" if quotes_clash(a, b) else None


def compare_coreference(a: str, b: str) -> str | None:
    """Refuse as `coreference` a he for a she, a son for a daughter, a mother for an aunt."""
    return "coreference" if persons_clash(a, b) else None


def compare_names(a: str, b: str) -> str | None:
    """Refuse as `names` two texts that each name something that the other doesn't mention."""
    return "names" if names_clash(a, b) else None


GUARDS: tuple[Guard, ...] = (
    Guard(name="numbers", refusal=compare_numbers, is_on=lambda rules: rules.guard_numbers),
    Guard(name="units", refusal=compare_units, is_on=lambda rules: rules.guard_units),
    Guard(name="polarity", refusal=compare_polarity, is_on=lambda rules: rules.guard_polarity),
    Guard(name="identifiers", refusal=compare_identifiers, is_on=lambda rules: rules.guard_identifiers),
    Guard(name="kinds", refusal=compare_kinds, is_on=lambda rules: rules.guard_identifiers),
    Guard(name="slots", refusal=compare_slots, is_on=lambda rules: rules.guard_identifiers),
    Guard(name="additions", refusal=compare_additions, is_on=lambda rules: rules.guard_identifiers),
    Guard(name="quotes", refusal=compare_quotes, is_on=lambda rules: rules.guard_quotes),
    Guard(name="coreference", refusal=compare_coreference, is_on=lambda rules: rules.guard_coreference),
    Guard(name="names", refusal=compare_names, is_on=lambda rules: rules.guard_names),
)
"""In the order in which they are asked. Four tell what is asked about, and are switched together."""
