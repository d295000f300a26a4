import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.freshness import (
    KINDS,
    SHIPPED,
    FreshnessModel,
    InvalidFreshnessModel,
    Kind,
    Lifetimes,
    cut_for_share,
    load_model,
    refit_cut,
    score,
    shipped_model,
    ttl_for,
)
from routing.freshness_flags import NAMES

LIFETIMES = Lifetimes(static=700, slow=100, live=0, longest=1000)


def output(bias: float = 0.0, vector: list[float] | None = None, **flags: float) -> dict[str, Any]:
    return {"bias": bias, "flags": [flags.get(name, 0.0) for name in NAMES], "vector": vector or []}


def outputs(dimension: int = 0, **parts: Any) -> dict[str, Any]:
    still = [0.0] * dimension
    kinds = {kind: output(vector=still) for kind in KINDS}
    return {"dynamic": output(vector=still), "kinds": kinds, "cut": 0.5, "sure": {}} | parts


def row(**fields: Any) -> dict[str, Any]:
    whole = {
        "format": 1,
        "version": "7",
        "embedders": ["mine"],
        "dimension": 2,
        "flags": NAMES,
        "with_vector": outputs(2, dynamic=output(vector=[3.0, -1.0], now=1.0)),
        "without_vector": outputs(dynamic=output(bias=-1.0, now=4.0)),
    }
    return whole | fields


def loaded(path: Path, **fields: Any) -> FreshnessModel:
    file = path / "model.json"
    file.write_text(json.dumps(row(**fields)))
    return load_model(file)


def logistic(evidence: float) -> float:
    return 1 / (1 + math.exp(-evidence))


def test_evidence_adds_up_from_bias_flags_and_vector(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    assert model.score("Is it open now?", [0.6, 0.8], "mine").dynamic == pytest.approx(logistic(1.0 + 1.0))
    assert model.score("Is it open?", [0.6, 0.8], "mine").dynamic == pytest.approx(logistic(1.0))


@pytest.mark.parametrize(
    ("values", "embedder"), [(None, None), ([0.6, 0.8], "another"), ([0.6, 0.8, 0.0], "mine")]
)
def test_without_a_vector_of_the_models_own_embedder_the_wording_decides(
    tmp_path: Path, values: list[float] | None, embedder: str | None
) -> None:
    found = loaded(tmp_path).score("Is it open now?", values, embedder)
    assert found.dynamic == pytest.approx(logistic(-1.0 + 4.0))


def test_below_the_cut_a_question_is_static_and_the_tenants_cut_wins(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    assert model.score("Is it open?", None, None).kind == "static"
    assert model.score("Is it open?", None, None, cut=0.2).kind == "slow"
    assert model.score("Is it open now?", None, None).kind == "slow"
    assert model.score("Is it open now?", None, None, cut=0.99).kind == "static"


@pytest.mark.parametrize(("sure", "acted_on"), [(0.5, "live"), (0.99, "slow")])
def test_a_kind_that_costs_the_cache_has_to_be_sure(tmp_path: Path, sure: float, acted_on: Kind) -> None:
    kinds = {each: output(bias=3.0 if each == "live" else 0.0) for each in KINDS}
    wording = outputs(dynamic=output(bias=2.0), kinds=kinds, sure={"live": sure})
    found = loaded(tmp_path, without_vector=wording).score("Well?", None, None)
    assert (found.kind, found.sure, found.acted_on) == ("live", acted_on == "live", acted_on)


@pytest.mark.parametrize(
    "fields",
    [
        {"format": 2},
        {"flags": ["now"]},
        {"dimension": 3},
        {"embedders": None},
        {"with_vector": outputs(2, dynamic=output(vector=[1.0]))},
        {"with_vector": outputs(2, dynamic=output(vector=[math.nan, 1.0]))},
        {"with_vector": outputs(2, dynamic={"bias": 0.0, "flags": [1.0], "vector": [0.0, 0.0]})},
        {"with_vector": outputs(2, kinds={"static": output(vector=[0.0, 0.0])})},
        {"with_vector": outputs(2, cut="high")},
        {"without_vector": outputs(dynamic=output(bias=True))},
        {"without_vector": None},
    ],
)
def test_a_file_that_is_no_model_for_these_flags_is_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidFreshnessModel):
        loaded(tmp_path, **fields)


def test_what_is_no_json_object_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"[]", b"\xff", b"3"):
        (tmp_path / "model.json").write_bytes(content)
        with pytest.raises(InvalidFreshnessModel):
            load_model(tmp_path / "model.json")


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("What is the weather like in Lima right now?", "live"),
        ("How is the traffic on the highway today?", "live"),
        ("Do I have any new emails from my boss?", "personal"),
        ("Who has won the most championships?", "slow"),
        ("Who is the richest person in the world?", "slow"),
        ("How do you bake sourdough bread?", "static"),
        ("What is the definition of photosynthesis?", "static"),
        ("Why did the Roman empire fall?", "static"),
    ],
)
def test_the_shipped_model_tells_plain_cases_by_their_wording(question: str, kind: Kind) -> None:
    assert score(question, None, None).kind == kind


def test_the_shipped_model_tells_its_data_and_figures() -> None:
    card = json.loads(SHIPPED.read_bytes())["card"]
    assert card["embedder"] in shipped_model().embedder_ids
    assert shipped_model().dimension == 384
    assert card["seed"] is not None
    for name, figures in card["with_vector"]["folds"].items():
        assert figures["auc"] >= 0.85, name
    assert set(card["with_vector"]["left_out"]) <= set(card["data"])


def test_any_vector_has_a_score_between_0_and_1() -> None:
    @given(st.text(), st.lists(st.floats(-1, 1), min_size=384, max_size=384))
    def check(text: str, values: list[float]) -> None:
        assert 0 <= score(text, values, "all-MiniLM-L6-v2").dynamic <= 1

    check()


@pytest.mark.parametrize(
    ("kind", "wished", "kept_s"),
    [
        ("static", None, 700),
        ("slow", None, 100),
        ("live", None, 0),
        ("personal", None, 0),
        ("static", 50, 50),
        ("slow", 5000, 1000),
        ("live", 50, 0),
        ("personal", 50, 0),
    ],
)
def test_each_kind_is_kept_for_its_time_and_the_caller_may_choose_within(
    kind: Kind, wished: int | None, kept_s: int
) -> None:
    assert ttl_for(kind, LIFETIMES, wished) == kept_s


def test_live_answers_may_be_kept_for_minutes_and_callers_only_shorten_that() -> None:
    minutes = Lifetimes(static=700, slow=100, live=60, longest=1000)
    assert ttl_for("live", minutes, None) == 60
    assert ttl_for("live", minutes, 900) == 60
    assert ttl_for("live", minutes, 5) == 5


def test_a_cut_is_the_least_that_enough_scores_stay_below() -> None:
    scores = [0.1, 0.2, 0.3, 0.4, 0.5]
    for share, reaching in ((0.0, 0), (0.2, 1), (0.5, 2), (0.99, 4), (1.0, 5)):
        cut = cut_for_share(scores, share)
        assert sum(each >= cut for each in scores) == reaching
    with pytest.raises(ValueError, match="scores"):
        cut_for_share([], 0.1)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1).filter(
        lambda rows: not all(dynamic for _, dynamic in rows)
    ),
    st.floats(0, 1),
)
def test_a_refit_cut_keeps_false_alarms_within_their_share(
    rows: list[tuple[float, bool]], share: float
) -> None:
    cut = refit_cut([each for each, _ in rows], [is_so for _, is_so in rows], most_false_alarms=share)
    static = [each for each, is_so in rows if not is_so]
    assert sum(each >= cut for each in static) <= share * len(static)
