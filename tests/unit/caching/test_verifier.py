"""The verifier and its model file."""

import gzip
import logging
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from caching.embedder import PACKAGED_MODEL
from caching.verifier import (
    SHIPPED,
    BadVerifierFile,
    PairVerifier,
    Trees,
    file_name,
    load_verifier,
    verifier_for,
)
from caching.verifier_text import MOST_TOKENS

_SHIPPED_FILE = SHIPPED / file_name(PACKAGED_MODEL)


@pytest.fixture
def verifier() -> PairVerifier:
    found = load_verifier(_SHIPPED_FILE, PACKAGED_MODEL)
    assert found.embedder_id == PACKAGED_MODEL
    return found


@pytest.fixture(autouse=True)
def _forgotten_verifiers() -> None:
    verifier_for.cache_clear()


def _changed(path: Path, **changes: Any) -> Path:
    """Write the shipped model with other values into a file."""
    data = orjson.loads(gzip.decompress(_SHIPPED_FILE.read_bytes())) | changes
    path.write_bytes(gzip.compress(orjson.dumps(data)))
    return path


def test_the_packaged_embedder_has_a_verifier() -> None:
    found = verifier_for(PACKAGED_MODEL)
    assert found is not None
    assert 0.3 < found.limit("balanced") < found.limit("strict") < 1


def test_an_embedder_without_a_file_has_none() -> None:
    assert verifier_for("somebody/else") is None


@pytest.mark.parametrize(
    ("question", "stored"),
    [
        ("How do I oil a bicycle chain?", "What is the way to oil a bicycle chain?"),
        ("how can i oil a bicycle chain", "How do I oil a bicycle chain?"),
        ("Please tell me: is basalt magnetic?", "Is basalt magnetic?"),
    ],
)
def test_a_rephrased_question_passes(verifier: PairVerifier, question: str, stored: str) -> None:
    assert verifier.score(question, stored, 0.97) >= verifier.limit("strict")


@pytest.mark.parametrize(
    ("question", "stored"),
    [
        ("Is basalt found in Iceland?", "Is basalt found in Portugal?"),
        ("Did Petra use to be a pilot?", "Is Petra a pilot?"),
        ("How do I turn leather into paper?", "How do I turn paper into leather?"),
        ("How do I lock the garden shed?", "How do I unlock the garden shed?"),
        ("Why does basalt form?", "Where does basalt form?"),
        ("Who painted the town hall?", "Who designed the town hall?"),
    ],
)
def test_another_question_does_not_pass(verifier: PairVerifier, question: str, stored: str) -> None:
    assert verifier.score(question, stored, 0.93) < verifier.limit("strict")


def test_a_score_rises_with_the_similarity(verifier: PairVerifier) -> None:
    a, b = "How do I oil a bicycle chain?", "What is a good way of oiling the chain of a bike?"
    scores = [verifier.score(a, b, similarity) for similarity in (0.7, 0.8, 0.85, 0.9, 0.95, 1.0)]
    assert scores == sorted(scores)


@given(st.text(max_size=300), st.text(max_size=300), st.floats(-1, 1))
def test_every_score_is_a_probability_and_comes_again(a: str, b: str, similarity: float) -> None:
    verifier = verifier_for(PACKAGED_MODEL)
    assert verifier is not None
    score = verifier.score(a, b, similarity)
    assert 0 <= score <= 1
    assert verifier.score(a, b, similarity) == score


@pytest.mark.parametrize(
    "long", ["why " * (MOST_TOKENS + 1), "x" * 1_000_000, "'" * 500_000, "a'" * 300_000], ids=len
)
def test_a_long_text_is_not_judged(verifier: PairVerifier, long: str) -> None:
    assert verifier.score(long, long, 1.0) == 0.0


def test_a_similarity_that_is_no_number_passes_nothing(verifier: PairVerifier) -> None:
    assert verifier.score("Is basalt magnetic?", "Is basalt magnetic?", float("nan")) == 0.0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": 0}, "format"),
        ({"embedder": "another"}, "made for the embedder"),
        ({"features": ["similarity"]}, "other features"),
        ({"lexicon": "words-xx"}, "lexicon"),
        ({"trees": {}}, "roots"),
        ({"slope": -1.0}, "slope"),
        ({"slope": "steep"}, "steep"),
        ({"limits": {"strict": 0.9}}, "balanced"),
        ({"limits": {"strict": 1.5, "balanced": 0.5}}, "limits"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(BadVerifierFile, match=says):
        load_verifier(_changed(tmp_path / "model.json.gz", **changes), PACKAGED_MODEL)


@pytest.mark.parametrize("content", [b"", b"{}", gzip.compress(b"[]"), gzip.compress(b"{")], ids=repr)
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.json.gz"
    path.write_bytes(content)
    with pytest.raises(BadVerifierFile):
        load_verifier(path, PACKAGED_MODEL)


def _trees(**changes: Any) -> dict[str, Any]:
    sound: dict[str, Any] = {
        "roots": [0], "feature": [0, -1, -1], "threshold": [0.9, -1.0, 1.0], "left": [1, 0, 0],
        "right": [2, 0, 0], "baseline": 0.0,
    }  # fmt: skip
    return sound | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"left": [0, 0, 0]}, {"right": [3, 0, 0]}, {"feature": [999, -1, -1]}, {"feature": [-2, -1, -1]},
        {"roots": [7]}, {"threshold": [0.9, 1.0]},
    ],
    ids=repr,
)  # fmt: skip
def test_trees_in_which_a_walk_would_not_end_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = _changed(tmp_path / "model.json.gz", trees=_trees(**changes))
    with pytest.raises(BadVerifierFile):
        load_verifier(path, PACKAGED_MODEL)


def test_trees_go_left_up_to_the_threshold() -> None:
    trees = Trees(
        roots=(0,),
        feature=(0, -1, -1),
        threshold=(0.9, -1.0, 1.0),
        left=(1, 0, 0),
        right=(2, 0, 0),
        baseline=0.0,
    )
    assert (trees.raw([0.9]), trees.raw([0.91])) == (-1.0, 1.0)


def test_an_operators_own_file_wins_over_the_shipped_one(settings: Settings, tmp_path: Path) -> None:
    settings.VERIFIER_DIR = str(tmp_path)
    _changed(tmp_path / file_name(PACKAGED_MODEL), version="our own")
    found = verifier_for(PACKAGED_MODEL)
    assert found is not None
    assert found.version == "our own"


def test_a_broken_own_file_is_an_error_in_the_log_and_no_calibration(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.VERIFIER_DIR = str(tmp_path)
    (tmp_path / file_name(PACKAGED_MODEL)).write_bytes(b"not gzip")
    with caplog.at_level(logging.ERROR):
        assert verifier_for(PACKAGED_MODEL) is None
    assert "can't be used" in caplog.text


def test_file_names_hold_no_separators() -> None:
    assert file_name("remote:a/b") == "remote_a_b.json.gz"
