from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.replay import PastDecision, Trial, outcome_of, past_decision, replay

STRICT = Trial(mode="strict", floor=0.85, limit=0.9, verifier="v1")
BALANCED = Trial(mode="balanced", floor=0.85, limit=0.7, verifier="v1")


def step(
    similarity: float | None, verdict: str, score: float | None = None, entry: str = "e"
) -> dict[str, Any]:
    found: dict[str, Any] = {"entry": entry, "similarity": similarity, "verdict": verdict}
    return found if score is None else found | {"score": score}


def decided(
    *steps: dict[str, Any], served: bool = False, request: str = "r", verifier: str = "v1"
) -> PastDecision:
    found = past_decision(
        request=request,
        cache_status="hit_semantic" if served else "miss",
        decision={"mode": "strict", "floor": 0.85, "verifier": verifier, "candidates": list(steps)},
        cost_nano=0 if served else 10,
        saved_nano=12 if served else 0,
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("steps", "strict", "balanced"),
    [
        ([step(0.95, "serve", 0.95)], "hit", "hit"),
        ([step(0.95, "verifier", 0.8)], "miss", "hit"),
        ([step(0.95, "verifier", 0.2), step(0.9, "serve", 0.92)], "hit", "hit"),
        ([step(0.95, "numbers"), step(0.9, "verifier", 0.75)], "miss", "hit"),
        ([step(0.95, "numbers"), step(0.9, "weaker_tier")], "miss", "miss"),
        ([step(0.8, "below_floor")], "miss", "miss"),
        ([step(None, "below_floor")], "miss", "miss"),
        ([], "miss", "miss"),
    ],
)
def test_modes_are_replayed_by_score(steps: list[dict[str, Any]], strict: str, balanced: str) -> None:
    assert outcome_of(decided(*steps), STRICT)[0] == strict
    assert outcome_of(decided(*steps), BALANCED)[0] == balanced


def test_a_higher_floor_is_replayed_and_a_lower_one_is_unknown() -> None:
    higher = Trial(mode="strict", floor=0.96, limit=0.9, verifier="v1")
    lower = Trial(mode="strict", floor=0.75, limit=0.9, verifier="v1")
    assert outcome_of(decided(step(0.95, "serve", 0.95)), higher)[0] == "miss"
    assert outcome_of(decided(step(0.8, "below_floor")), lower)[0] == "unknown"


def test_what_stood_behind_the_served_one_is_unknown() -> None:
    found = decided(step(0.95, "serve", 0.75), served=True)
    assert outcome_of(found, STRICT)[0] == "unknown"


def test_what_another_verifier_said_is_unknown() -> None:
    assert outcome_of(decided(step(0.95, "serve", 0.95), verifier="v0"), STRICT)[0] == "unknown"


@pytest.mark.parametrize("decision", [{}, {"candidates": None}, {"candidates": ["x"]}])
def test_records_without_a_decision_are_left_out(decision: dict[str, Any]) -> None:
    assert (
        past_decision(request="r", cache_status="miss", decision=decision, cost_nano=1, saved_nano=0) is None
    )


def test_a_replay_sums_hits_money_and_doubts() -> None:
    decisions = [
        decided(step(0.95, "serve", 0.95), served=True),
        decided(step(0.95, "verifier", 0.75)),
        decided(step(0.8, "below_floor")),
    ]
    found = replay(decisions, BALANCED, {})
    assert (found.decisions, found.hits, found.unknown, found.saved_nano) == (3, 2, 0, 22)
    assert found.expected_wrong == pytest.approx(0.3)
    assert found.wrong_share is None
    assert (found.interval.low, found.interval.high) == (0.0, 1.0)


def test_kinds_of_pairs_are_weighed_by_their_hits_not_by_how_many_were_judged() -> None:
    served = [decided(step(0.95, "serve", 0.95), served=True, request=f"s{number}") for number in range(90)]
    refused = [decided(step(0.95, "verifier", 0.75), request=f"n{number}") for number in range(10)]
    labels = {(f"s{number}", "e"): True for number in range(9)}
    labels |= {(f"n{number}", "e"): number >= 5 for number in range(10)}
    found = replay([*served, *refused], BALANCED, labels)
    assert (found.judged, found.judged_wrong) == (19, 5)
    assert found.wrong_share == pytest.approx(0.9 * 0 + 0.1 * 0.5)
    assert found.interval.low < 0.05 < found.interval.high


def test_without_hits_nothing_is_known() -> None:
    found = replay([], STRICT, {})
    assert (found.hits, found.wrong_share, found.interval.high) == (0, None, 1.0)


scores = st.floats(0, 1)
steps = st.builds(
    lambda similarity, score: step(similarity, "serve" if score >= 0.9 else "verifier", score),
    st.floats(0.85, 1),
    scores,
)


@given(st.lists(steps, max_size=2), st.floats(0.85, 1), scores, scores)
def test_a_stricter_trial_never_hits_more(
    found: list[dict[str, Any]], floor: float, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    decision = decided(*sorted(found, key=lambda each: -each["similarity"]))
    eased = Trial(mode="balanced", floor=0.85, limit=low, verifier="v1")
    tight = Trial(mode="strict", floor=floor, limit=high, verifier="v1")
    if outcome_of(decision, tight)[0] == "hit":
        assert outcome_of(decision, eased)[0] == "hit"
