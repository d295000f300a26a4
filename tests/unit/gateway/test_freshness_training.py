import numpy as np
import pytest

from gateway.freshness_questions import ANCHORS, TEMPLATES, template_questions
from gateway.freshness_training import DataSet, Example, figures_of, fit, trained
from routing.freshness import KINDS, Kind
from routing.freshness_flags import NAMES, flags_of

DIMENSION = 8
QUESTIONS: dict[Kind, str] = {
    "static": "Why do cats purr?",
    "slow": "Who is the mayor?",
    "live": "Is it raining now?",
    "personal": "Read my new emails",
}
CHANCE = np.random.default_rng(3)
ANCHOR_VECTORS = CHANCE.normal(size=(5, DIMENSION))


def data_set(name: str, *, ordinary: bool = False) -> DataSet:
    """Return questions of each kind; an ordinary set has static ones only."""
    kinds: list[Kind] = ["static"] * 40 if ordinary else [kind for kind in KINDS for _ in range(10)]
    examples = tuple(Example(query=QUESTIONS[kind], dynamic=kind != "static", kind=kind) for kind in kinds)
    return DataSet(
        name=name,
        examples=examples,
        flags=np.array([flags_of(each.query) for each in examples], dtype=np.float64),
        vectors=CHANCE.normal(size=(40, DIMENSION)) + np.array([each.dynamic for each in examples])[:, None],
        ordinary=ordinary,
    )


SETS = [data_set("one"), data_set("other"), data_set("plain", ordinary=True)]


@pytest.mark.parametrize("target", ["dynamic", "kind"])
def test_folded_weights_say_what_the_features_with_anchors_said(target: str) -> None:
    model = fit(SETS, ANCHOR_VECTORS, target=target, with_vector=True)
    rows = SETS[0]
    folded = model.bias + rows.flags @ model.flags.T + rows.vectors @ model.folded().T
    assert np.abs(folded - model.evidence(rows.flags, rows.vectors)).max() < 1e-9
    assert np.abs(model.anchor).max() > 0


def test_without_vectors_only_flags_weigh() -> None:
    model = fit(SETS, ANCHOR_VECTORS, target="dynamic", with_vector=False)
    assert not model.folded().any()
    assert model.flags.any()


def test_a_data_set_weighs_the_same_whatever_its_size() -> None:
    one = SETS[0]
    twice = DataSet(
        name="twice",
        examples=one.examples * 2,
        flags=np.vstack([one.flags] * 2),
        vectors=np.vstack([one.vectors] * 2),
        ordinary=False,
    )
    first, second = (
        fit([each, SETS[1]], ANCHOR_VECTORS, target="dynamic", with_vector=True) for each in (one, twice)
    )
    assert np.allclose(first.folded(), second.folded(), atol=1e-3)


def test_a_trained_model_comes_with_figures_of_rows_that_it_had_not_seen() -> None:
    outputs, figures = trained(SETS, ANCHOR_VECTORS, seed=1, with_vector=True)
    assert set(outputs["kinds"]) == set(KINDS)
    assert len(outputs["dynamic"]["flags"]) == len(NAMES)
    assert len(outputs["dynamic"]["vector"]) == DIMENSION
    assert 0 < outputs["cut"] < 1
    assert set(figures["folds"]) == set(figures["left_out"]) == {"one", "other"}
    assert figures["folds"]["one"]["auc"] > 0.9
    assert set(figures["ordinary"]) == {"plain"}


def test_recall_is_counted_where_one_static_question_in_ten_is_an_alarm() -> None:
    dynamic = np.array([True] * 10 + [False] * 10)
    scores = np.array([0.95, 0.85, *[0.5] * 8, 0.9, *[0.1] * 9])
    assert figures_of(dynamic, scores)["recall_at_10"] == 1.0
    assert figures_of(dynamic, -scores)["recall_at_10"] == 0.0


def test_templates_give_the_same_questions_again_without_a_slot_left() -> None:
    questions = list(template_questions(per_template=2, seed=5))
    assert questions == list(template_questions(per_template=2, seed=5))
    assert {kind for kind, _ in questions} == set(KINDS) == set(TEMPLATES) == set(ANCHORS)
    assert not any(set("{}|") & set(text) for _, text in questions)
