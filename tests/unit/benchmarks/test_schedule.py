from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.schedule import FULL, QUICK, Plan, open_turns, turns

CELLS = ["direct", "hit", "miss"]


@pytest.mark.parametrize("plan", [FULL, QUICK])
def test_each_cell_has_as_many_turns_of_each_kind_as_the_others(plan: Plan) -> None:
    counts = Counter((turn.cell, turn.kind) for turn in turns(plan, CELLS))

    assert counts == {
        (cell, kind): number
        for cell in CELLS
        for kind, number in (("single", plan.rounds * plan.slices), ("many", plan.rounds))
    }


def test_all_cells_take_their_turn_of_a_block_before_the_next_block_begins() -> None:
    order = [(turn.kind, turn.block) for turn in turns(FULL, CELLS)]
    passes = [order[at : at + len(CELLS)] for at in range(0, len(order), len(CELLS))]

    assert all(len(set(each)) == 1 for each in passes)
    assert len(passes) == len({each[0] for each in passes})


def test_each_pass_begins_with_another_cell() -> None:
    plan = replace(FULL, rounds=1, slices=3)
    firsts = [turn.cell for turn in turns(plan, CELLS) if turn.kind == "single"][::3]

    assert firsts == CELLS


def test_a_full_run_has_samples_enough_for_the_99th_percentile() -> None:
    assert FULL.rounds * FULL.slices * FULL.slice_requests >= 1000


def test_each_cell_is_asked_at_each_rate_once() -> None:
    counts = Counter((turn.cell, turn.share) for turn in open_turns(FULL, CELLS))

    assert counts == {(cell, share): 1 for cell in CELLS for share in FULL.shares}
    assert {turn.kind for turn in open_turns(FULL, CELLS)} == {"open"}
