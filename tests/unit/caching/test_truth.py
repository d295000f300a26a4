import random
from itertools import pairwise

import pytest
from scipy.stats import beta  # type: ignore[import-untyped]

from caching.truth import (
    FIRST_AUDITS,
    FIRST_RATE,
    Judged,
    audit_rate,
    audits_needed,
    controlled_floor,
    exact_interval,
    least_share,
    tuned,
)

TARGET = 0.02


def pairs(*groups: tuple[int, int, float]) -> list[Judged]:
    """Return so many right and wrong pairs of a similarity, for each group."""
    return [
        Judged(similarity=similarity, wrong=wrong)
        for right, bad, similarity in groups
        for wrong in [False] * right + [True] * bad
    ]


def test_the_interval_is_that_of_clopper_and_pearson() -> None:
    rng = random.Random(7)
    for _ in range(300):
        n = rng.choice([1, 2, 10, 60, 300, 5000])
        k = rng.randint(0, n)
        interval = exact_interval(k, n)
        assert interval.low == pytest.approx(beta.ppf(0.025, k, n - k + 1) if k else 0.0, abs=1e-8)
        assert interval.high == pytest.approx(beta.ppf(0.975, k + 1, n - k) if k < n else 1.0, abs=1e-8)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = random.Random(11)
    drawn = [sum(rng.random() < 0.06 for _ in range(120)) for _ in range(1000)]
    covered = sum(
        exact_interval(wrong, 120).low <= 0.06 <= exact_interval(wrong, 120).high for wrong in drawn
    )
    assert covered >= 950


def test_nothing_audited_says_nothing() -> None:
    assert (exact_interval(0, 0).low, exact_interval(0, 0).high) == (0.0, 1.0)


def test_299_hits_without_a_wrong_one_show_less_than_one_percent() -> None:
    high = exact_interval(0, 299, confidence=0.9).high
    assert high == pytest.approx(1 - 0.05 ** (1 / 299))
    assert high < 0.01


@pytest.mark.parametrize(("wrong", "judged"), [(-1, 3), (4, 3), (0, -1)])
def test_impossible_counts_are_refused(wrong: int, judged: int) -> None:
    with pytest.raises(ValueError, match="wrong of"):
        exact_interval(wrong, judged)


def test_a_fifth_is_audited_until_there_is_a_first_figure() -> None:
    assert audit_rate(judged=FIRST_AUDITS - 1, wrong=0, hits=100_000, target=TARGET) == FIRST_RATE


def test_then_as_many_as_hold_the_width() -> None:
    assert audit_rate(judged=300, wrong=3, hits=30_000, target=TARGET) == pytest.approx(0.01)
    assert audit_rate(judged=300, wrong=3, hits=10, target=TARGET) == FIRST_RATE


def test_more_wrong_hits_need_more_audits_for_the_same_width() -> None:
    needed = audits_needed(0.06, TARGET)
    width = exact_interval(round(0.06 * needed), needed)
    at_target = exact_interval(6, FIRST_AUDITS)
    assert width.high - width.low == pytest.approx(at_target.high - at_target.low, rel=0.1)


def test_a_target_of_nought_asks_for_no_endless_audits() -> None:
    assert audits_needed(0.3, 0.0) == 1500


def test_the_controlled_floor_keeps_the_bound_and_is_the_least_that_does() -> None:
    seen = pairs((300, 0, 0.95), (60, 12, 0.88), (20, 20, 0.86))
    floor = controlled_floor(seen, TARGET, lowest=0.85)
    assert floor == pytest.approx(0.881)


def test_too_few_pairs_control_nothing() -> None:
    assert controlled_floor(pairs((48, 0, 0.95)), TARGET, lowest=0.85) is None
    assert controlled_floor(pairs((49, 0, 0.95)), TARGET, lowest=0.85) == 0.85


def test_the_share_of_what_is_accepted_is_kept_too() -> None:
    # Of 1,000 pairs 15 wrong ones keep the bound, but among the 20 that 0.95 accepts they are most.
    seen = pairs((1000, 30, 0.86), (5, 15, 0.95))
    floor = controlled_floor(seen, TARGET, lowest=0.85)
    assert floor is not None
    assert floor > 0.95


@pytest.mark.parametrize(("right", "wrong"), [(26, 4), (37, 3), (24, 6)])
def test_a_few_dozen_audits_raise_the_floor(right: int, wrong: int) -> None:
    move = tuned(
        pairs((right, 0, 0.97), (0, wrong, 0.90)),
        staff_floor=0.85,
        in_effect=0.85,
        target=TARGET,
        since_change=right + wrong,
    )
    assert move is not None
    assert move.before == 0.85
    assert 0.85 < move.after <= 0.88
    assert (move.judged, move.wrong) == (right + wrong, wrong)


@pytest.mark.parametrize(("right", "wrong"), [(29, 1), (12, 4), (60, 2), (298, 5)])
def test_bad_luck_does_not(right: int, wrong: int) -> None:
    seen = pairs((right, wrong, 0.9))
    assert tuned(seen, staff_floor=0.85, in_effect=0.85, target=TARGET, since_change=999) is None


def test_no_further_than_the_pairs_ask_for() -> None:
    seen = pairs((380, 0, 0.95), (20, 14, 0.86))
    move = tuned(seen, staff_floor=0.85, in_effect=0.85, target=TARGET, since_change=400)
    assert move is not None
    assert move.after == pytest.approx(0.861)


def test_the_same_evidence_moves_the_floor_once() -> None:
    seen = pairs((40, 20, 0.97))
    assert tuned(seen, staff_floor=0.85, in_effect=0.88, target=TARGET, since_change=9) is None
    assert tuned(seen, staff_floor=0.85, in_effect=0.88, target=TARGET, since_change=10) is not None


def test_wrong_hits_at_every_similarity_raise_it_to_one_and_no_further() -> None:
    seen = pairs((20, 20, 1.0))
    floor = 0.95
    while move := tuned(seen, staff_floor=0.85, in_effect=floor, target=TARGET, since_change=40):
        assert move.after > floor
        floor = move.after
    assert floor == 1.0


def test_well_below_the_target_it_comes_down_slowly_and_never_below_the_staffs() -> None:
    seen = pairs((400, 0, 0.96), (40, 0, 0.875), (40, 0, 0.865), (40, 0, 0.855))
    floor, steps = 0.88, []
    while move := tuned(seen, staff_floor=0.85, in_effect=floor, target=TARGET, since_change=100):
        floor = move.after
        steps.append(floor)
    assert steps == [0.87, 0.86, 0.85]


def test_it_stays_until_there_is_new_evidence_of_what_would_be_let_in() -> None:
    right_above = pairs((400, 0, 0.96))
    assert tuned(right_above, staff_floor=0.85, in_effect=0.9, target=TARGET, since_change=400) is None
    slice_too = right_above + pairs((5, 0, 0.895))
    assert tuned(slice_too, staff_floor=0.85, in_effect=0.9, target=TARGET, since_change=99) is None
    assert tuned(slice_too, staff_floor=0.85, in_effect=0.9, target=TARGET, since_change=100) is not None


def test_between_half_the_target_and_the_target_nothing_moves() -> None:
    # What a floor has to stand: neither side of the gap moves it, so it doesn't swing.
    seen = pairs((985, 15, 0.88))
    for floor in (0.86, 0.87):
        assert tuned(seen, staff_floor=0.85, in_effect=floor, target=TARGET, since_change=999) is None


def test_it_does_not_swing_on_a_steady_stream() -> None:
    # Wrong ones below 0.9 only, 8 % of all: it has to find its place and keep it.
    rng = random.Random(3)
    floor, seen, moves, last = 0.85, [], [], 0
    for _ in range(200):
        for _ in range(20):
            similarity = rng.uniform(0.85, 1.0)
            wrong = similarity < 0.9 and rng.random() < 0.24
            seen.append(Judged(similarity=similarity, wrong=wrong))
        window = seen[-1000:]
        move = tuned(
            window, staff_floor=0.85, in_effect=floor, target=TARGET, since_change=min(1000, len(seen) - last)
        )
        if move:
            moves.append(move.after - move.before)
            floor, last = move.after, len(seen)
    assert 0.88 <= floor <= 0.9
    turns = sum(one * other < 0 for one, other in pairwise(moves))
    assert turns <= 2
    assert len(moves) <= 12


def test_the_lower_bound_is_one_sided() -> None:
    assert least_share(3, 40) == pytest.approx(beta.ppf(0.1, 3, 38), abs=1e-8)
