"""Trees as they are fitted and as they are written down."""

import numpy as np
import pytest

from caching.verifier import Trees
from caching.verifier_features import FEATURES
from gateway.training.trees import Shape, fit_trees, log_odds, written_trees


@pytest.fixture(scope="module")
def figures() -> "np.typing.NDArray[np.float64]":
    return np.random.default_rng(1).uniform(0, 1, (600, len(FEATURES)))


def test_written_trees_say_what_the_fitted_ones_say(figures: "np.typing.NDArray[np.float64]") -> None:
    same = (figures[:, 0] + figures[:, 5] > 1).astype(np.int64)
    model = fit_trees(figures, same, np.ones(600), shape=Shape(trees=30), seed=3)
    written = written_trees(model)
    trees = Trees(
        roots=tuple(written["roots"]),
        feature=tuple(written["feature"]),
        threshold=tuple(written["threshold"]),
        left=tuple(written["left"]),
        right=tuple(written["right"]),
        baseline=written["baseline"],
    )
    ours = [trees.raw(row) for row in figures.tolist()]
    assert len(written["roots"]) == 30
    assert ours == pytest.approx(log_odds(model, figures).tolist(), abs=1e-9)


def test_similarity_never_counts_against_a_pair(figures: "np.typing.NDArray[np.float64]") -> None:
    contrary = (figures[:, 0] < 0.5).astype(np.int64)
    model = fit_trees(figures, contrary, np.ones(600), shape=Shape(trees=20), seed=3)
    rising = np.repeat(figures[:1], 20, axis=0)
    rising[:, 0] = np.linspace(0, 1, 20)
    said = log_odds(model, rising)
    assert (np.diff(said) >= 0).all()
