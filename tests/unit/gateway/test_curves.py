from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.curves import average_precision, p_chr_auc, pair_curve

SCORES, SAME = (0.9, 0.8, 0.7, 0.2), (True, False, True, False)


def test_a_point_counts_what_its_threshold_lets_hit() -> None:
    at_all, at_most, at_none = pair_curve(SCORES, SAME, (0.0, 0.75, 1.0))
    assert (at_all["hit_rate"], at_all["recall"], at_all["false_hit_rate"]) == (1.0, 1.0, 1.0)
    assert (at_most["hit_rate"], at_most["precision"], at_most["recall"]) == (0.5, 0.5, 0.5)
    assert (at_none["hit_rate"], at_none["precision"], at_none["recall"]) == (0.0, None, 0.0)


def test_areas_of_a_known_ranking() -> None:
    assert average_precision(SCORES, SAME) == pytest.approx((1 + 2 / 3) / 2)
    precisions = (1.0, 1.0, 0.5, 2 / 3, 0.5)
    expected = sum((one + other) / 2 for one, other in pairwise(precisions)) / 4
    assert p_chr_auc(SCORES, SAME) == pytest.approx(expected)


def test_a_perfect_ranking_is_precise_as_long_as_it_can_be() -> None:
    assert average_precision((0.9, 0.8, 0.1), (True, True, False)) == 1.0


def test_nothing_has_no_area() -> None:
    assert p_chr_auc((), ()) is None
    assert average_precision((0.5,), (False,)) is None


@given(st.lists(st.tuples(st.sampled_from((0.0, 0.5, 1.0)), st.booleans()), min_size=1))
def test_areas_are_shares(pairs: list[tuple[float, bool]]) -> None:
    scores, same = zip(*pairs, strict=True)
    area = p_chr_auc(scores, same)
    assert area is not None
    assert -1e-9 <= area <= 1 + 1e-9
