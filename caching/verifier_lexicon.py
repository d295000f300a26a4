"""English words by frequency, with vectors and their relations: what the verifier knows of words. Pure."""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import mul
from typing import Any

_UNKNOWN = 1.0
#: A unit vector times itself.
_UNIT = 127 * 127


@dataclass(frozen=True, kw_only=True, eq=False)
class Lexicon:
    """Words in the order of their frequency."""

    version: str
    words: tuple[str, ...]
    dimension: int
    vectors: memoryview
    """One signed byte per dimension and word, unit length times 127."""
    senses: Mapping[int, tuple[int, ...]]
    """The groups of synonyms that a word belongs to."""
    parents: Mapping[int, int]
    """The group of what a group is a kind of: of dogs, the canines'."""
    opposites: frozenset[tuple[int, int]]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words)}

    @cached_property
    def _scale(self) -> float:
        return 1 / math.log(len(self.words) + 1)

    def place(self, word: str) -> int:
        """Return where a word stands; -1: nowhere."""
        return self._places.get(word, -1)

    def weight(self, place: int) -> float:
        """Return how rare the word of a place is, 0 to 1; 1 for words that the lexicon lacks."""
        return math.log(place + 1) * self._scale if place >= 0 else _UNKNOWN

    def likeness(self, a: int, b: int) -> float:
        """Return the cosine of two words' vectors; 0 if one has none."""
        if a < 0 or b < 0:
            return 0.0
        size = self.dimension
        ours, theirs = self.vectors[a * size : (a + 1) * size], self.vectors[b * size : (b + 1) * size]
        dot: int = sum(map(mul, ours, theirs))
        return dot / _UNIT

    def relation(self, a: int, b: int) -> str | None:
        """Return `opposite`, `synonym`, `broader` (either way), `sibling` or None."""
        if a < 0 or b < 0:
            return None
        if (a, b) in self.opposites:
            return "opposite"
        ours, theirs = self.senses.get(a, ()), self.senses.get(b, ())
        if not ours or not theirs:
            return None
        if not set(ours).isdisjoint(theirs):
            return "synonym"
        up, down = self._above(ours), self._above(theirs)
        if not up.isdisjoint(theirs) or not down.isdisjoint(ours):
            return "broader"
        return None if up.isdisjoint(down) else "sibling"

    def _above(self, senses: Sequence[int]) -> set[int]:
        return {self.parents[sense] for sense in senses if sense in self.parents}


def lexicon_of(data: Mapping[str, Any]) -> Lexicon:
    """Make a lexicon of what its file holds. Raises KeyError, TypeError or ValueError if that isn't one."""
    words = tuple(str(data["words"]).split())
    dimension = int(data["dimension"])
    vectors = memoryview(base64.b64decode(data["vectors"], validate=True)).cast("b")
    if len(vectors) != dimension * len(words):
        raise ValueError("as many vectors as words are needed")
    return Lexicon(
        version=str(data["version"]),
        words=words,
        dimension=dimension,
        vectors=vectors,
        senses={int(place): tuple(map(int, senses)) for place, senses in data["senses"].items()},
        parents={int(group): int(parent) for group, parent in data["parents"].items()},
        opposites=frozenset(
            pair for a, b in data["opposites"] for pair in ((int(a), int(b)), (int(b), int(a)))
        ),
    )
