"""Turns held-out log odds into probabilities, and chooses from which one each mode serves."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from caching.verifier import ServingMode, Wariness
from gateway.training.figures import Table

#: Of fewer not-same pairs, a few odd ones would set the limit for everybody.
_LEAST_ROWS = 300
_STEPS = np.linspace(0.3, 0.99, 139)

#: The most false hits (of not-same pairs that are near) that a limit may leave in folds, per sort of family.
_TARGETS: Mapping[ServingMode, Mapping[str, float]] = {
    "strict": {"labelled": 0.14, "edits": 0.05, "problems": 0.03, "stream": 0.17},
    "balanced": {"labelled": 0.30, "edits": 0.13, "problems": 0.09, "stream": 0.42},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """How log odds become probabilities."""

    slope: float
    shift: float
    wariness: Wariness

    def probabilities(
        self, raw: "npt.NDArray[np.float64]", similarity: "npt.NDArray[np.float64]"
    ) -> "npt.NDArray[np.float64]":
        """Return what the request path would make of the log odds."""
        below = np.clip(self.wariness.below - similarity, 0, None)
        return np.asarray(
            1 / (1 + np.exp(-(self.slope * raw + self.shift - self.wariness.rate * below))), np.float64
        )


def calibrate(table: Table, raw: "npt.NDArray[np.float64]", wariness: Wariness) -> Calibration:
    """Fit slope and shift to held-out log odds of the rows that guards let pass (Platt)."""
    asked = table.passes
    model = LogisticRegression(C=1e6)
    model.fit(raw[asked].reshape(-1, 1), table.same[asked], sample_weight=table.weight[asked])
    return Calibration(
        slope=max(float(model.coef_[0, 0]), 1e-3), shift=float(model.intercept_[0]), wariness=wariness
    )


def choose_limits(
    table: Table, probability: "npt.NDArray[np.float64]", streams: frozenset[str]
) -> dict[ServingMode, float]:
    """Return the lowest limit of each mode that keeps the false hits of every family in bounds."""
    return {mode: _lowest(table, probability, streams, targets) for mode, targets in _TARGETS.items()}


def _lowest(
    table: Table,
    probability: "npt.NDArray[np.float64]",
    streams: frozenset[str],
    targets: Mapping[str, float],
) -> float:
    needed = [
        _limit_for(probability[rows], table.passes[rows], targets[sort_of(name, streams)])
        for name in sorted(set(table.family.tolist()))
        if len(rows := np.flatnonzero((table.family == name) & (table.same == 0))) >= _LEAST_ROWS
    ]
    return max(needed, default=float(_STEPS[-1]))


def sort_of(family: str, streams: frozenset[str]) -> str:
    """Return which bounds a family has."""
    if family in streams:
        return "stream"
    if family == "templates":
        return "edits"
    return family.partition(":")[0] if ":" in family else "labelled"


def _limit_for(
    probability: "npt.NDArray[np.float64]", passes: "npt.NDArray[np.bool_]", target: float
) -> float:
    held = (step for step in _STEPS if float(((probability >= step) & passes).mean()) <= target)
    return float(next(held, _STEPS[-1]))
