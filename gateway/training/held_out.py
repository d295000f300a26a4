"""Scores rows by trees that never saw them: folds by question, whole families left out, whole kinds of edits left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold

from gateway.training.figures import Table
from gateway.training.trees import Shape, fit_trees, log_odds

_FOLDS = 4
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


def left_out(
    table: Table, *, by: str, shape: Shape, seed: int
) -> Iterator[tuple[str, "npt.NDArray[np.int64]", "npt.NDArray[np.float64]"]]:
    """Yield each family (or kind of edit), its rows, and their log odds by trees that saw none like them.

    by: `family` or `kind`. Rows that share a question with those left out are left out of training too.
    """
    labels = table.family if by == "family" else table.kind
    for name in sorted(set(labels.tolist()) - {""}):
        unseen = np.flatnonzero(labels == name)
        if len(unseen) < _LEAST_ROWS:
            continue
        touched = np.isin(table.group, table.group[unseen]) if by == "family" else labels == name
        known = np.flatnonzero(~touched)
        if len(set(table.same[known].tolist())) == 2:
            yield name, unseen, _scored(table, known, unseen, shape=shape, seed=seed)


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
