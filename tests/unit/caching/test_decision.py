import json
import math
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest

from caching.decision import Asked, Decision, Neighbour, Refuse, Serve, Verifier, decide, left_to_verify
from tests.caching_values import rules

QUESTION = "How do I boil 2 eggs?"


def near(similarity: float, question: str = "How are 2 eggs boiled?", **changes: Any) -> Neighbour:
    plain = Neighbour(
        entry=UUID(int=int(abs(similarity) * 1000) if math.isfinite(similarity) else 0),
        similarity=similarity,
        question=question,
        complexity="simple",
        model="small-1",
    )
    return replace(plain, **changes)


@dataclass
class Opinion:
    """A verifier that says the same of every pair, and what it was asked."""

    of_all: float
    version: str = "opinion-1"
    asked: list[str] = field(default_factory=list)

    def limit(self, mode: str) -> float:
        return {"strict": 0.9, "balanced": 0.6}[mode]

    def score(self, question: str, stored: str, similarity: float) -> float:
        self.asked.append(stored)
        return self.of_all


def asking(
    question: str = QUESTION, complexity: str = "simple", verifier: Verifier | None = None, **fields: Any
) -> Asked:
    return Asked(
        question=question,
        rules=rules(**fields),
        complexity=complexity,
        allowed=lambda model: model != "forbidden",
        verifier=verifier,
    )


def decided(*neighbours: Neighbour, **fields: Any) -> Decision:
    return decide(asking(**fields), neighbours)


def reason(decision: Decision) -> str:
    assert isinstance(decision, Refuse)
    return decision.reason


def test_the_nearest_entry_serves() -> None:
    decision = decided(near(0.9), near(0.95))
    assert isinstance(decision, Serve)
    assert decision.neighbour.similarity == 0.95
    assert [step["verdict"] for step in decision.trail] == ["serve"]


def test_without_neighbours_nothing_serves() -> None:
    assert decided() == Refuse(reason="no_neighbour", nearest=None, trail=())


@pytest.mark.parametrize(
    ("neighbour", "expected"),
    [
        (near(0.849), "below_floor"),
        (near(0.95, "How are 3 eggs boiled?"), "numbers"),
        (near(0.95, "How do I not boil 2 eggs?"), "polarity"),
        (near(0.95, "How do I boil 2 eggs in Paris?"), None),
        (near(0.95, model="forbidden"), "model_not_allowed"),
    ],
)
def test_each_step_has_its_reason(neighbour: Neighbour, expected: str | None) -> None:
    decision = decided(neighbour)
    if expected is None:
        assert isinstance(decision, Serve)
    else:
        assert reason(decision) == expected
        assert isinstance(decision, Refuse)
        assert decision.nearest == neighbour


def test_the_floor_itself_serves() -> None:
    assert isinstance(decided(near(0.85)), Serve)


@pytest.mark.parametrize("similarity", [math.nan, math.inf, -math.inf, 1.01, 2.0, -5.0])
def test_what_is_no_cosine_never_matches(similarity: float) -> None:
    decision = decided(near(similarity), floor=0.5)
    assert reason(decision) == "below_floor"
    assert decision.trail[0]["similarity"] is None


def test_rounding_above_one_is_a_match() -> None:
    decision = decided(near(1.0004))
    assert isinstance(decision, Serve)
    assert decision.trail[0]["similarity"] == 1.0


def test_an_entry_of_a_simple_prompt_never_serves_a_complex_one() -> None:
    assert reason(decided(near(0.95), complexity="complex")) == "weaker_tier"
    assert isinstance(decided(near(0.95, complexity="complex"), complexity="complex"), Serve)
    assert isinstance(decided(near(0.95, complexity="complex"), complexity="simple"), Serve)


def test_the_second_neighbour_is_tried_and_a_third_is_not() -> None:
    other = near(0.97, "How are 3 eggs boiled?")
    decision = decided(other, near(0.9))
    assert isinstance(decision, Serve)
    assert [step["verdict"] for step in decision.trail] == ["numbers", "serve"]
    assert reason(decided(other, near(0.96, "Boil 4 eggs?"), near(0.9))) == "numbers"


def test_a_guard_that_is_off_refuses_nothing() -> None:
    assert isinstance(decided(near(0.95, "How are 3 eggs boiled?"), guard_numbers=False), Serve)
    assert isinstance(decided(near(0.95, "How do I not boil 2 eggs?"), guard_polarity=False), Serve)


@pytest.mark.parametrize(
    ("mode", "score", "serves"),
    [
        ("strict", 0.89, False),
        ("strict", 0.9, True),
        ("shadow", 0.89, False),
        ("balanced", 0.89, True),
        ("balanced", 0.59, False),
        ("balanced", math.nan, False),
    ],
)
def test_the_verifier_vetoes_below_the_limit_of_the_mode(mode: str, score: float, serves: bool) -> None:
    decision = decided(near(0.95), verifier=Opinion(score), semantic_mode=mode)
    assert isinstance(decision, Serve) is serves
    if isinstance(decision, Refuse):
        assert decision.reason == "verifier"


def test_the_verifier_is_not_asked_of_what_is_refused_without_it() -> None:
    opinion = Opinion(1.0)
    decided(near(0.8), near(0.95, "How are 3 eggs boiled?"), verifier=opinion)
    assert opinion.asked == []


def test_a_sure_verifier_lowers_no_floor() -> None:
    assert reason(decided(near(0.849), verifier=Opinion(1.0))) == "below_floor"


def test_audits_raise_the_floor_and_never_lower_it() -> None:
    assert reason(decided(near(0.9), tuned_floor=0.91)) == "below_floor"
    assert reason(decided(near(0.84), tuned_floor=0.5)) == "below_floor"
    assert isinstance(decided(near(0.92), tuned_floor=0.91), Serve)


def test_what_is_left_to_a_verifier_that_has_to_be_waited_for_passed_all_else() -> None:
    passing, other_number = near(0.95), near(0.96, "How are 3 eggs boiled?")
    assert left_to_verify(asking(verifier=Opinion(0.0)), [passing, other_number]) == [passing]


def test_the_trail_is_json_and_holds_no_text() -> None:
    decision = decided(near(0.95, "How are 3 eggs boiled?"), near(math.nan, "secret words"))
    written = json.dumps(decision.trail)
    assert "eggs" not in written
    assert "secret" not in written
    assert [step["verdict"] for step in json.loads(written)] == ["numbers", "below_floor"]


def test_the_trail_names_the_check_that_refused_and_the_score() -> None:
    decision = decided(near(0.96, "How are 3 eggs boiled?"), near(0.95), verifier=Opinion(0.5))
    assert [(step.get("check"), step.get("score")) for step in decision.trail] == [
        ("guards", None),
        ("verifier", 0.5),
    ]
