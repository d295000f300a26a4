"""Scores rows by trees that never saw them: folds by question, whole families or whole kinds of edits left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold  # type: ignore[import-untyped]

from gateway.training.figures import Table
from gateway.training.trees import Shape, fit_trees, log_odds

_FOLDS = 4
_PARTS = 6
#: Smaller families tell nothing by themselves.
_LEAST_ROWS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """What a limit does to the rows of one family or kind, among those near enough to be looked at."""

    name: str
    rows: int
    same: int
    recall: float
    false_hit_rate: float


def in_folds(table: Table, *, shape: Shape, seed: int) -> "npt.NDArray[np.float64]":
    """Return log odds by trees fitted to the other folds; rows that share a question are in one fold."""
    found = np.zeros(len(table.rows))
    folds = GroupKFold(min(_FOLDS, len(set(table.group.tolist()))))
    for known, unseen in folds.split(table.figures, table.same, table.group):
        found[unseen] = _scored(table, known, unseen, shape=shape, seed=seed)
    return found


def without_family(
    table: Table, *, shape: Shape, seed: int
) -> Iterator[tuple[str, "npt.NDArray[np.int64]", "npt.NDArray[np.float64]"]]:
    """Yield each family of people's questions, its rows, and their log odds by trees that saw none of it.

    Rows that share a question with the family are left out of training too, edits of it among them.
    """
    synthetic = np.array([row.synthetic for row in table.rows])
    for name in sorted(set(table.family[~synthetic].tolist())):
        unseen = np.flatnonzero(table.family == name)
        known = np.flatnonzero(~np.isin(table.group, table.group[unseen]))
        if len(unseen) >= _LEAST_ROWS and len(set(table.same[known].tolist())) == 2:
            yield name, unseen, _scored(table, known, unseen, shape=shape, seed=seed)


def without_kinds(table: Table, *, shape: Shape, seed: int) -> "npt.NDArray[np.float64]":
    """Return log odds of edits by trees that saw no edit of their kind; NaN for rows that are no edits.

    A sixth of the kinds is left out at a time.
    """
    found = np.full(len(table.rows), np.nan)
    kinds = sorted(set(table.kind.tolist()) - {""})
    for part in range(_PARTS):
        is_unseen = np.isin(table.kind, kinds[part::_PARTS])
        known, unseen = np.flatnonzero(~is_unseen), np.flatnonzero(is_unseen)
        if len(unseen) and len(set(table.same[known].tolist())) == 2:
            found[unseen] = _scored(table, known, unseen, shape=shape, seed=seed)
    return found


def _scored(
    table: Table,
    known: "npt.NDArray[np.int64]",
    unseen: "npt.NDArray[np.int64]",
    *,
    shape: Shape,
    seed: int,
) -> "npt.NDArray[np.float64]":
    model = fit_trees(table.figures[known], table.same[known], table.weight[known], shape=shape, seed=seed)
    return log_odds(model, table.figures[unseen])


def rates(
    name: str, table: Table, rows: "npt.NDArray[np.int64] | Sequence[int]", served: "npt.NDArray[np.bool_]"
) -> Rates:
    """Return the rates of some rows. served: for each of them, whether the verifier would let it pass."""
    same = table.same[rows] == 1
    hits = served & table.passes[rows]
    return Rates(
        name=name,
        rows=len(same),
        same=int(same.sum()),
        recall=float(hits[same].mean()) if same.any() else 0.0,
        false_hit_rate=float(hits[~same].mean()) if (~same).any() else 0.0,
    )
