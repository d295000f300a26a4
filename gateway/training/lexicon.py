"""Builds the verifier's lexicon: an embedder's words, their vectors, and WordNet's relations between them."""

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_PARTS = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
_ENDINGS = {
    "n": (("s", ""), ("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("ies", "y"),
          ("men", "man")),
    "v": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    "a": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "r": (),
}  # fmt: skip
_SENSES = 3
_ABOVE = {"@", "@i", "&"}

Sense = tuple[str, str]
"""A part of speech and the offset of a group of synonyms in WordNet's data file."""


@dataclass(kw_only=True)
class WordNet:
    """What is used of WordNet 3's database files."""

    senses: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """Groups of a (part of speech, lemma), the commonest first, rare ones left out."""
    words: dict[Sense, tuple[str, ...]] = field(default_factory=dict)
    above: dict[Sense, Sense] = field(default_factory=dict)
    opposites: list[tuple[Sense, Sense, str]] = field(default_factory=list)
    """Two groups and which of their words, as the file writes it."""
    exceptions: dict[tuple[str, str], str] = field(default_factory=dict)

    def lemmas(self, word: str) -> Iterator[tuple[str, str]]:
        """Yield each (part, lemma) that a word may be a form of."""
        for part, endings in _ENDINGS.items():
            bases = [word, self.exceptions.get((part, word), "")]
            bases += [
                word.removesuffix(ending) + instead for ending, instead in endings if word.endswith(ending)
            ]
            yield from ((part, base) for base in bases if (part, base) in self.senses)

    def senses_of(self, word: str) -> list[Sense]:
        """Return the commonest groups of synonyms of a word."""
        found = [
            (part, offset)
            for part, lemma in self.lemmas(word)
            for offset in self.senses[part, lemma][:_SENSES]
        ]
        return list(dict.fromkeys(found))

    def opposite_words(self) -> Iterator[tuple[str, str]]:
        """Yield the pairs of single words that WordNet calls antonyms."""
        for ours, theirs, places in self.opposites:
            a, b = self.words[ours][int(places[:2], 16) - 1], self.words[theirs][int(places[2:], 16) - 1]
            yield a, b


def read_wordnet(folder: Path) -> WordNet:
    """Read the database files of WordNet 3. Raises OSError where one is missing."""
    net = WordNet()
    for part, name in _PARTS.items():
        for line in _lines(folder / f"index.{name}"):
            lemma, _, synsets, pointers, *rest = line.split()
            tagged = int(rest[int(pointers) + 1])
            offsets = rest[int(pointers) + 2 :][: int(synsets)]
            net.senses[part, lemma] = tuple(offsets[: max(tagged, 1)])
        for line in _lines(folder / f"data.{name}"):
            _read_group(net, part, line.split("|")[0].split())
        for line in _lines(folder / f"{name}.exc"):
            form, base, *_ = line.split()
            net.exceptions[part, form] = base
    return net


def _lines(path: Path) -> Iterator[str]:
    return (line for line in path.read_text("utf-8").splitlines() if line and not line.startswith(" "))


def _read_group(net: WordNet, part: str, fields: Sequence[str]) -> None:
    count = int(fields[3], 16)
    group = (part, fields[0])
    net.words[group] = tuple(re.sub(r"\(.*\)$", "", word).lower() for word in fields[4 : 4 + 2 * count : 2])
    pointers = fields[5 + 2 * count :]
    for symbol, offset, target, places in zip(*(iter(pointers),) * 4, strict=False):
        other = ("a" if target == "s" else target, offset)
        if symbol in _ABOVE:
            net.above.setdefault(group, other)
        if symbol == "!" and places != "0000":
            net.opposites.append((group, other, places))


def build_lexicon(
    words: Sequence[str], vectors: "npt.NDArray[np.float32]", net: WordNet, *, version: str, dimension: int
) -> dict[str, Any]:
    """Return a lexicon's data, as its file holds it.

    words: by frequency, the commonest first. vectors: a unit vector per word; their main axes are kept.
    """
    senses = {place: found for place, word in enumerate(words) if (found := net.senses_of(word))}
    groups = {group for found in senses.values() for group in found}
    groups |= {net.above[group] for group in groups if group in net.above}
    numbers = {group: number for number, group in enumerate(sorted(groups))}
    places = {word: place for place, word in enumerate(words)}
    opposites = {
        (min(places[a], places[b]), max(places[a], places[b]))
        for a, b in net.opposite_words()
        if a in places and b in places
    }
    return {
        "version": version,
        "words": " ".join(words),
        "dimension": dimension,
        "vectors": base64.b64encode(_main_axes(vectors, dimension).tobytes()).decode(),
        "senses": {place: [numbers[group] for group in found] for place, found in senses.items()},
        "parents": {numbers[g]: numbers[net.above[g]] for g in sorted(groups) if net.above.get(g) in numbers},
        "opposites": sorted(opposites),
    }


def _main_axes(vectors: "npt.NDArray[np.float32]", dimension: int) -> "npt.NDArray[np.int8]":
    """Return the vectors along their main axes, of unit length, as signed bytes."""
    centred = vectors - vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    turned = centred @ axes[:dimension].T
    unit = turned / np.linalg.norm(turned, axis=1, keepdims=True).clip(min=1e-9)
    return np.asarray(np.round(127 * unit), np.int8)
