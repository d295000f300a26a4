from collections import Counter

import pytest

from benchmarks.stream_figures import Block, Look, OpenStreams, open_streams

#: Two streams: both are open from 1.0 to 3.0.
TIMES = [[0.0, 1.0, 2.0, 3.0], [1.0, 2.5, 3.5]]


def look(at: float, *, cpu_s: float = 0.0, rss_mib: float = 100.0, in_use: int = 0) -> Look:
    return Look(at=at, cpu_s=cpu_s, rss_mib=rss_mib, connections=2, connections_in_use=in_use)


def block(*looks: Look, outcome: str = "miss", late: float = 0.0) -> Block:
    return Block(
        outcomes=Counter({outcome: 2}),
        first_pieces=[0.01, 0.02],
        pieces=[[time + late * place for place, time in enumerate(times)] for times in TIMES],
        before=look(0.0, rss_mib=90.0) if looks else None,
        looks=list(looks),
    )


def figures(*through: Block) -> OpenStreams:
    direct = [block(outcome="200") for _ in through]
    return open_streams(direct, through, streams=2, apart_ms=1000, expected="miss")


def test_only_gaps_while_all_streams_were_open_count() -> None:
    assert block().window == (1.0, 3.0)
    assert block().gaps() == [1.0, 1.0, 1.5]


def test_cpu_is_that_between_the_looks_while_all_were_open_for_each_piece() -> None:
    looks = look(0.5, cpu_s=0.1), look(1.0, cpu_s=0.2), look(3.0, cpu_s=0.6), look(9.0, cpu_s=7.0)
    found = figures(block(*looks))

    assert found.looks == 2
    assert found.cpu_share == pytest.approx(0.2)
    # 1.0, 2.0 and 3.0 of the one, 1.0 and 2.5 of the other.
    assert found.cpu_us_per_piece == pytest.approx(0.4e6 / 5)


def test_memory_is_what_the_process_grew_by_for_each_stream() -> None:
    found = figures(block(look(1.0), look(2.0, rss_mib=101.0)), block(look(1.0, rss_mib=90.0), look(2.0)))

    assert found.rss_kb_by_block == [pytest.approx(1024 * 11 / 2), pytest.approx(1024 * 10 / 2)]
    assert found.rss_kb == found.rss_kb_by_block[0]


def test_connections_in_use_are_told_at_most_and_in_the_median() -> None:
    found = figures(block(look(1.0), look(2.0, in_use=1), look(3.0)))

    assert (found.connections_in_use, found.connections_in_use_median) == (1, 0)


def test_outcomes_of_both_ways_are_held_against_what_was_expected() -> None:
    found = figures(block(look(1.0), look(3.0), outcome="503"))

    assert (found.direct.as_expected, found.through.as_expected) == (1.0, 0.0)
    assert found.through.outcomes == {"503": 2}


def test_too_few_gaps_have_no_tail_and_add_nothing() -> None:
    assert figures(block(look(1.0), look(3.0))).added_gap_p99_ms is None
