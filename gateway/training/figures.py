"""Turns rows into the figures that trees are fitted to, and tells which rows the guards leave to the verifier."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from caching.guards import GUARDS
from caching.policy import CacheRules
from caching.verifier_features import pair_features
from caching.verifier_lexicon import Lexicon
from caching.verifier_text import Reading, read_question
from gateway.training.rows import LEAST_SIMILARITY, Embedded, Row, connected, row_weights

#: What guards refuse is learned too, since tenants may switch them off, but it must not crowd out the rest.
_GUARDED = 0.35


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows as arrays of one length."""

    rows: Sequence[Row]
    figures: "npt.NDArray[np.float64]"
    """(rows, features)"""
    same: "npt.NDArray[np.int64]"
    similarity: "npt.NDArray[np.float64]"
    passes: "npt.NDArray[np.bool_]"
    """No guard refuses the pair."""
    family: "npt.NDArray[np.str_]"
    kind: "npt.NDArray[np.str_]"
    group: "npt.NDArray[np.int64]"
    """Rows that share a question share a group."""

    @property
    def weight(self) -> "npt.NDArray[np.float64]":
        """How much each row counts in training."""
        weights = row_weights(self.rows)
        return np.asarray(weights * np.where(self.passes, 1.0, _GUARDED), np.float64)


def table_of(rows: Sequence[Row], embedded: Embedded, lexicon: Lexicon, rules: CacheRules) -> Table:
    """Compute the figures of the rows that are near enough to matter; each pair counts once.

    rules: which guards are on.
    """
    readings: dict[str, Reading] = {}

    def reading(text: str) -> Reading:
        if text not in readings:
            readings[text] = read_question(text, lexicon)
        return readings[text]

    kept: list[tuple[Row, float]] = []
    for row in {(row.a, row.b): row for row in reversed(rows)}.values():
        similarity = embedded.similarity(row.a, row.b)
        is_near = similarity is not None and similarity >= LEAST_SIMILARITY and row.a != row.b
        if similarity is not None and is_near and not (reading(row.a).too_long or reading(row.b).too_long):
            kept.append((row, similarity))
    kept.reverse()
    chosen = [row for row, _ in kept]
    return Table(
        rows=chosen,
        figures=np.array(
            [pair_features(reading(row.a), reading(row.b), near, lexicon) for row, near in kept], np.float64
        ),
        same=np.array([row.same for row in chosen], np.int64),
        similarity=np.array([near for _, near in kept], np.float64),
        passes=np.array([_passes(row, rules) for row in chosen], np.bool_),
        family=np.array([row.family for row in chosen]),
        kind=np.array([row.kind for row in chosen]),
        group=connected(chosen),
    )


def _passes(row: Row, rules: CacheRules) -> bool:
    return all(not guard.is_on(rules) or guard.refusal(row.a, row.b) is None for guard in GUARDS)
