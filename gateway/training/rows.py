"""Gathers the pairs that the verifier learns from: labelled, neighbours in streams, edits, a tenant's verdicts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt

from caching.decision import CANDIDATES
from caching.embedder import TextEncoder, Vector
from gateway.labelled_rows import read_rows
from gateway.training.edits import EditedPair, edited_pairs, template_pairs
from gateway.training.problems import is_problem, problem_pairs

#: Pairs below this are of no use: no floor is that low.
LEAST_SIMILARITY = 0.72
_TEXT_FIELDS = ("text", "prompt", "query", "a")
#: Shorter ones leave nothing to edit, longer ones are no questions but material.
_EDITABLE = range(12, 261)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """Two questions and whether one answer serves both."""

    family: str
    kind: str
    """The edit's; empty for others."""
    a: str
    b: str
    same: bool
    synthetic: bool = False


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Texts and their unit vectors; texts that the embedder refuses are left out."""

    vectors: Mapping[str, Vector]

    def similarity(self, a: str, b: str) -> float | None:
        """Return the cosine of two texts; None if one has no vector."""
        if a not in self.vectors or b not in self.vectors:
            return None
        return min(float(self.vectors[a] @ self.vectors[b]), 1.0)


def embed(texts: Iterable[str], encoder: TextEncoder) -> Embedded:
    """Embed each text once."""
    distinct = list(dict.fromkeys(texts))
    encoded = zip(distinct, encoder.encode(distinct), strict=True)
    return Embedded(vectors={text: vector for text, vector in encoded if not isinstance(vector, str)})


def family_of(path: Path) -> str:
    """Return what a file's rows are called in the figures."""
    return path.name.split(".")[0]


def labelled_pairs(path: Path) -> list[Row]:
    """Read rows {"a", "b", "same"}. Raises CommandError."""
    return [
        Row(
            family=family_of(path), kind=row.get("kind") or "", a=row["a"], b=row["b"], same=bool(row["same"])
        )
        for row in read_rows(path, {"a": str, "b": str, "same": int})
    ]


def stream_pairs(path: Path, encoder: TextEncoder) -> list[Row]:
    """Read rows {"query", "class"} and pair each question with its nearest earlier ones. Raises CommandError."""
    rows = read_rows(path, {"query": str, "class": object})
    classes = {row["query"]: row["class"] for row in reversed(rows)}
    found = embed(reversed(list(classes)), encoder)
    texts = list(found.vectors)
    vectors = np.stack([found.vectors[text] for text in texts])
    return [
        Row(
            family=family_of(path), kind="", a=texts[near], b=texts[place],
            same=classes[texts[near]] == classes[texts[place]],
        )
        for place, near in _nearest_earlier(vectors)
    ]  # fmt: skip


def _nearest_earlier(vectors: "npt.NDArray[np.float32]") -> Iterator[tuple[int, int]]:
    for place in range(1, len(vectors)):
        similarities = vectors[:place] @ vectors[place]
        for near in np.argsort(-similarities, kind="stable")[:CANDIDATES]:
            if similarities[near] >= LEAST_SIMILARITY:
                yield place, int(near)


def edits_of(path: Path, rng: Random, *, most: int) -> list[Row]:
    """Edit up to `most` texts of a file (fields text, prompt, query or a). Raises CommandError."""
    texts = sorted({text for row in read_rows(path, {}) if (text := _text(row))})
    rng.shuffle(texts)
    chosen = texts[:most]
    problems = [text for text in chosen if is_problem(text)]
    questions = [
        question
        for text in chosen
        if text not in set(problems) and len(question := text.split("\n")[0].strip()) in _EDITABLE
    ]
    return [
        *_synthetic(f"problems:{family_of(path)}", problem_pairs(problems, rng)),
        *_synthetic(f"edits:{family_of(path)}", edited_pairs(questions, rng)),
    ]


def templates(rng: Random, *, count: int) -> list[Row]:
    """Return pairs made of templates alone."""
    return _synthetic("templates", template_pairs(rng, count=count))


def _text(row: Mapping[str, object]) -> str | None:
    return next((value for name in _TEXT_FIELDS if isinstance(value := row.get(name), str)), None)


def _synthetic(family: str, pairs: Iterable[EditedPair]) -> list[Row]:
    return [
        Row(family=family, kind=pair.kind, a=pair.a, b=pair.b, same=pair.same, synthetic=True)
        for pair in pairs
    ]


def connected(rows: Sequence[Row]) -> "npt.NDArray[np.int64]":
    """Number the groups of rows that share a text, directly or by way of others."""
    leader: dict[str, str] = {}

    def find(text: str) -> str:
        while leader.setdefault(text, text) != text:
            leader[text] = text = leader[leader[text]]
        return text

    for row in rows:
        leader[find(row.a)] = find(row.b)
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(find(row.a), len(numbers)) for row in rows], np.int64)


def row_weights(rows: Sequence[Row]) -> "npt.NDArray[np.float64]":
    """Weigh each family as one, small ones less; synthetic families count less than people's questions."""
    counts = Counter(row.family for row in rows)
    return (
        np.array(
            [(_SYNTHETIC if row.synthetic else 1.0) / max(counts[row.family], _FULL_FAMILY) for row in rows]
        )
        * len(rows)
        / max(len(counts), 1)
    )


_SYNTHETIC = 0.25
_FULL_FAMILY = 1_000
