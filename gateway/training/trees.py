"""Fits the verifier's trees and writes them down as the request path reads them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier  # type: ignore[import-untyped]

from caching.verifier_features import FEATURES

#: What must never count for (-1) or against (1) two questions' being the same, whatever the data say.
DIRECTIONS = {
    "similarity": 1, "cover_low": 1, "cover_high": 1, "content_cover_low": 1, "content_cover_high": 1,
    "loose_weight_low": -1, "loose_weight_high": -1, "heaviest_loose_low": -1, "loose_content_low": -1,
    "loose_content_high": -1, "number_low": -1, "number_high": -1, "name_low": -1, "unexplained_low": -1,
    "unexplained_high": -1, "swaps": -1, "asks_differ": -1, "argument_swapped": -1, "pieces": 1,
    "least_like_low": 1, "likeness_low": 1,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """How large the trees may grow."""

    trees: int = 250
    leaves: int = 12
    rate: float = 0.06
    l2: float = 5.0
    least_rows: int = 25
    features: float = 0.3
    """Share of the features that a split may choose from."""


def fit_trees(
    figures: "npt.NDArray[np.float64]",
    same: "npt.NDArray[np.int64]",
    weights: "npt.NDArray[np.float64]",
    *,
    shape: Shape,
    seed: int,
) -> HistGradientBoostingClassifier:
    """Fit trees that tell pairs of the same question from others."""
    model = HistGradientBoostingClassifier(
        max_iter=shape.trees,
        max_leaf_nodes=shape.leaves,
        learning_rate=shape.rate,
        l2_regularization=shape.l2,
        min_samples_leaf=shape.least_rows,
        max_features=shape.features,
        monotonic_cst=[DIRECTIONS.get(name, 0) for name in FEATURES],
        early_stopping=False,
        random_state=seed,
    )
    model.fit(figures, same, sample_weight=weights)
    return model


def written_trees(model: HistGradientBoostingClassifier) -> dict[str, Any]:
    """Return a model's trees as the lists of `caching.verifier.Trees`."""
    roots: list[int] = []
    feature: list[int] = []
    threshold: list[float] = []
    left: list[int] = []
    right: list[int] = []
    for (predictor,) in model._predictors:
        start = len(feature)
        roots.append(start)
        for node in predictor.nodes:
            is_leaf = bool(node["is_leaf"])
            feature.append(-1 if is_leaf else int(node["feature_idx"]))
            threshold.append(float(node["value"] if is_leaf else node["num_threshold"]))
            left.append(0 if is_leaf else start + int(node["left"]))
            right.append(0 if is_leaf else start + int(node["right"]))
    return {
        "roots": roots, "feature": feature, "threshold": threshold, "left": left, "right": right,
        "baseline": float(model._baseline_prediction[0, 0]),
    }  # fmt: skip


def log_odds(
    model: HistGradientBoostingClassifier, figures: "npt.NDArray[np.float64]"
) -> "npt.NDArray[np.float64]":
    """Return what the trees say of rows of figures."""
    return np.asarray(model.decision_function(figures), np.float64)
