"""Guards: rules that refuse a near match to which cosine is blind. Pure.

Numbers are compared in every language, their words and units in English; polarity knows English only; names
are words with a capital letter. No guard looks at question words: true paraphrases differ in them too often.
"""

from collections.abc import Callable
from dataclasses import dataclass

from caching.names import names_clash
from caching.numbers import read_numbers
from caching.polarity import polarity_agrees
from caching.policy import CacheRules


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """A rule that may refuse that two questions share an answer."""

    name: str
    refusal: Callable[[str, str], str | None]
    """Takes both questions, returns the reason or None; the order of the two doesn't matter."""
    is_on: Callable[[CacheRules], bool]


def compare_numbers(a: str, b: str) -> str | None:
    """Refuse as `numbers` unless both texts hold the same numbers, each as often, in any notation and order.

    Refuse as `units` if the units beside them differ; a text that names no unit agrees with any.
    """
    ours, theirs = read_numbers(a), read_numbers(b)
    missing, added = ours.values - theirs.values, theirs.values - ours.values
    if not (missing <= theirs.loose and added <= ours.loose):
        return "numbers"
    return "units" if ours.units and theirs.units and ours.units != theirs.units else None


def compare_polarity(a: str, b: str) -> str | None:
    """Refuse as `polarity` two short texts that say the opposite of each other."""
    return None if polarity_agrees(a, b) else "polarity"


def compare_names(a: str, b: str) -> str | None:
    """Refuse as `names` two texts that each name something that the other doesn't mention."""
    return "names" if names_clash(a, b) else None


GUARDS: tuple[Guard, ...] = (
    Guard(name="numbers", refusal=compare_numbers, is_on=lambda rules: rules.guard_numbers),
    Guard(name="polarity", refusal=compare_polarity, is_on=lambda rules: rules.guard_polarity),
    Guard(name="names", refusal=compare_names, is_on=lambda rules: rules.guard_names),
)
"""In the order in which they are asked."""
