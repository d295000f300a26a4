"""Trains the freshness model. Runs in commands only: numpy and scikit-learn come with the embedding worker.

Features are the flags, the embedding, and its cosines to the anchor questions. Every (data set, class) weighs the
same whatever its size; ordinary questions weigh little, since some of them are dynamic after all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]

from caching.embedder import EmbeddingFailed, TextEncoder
from gateway.freshness_questions import ANCHORS, template_questions
from routing.freshness import KINDS, Kind
from routing.freshness_flags import NAMES, flags_of

if TYPE_CHECKING:
    import numpy.typing as npt

Matrix: TypeAlias = "npt.NDArray[np.float64]"

_ORDINARY_WEIGHT = 0.15
_PER_TEMPLATE = 5
_FLAG_SCALE = 2.0
_ANCHOR_SCALE = 0.5
#: Inverse strength of the ridge, for weights that add up to _MASS.
_C = 3.0
_MASS = 1000.0
_FOLDS = 5
_FALSE_ALARMS = 0.10
"""Share of labelled static questions that may reach the cut: what they lose is a longer TTL."""
_SURE_ALARMS = 0.02
"""Share of any set of ordinary questions that may be taken for live, or for personal: they lose the cache."""
_EVEN = 0.5
_COSTLY: tuple[Kind, ...] = ("live", "personal")
_DIGITS = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A question and what is known of its answer's life."""

    query: str
    dynamic: bool
    kind: Kind | None
    """None: says nothing of the kind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSet:
    """Questions of one source, with their features."""

    name: str
    examples: tuple[Example, ...] = field(repr=False)
    flags: "Matrix" = field(repr=False)
    vectors: "Matrix" = field(repr=False)
    ordinary: bool
    """Unlabelled questions, taken for static."""

    @property
    def dynamic(self) -> "npt.NDArray[np.bool_]":
        return np.array([each.dynamic for each in self.examples], dtype=bool)

    def rows(self, which: "npt.NDArray[np.bool_]") -> "DataSet":
        chosen = tuple(each for each, taken in zip(self.examples, which, strict=True) if taken)
        return DataSet(
            name=self.name,
            examples=chosen,
            flags=self.flags[which],
            vectors=self.vectors[which],
            ordinary=self.ordinary,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """One linear model over flags, embedding and cosines to anchors: a row of weights per output."""

    bias: "Matrix"
    flags: "Matrix"
    vector: "Matrix"
    anchor: "Matrix"
    anchors: "Matrix" = field(repr=False)

    def evidence(self, flags: "Matrix", vectors: "Matrix") -> "Matrix":
        """Return the outputs of each row, from the features as they were trained."""
        cosines = vectors @ self.anchors.T
        return self.bias + flags @ self.flags.T + vectors @ self.vector.T + cosines @ self.anchor.T

    def folded(self) -> "Matrix":
        """Return the weights of the embedding alone that stand for it and its cosines."""
        return self.vector + self.anchor @ self.anchors


def encoded(name: str, examples: Sequence[Example], encoder: TextEncoder, *, ordinary: bool) -> DataSet:
    """Return the data set with its features; texts without a vector are left out. Raises EmbeddingFailed."""
    rows = encoder.encode([each.query for each in examples])
    usable = [(each, row) for each, row in zip(examples, rows, strict=True) if not isinstance(row, str)]
    if not usable:
        raise EmbeddingFailed(f"no text of {name} has a vector")
    return DataSet(
        name=name,
        examples=tuple(each for each, _ in usable),
        flags=np.array([flags_of(each.query) for each, _ in usable], dtype=np.float64),
        vectors=np.array([row for _, row in usable], dtype=np.float64),
        ordinary=ordinary,
    )


def templates(encoder: TextEncoder, *, seed: int) -> DataSet:
    """Return the self-written questions."""
    examples = [
        Example(query=text, dynamic=kind != "static", kind=kind)
        for kind, text in template_questions(per_template=_PER_TEMPLATE, seed=seed)
    ]
    return encoded("templates", examples, encoder, ordinary=False)


def anchors(encoder: TextEncoder) -> "Matrix":
    """Return the vectors of the anchor questions. Raises EmbeddingFailed."""
    rows = encoder.encode([text for texts in ANCHORS.values() for text in texts])
    if any(isinstance(row, str) for row in rows):
        raise EmbeddingFailed("an anchor question has no vector")
    return np.array(rows, dtype=np.float64)


def fit(sets: Sequence[DataSet], anchor_vectors: "Matrix", *, target: str, with_vector: bool) -> Fitted:
    """Fit one output for `dynamic`, or one per kind for `kind`."""
    labels = [_labels(each, target) for each in sets]
    known = [label >= 0 for label in labels]
    features = np.vstack(
        [_features(each, anchor_vectors, with_vector)[rows] for each, rows in zip(sets, known, strict=True)]
    )
    weights = np.concatenate(
        [_weights(each, label)[rows] for each, label, rows in zip(sets, labels, known, strict=True)]
    )
    model = LogisticRegression(C=_C, max_iter=1000)
    model.fit(
        features,
        np.concatenate([label[rows] for label, rows in zip(labels, known, strict=True)]),
        sample_weight=weights * _MASS / weights.sum(),
    )
    return _unscaled(model, anchor_vectors, with_vector=with_vector)


def _labels(each: DataSet, target: str) -> "npt.NDArray[np.int64]":
    """Return the class of each row; -1: unknown."""
    if target == "dynamic":
        return each.dynamic.astype(np.int64)
    return np.array([-1 if row.kind is None else KINDS.index(row.kind) for row in each.examples])


def _weights(each: DataSet, labels: "npt.NDArray[np.int64]") -> "Matrix":
    if each.ordinary:
        return np.full(len(labels), _ORDINARY_WEIGHT / len(labels))
    classes, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[place], dtype=np.float64) if len(classes) else np.empty(0)


def _features(each: DataSet, anchor_vectors: "Matrix", with_vector: bool) -> "Matrix":
    scaled = each.flags * _FLAG_SCALE
    if not with_vector:
        return scaled
    return np.hstack([scaled, each.vectors, each.vectors @ anchor_vectors.T * _ANCHOR_SCALE])


def _unscaled(model: LogisticRegression, anchor_vectors: "Matrix", *, with_vector: bool) -> Fitted:
    """Return the weights of the features as they are, not as they were scaled for the ridge."""
    weights, dimension, flags = model.coef_, anchor_vectors.shape[1], len(NAMES)
    outputs = len(weights)
    if not with_vector:
        vector, anchor = np.zeros((outputs, dimension)), np.zeros((outputs, len(anchor_vectors)))
    else:
        vector, anchor = (
            weights[:, flags : flags + dimension],
            weights[:, flags + dimension :] * _ANCHOR_SCALE,
        )
    return Fitted(
        bias=model.intercept_,
        flags=weights[:, :flags] * _FLAG_SCALE,
        vector=vector,
        anchor=anchor,
        anchors=anchor_vectors,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Unseen:
    """What models that hadn't seen a data set's rows say of them."""

    of: DataSet
    dynamic: "Matrix"
    """Probabilities."""
    kinds: "Matrix"
    """Probabilities, one column per kind."""


def unseen(
    sets: Sequence[DataSet], anchor_vectors: "Matrix", *, seed: int, with_vector: bool
) -> list[Unseen]:
    """Score every row by a model that was trained without its fold."""
    chance = np.random.default_rng(seed)
    folds = [chance.permutation(len(each.examples)) % _FOLDS for each in sets]
    dynamic = [np.zeros(len(each.examples)) for each in sets]
    kinds = [np.zeros((len(each.examples), len(KINDS))) for each in sets]
    for fold in range(_FOLDS):
        seen = [each.rows(parts != fold) for each, parts in zip(sets, folds, strict=True)]
        one, many = (
            fit(seen, anchor_vectors, target=target, with_vector=with_vector)
            for target in ("dynamic", "kind")
        )
        for place, (each, parts) in enumerate(zip(sets, folds, strict=True)):
            held = each.rows(parts == fold)
            dynamic[place][parts == fold] = _logistic(one.evidence(held.flags, held.vectors))[:, 0]
            kinds[place][parts == fold] = _softmax(many.evidence(held.flags, held.vectors))
    return [
        Unseen(of=each, dynamic=row, kinds=chances)
        for each, row, chances in zip(sets, dynamic, kinds, strict=True)
    ]


def left_out(sets: Sequence[DataSet], anchor_vectors: "Matrix", *, with_vector: bool) -> dict[str, Any]:
    """Return the figures of each labelled data set by a model that never saw it."""
    figures = {}
    for each in _labelled(sets):
        others = [other for other in sets if other is not each]
        model = fit(others, anchor_vectors, target="dynamic", with_vector=with_vector)
        figures[each.name] = figures_of(each.dynamic, model.evidence(each.flags, each.vectors)[:, 0])
    return figures


def _labelled(sets: Sequence[DataSet]) -> list[DataSet]:
    return [each for each in sets if not each.ordinary and 0 < each.dynamic.sum() < len(each.dynamic)]


def figures_of(dynamic: "npt.NDArray[np.bool_]", scores: "Matrix") -> dict[str, float]:
    """Return AUC and the recall where one static question in ten is a false alarm."""
    static = np.sort(scores[~dynamic])
    cut = static[int(np.ceil((1 - _FALSE_ALARMS) * len(static))) - 1]
    return {
        "auc": round(float(roc_auc_score(dynamic, scores)), 4),
        "recall_at_10": round(float((scores[dynamic] > cut).mean()), 4),
    }


def trained(
    sets: Sequence[DataSet], anchor_vectors: "Matrix", *, seed: int, with_vector: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the outputs as the model's file holds them, and the figures for its card."""
    tested = unseen(sets, anchor_vectors, seed=seed, with_vector=with_vector)
    cut = _cut([each.dynamic[~each.of.dynamic] for each in tested if not each.of.ordinary], _FALSE_ALARMS)
    sure: dict[Kind, float] = {kind: _sure_from(tested, kind, cut) for kind in _COSTLY}
    dynamic, kinds = (
        fit(sets, anchor_vectors, target=target, with_vector=with_vector) for target in ("dynamic", "kind")
    )
    outputs = {
        "dynamic": _output_row(dynamic, 0, with_vector=with_vector),
        "kinds": {
            kind: _output_row(kinds, place, with_vector=with_vector) for place, kind in enumerate(KINDS)
        },
        "cut": cut,
        "sure": sure,
    }
    return outputs, {
        "folds": {
            each.of.name: figures_of(each.of.dynamic, each.dynamic)
            for each in tested
            if each.of in _labelled(sets)
        },
        "left_out": left_out(sets, anchor_vectors, with_vector=with_vector),
        "ordinary": {each.of.name: _ordinary_figures(each, cut, sure) for each in tested if each.of.ordinary},
        "kinds": {each.of.name: _kind_figures(each, cut, sure) for each in tested if not each.of.ordinary},
    }


def _sure_from(tested: Sequence[Unseen], kind: Kind, cut: float) -> float:
    """Return the least probability of a kind that is rare enough in every set of ordinary questions."""
    ordinary = [each for each in tested if each.of.ordinary]
    chances = [np.where(each.dynamic >= cut, each.kinds[:, KINDS.index(kind)], 0.0) for each in ordinary]
    return round(max([_EVEN, *(_cut([each], _SURE_ALARMS) for each in chances)]), 4)


def _cut(groups: Sequence["Matrix"], share: float) -> float:
    """Return the value that this share of the groups' values reaches, each group weighing the same."""
    values = np.concatenate(groups)
    weights = np.concatenate([np.full(len(each), 1 / (len(each) * len(groups))) for each in groups])
    order = np.argsort(-values)
    place = int(np.argmax(np.cumsum(weights[order]) > share))
    return round(float(np.nextafter(values[order][place], np.inf)), 4)


def taken_for(each: Unseen, cut: float, sure: Mapping[Kind, float]) -> list[Kind]:
    """Return the kind that each row is treated as, by the same steps as `Freshness.acted_on`."""
    kinds: list[Kind] = []
    for dynamic, chances in zip(each.dynamic, each.kinds, strict=True):
        by_kind = dict(zip(KINDS, chances, strict=True))
        likely = max(KINDS[1:], key=by_kind.__getitem__)
        sure_enough = by_kind[likely] >= sure.get(likely, 0.0)
        kinds.append("static" if dynamic < cut else likely if sure_enough else "slow")
    return kinds


def _ordinary_figures(each: Unseen, cut: float, sure: Mapping[Kind, float]) -> dict[str, float]:
    taken = taken_for(each, cut, sure)
    return {kind: round(taken.count(kind) / len(taken), 4) for kind in KINDS}


def _kind_figures(each: Unseen, cut: float, sure: Mapping[Kind, float]) -> dict[str, dict[str, float]]:
    taken = taken_for(each, cut, sure)
    figures: dict[str, dict[str, float]] = {}
    for kind in KINDS:
        of_kind = [got for got, row in zip(taken, each.of.examples, strict=True) if row.kind == kind]
        if of_kind:
            figures[kind] = {got: round(of_kind.count(got) / len(of_kind), 4) for got in KINDS}
    return figures


def _output_row(model: Fitted, place: int, *, with_vector: bool) -> dict[str, Any]:
    return {
        "bias": round(float(model.bias[place]), _DIGITS),
        "flags": _rounded(model.flags[place]),
        "vector": _rounded(model.folded()[place]) if with_vector else [],
    }


def _rounded(weights: "Matrix") -> list[float]:
    return [round(float(weight), _DIGITS) for weight in weights]


def _logistic(evidence: "Matrix") -> "Matrix":
    return np.asarray(1 / (1 + np.exp(-evidence)), dtype=np.float64)


def _softmax(evidence: "Matrix") -> "Matrix":
    odds = np.exp(evidence - evidence.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float64)
