import pytest

from caching.modes import standing_of, step_from


@pytest.mark.parametrize(("target", "needed"), [(0.02, 149), (0.01, 299), (0.005, 598)])
def test_the_checked_hits_without_a_wrong_one_that_show_a_target(target: float, needed: int) -> None:
    assert standing_of(0, 0, target).missing == needed
    assert standing_of(needed - 1, 0, target).missing == 1
    shown = standing_of(needed, 0, target)
    assert (shown.missing, shown.shown <= target) == (0, True)


def test_a_wrong_hit_asks_for_more_checks() -> None:
    assert standing_of(149, 1, 0.02).missing == 236 - 149
    assert standing_of(149, 1, 0.02).shown_percent == "3.1%"


@pytest.mark.parametrize(("wrong", "target"), [(0, 0.0), (50_000, 0.02)])
def test_what_nobody_can_check_is_said_to_be_out_of_reach(wrong: int, target: float) -> None:
    assert standing_of(wrong, wrong, target).missing is None


@pytest.mark.parametrize(
    ("mode", "up", "down"),
    [
        ("off", "shadow", None),
        ("shadow", "strict", None),
        ("strict", "balanced", "shadow"),
        ("balanced", None, "strict"),
    ],
)
def test_the_ladder(mode: str, up: str | None, down: str | None) -> None:
    assert (step_from(mode, "up"), step_from(mode, "down")) == (up, down)
