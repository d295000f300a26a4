from dataclasses import replace
from xml.etree import ElementTree

import pytest

from benchmarks import plot, report
from benchmarks.aims import standings
from benchmarks.figures import Latency, Ratio
from benchmarks.processes import Memory
from benchmarks.results import CellResult, Comparison, Growth, Load, Run, Starts
from benchmarks.schedule import QUICK
from benchmarks.stream_figures import OpenStreams, Way

MEMORY = {"web": Memory(processes=1, rss=140.0, pss=None)}


def result(
    title: str, *, rate: float, p50: float = 1.0, calls: float = 0.0, group: str = "ours"
) -> CellResult:
    latency = Latency(count=10, p50=p50, p95=None, p99=None, max=2 * p50)
    load = Load(requests=10, as_expected=1.0, outcomes={"ok": 10}, latency_ms=latency, upstream_calls=calls)
    return CellResult(
        title=title,
        group=group,
        serving="web",
        expected=["ok"],
        single=load,
        many=load,
        per_second=rate,
        per_second_by_round=[rate],
        per_cpu_second=rate,
        serving_ms=1000 / rate,
        cpu_ms={"worker": 0.0},
        generator_share=0.1,
        open=[],
    )


def stream(title: str, *, first_ms: float, group: str = "ours") -> CellResult:
    first = Latency(count=10, p50=first_ms, p95=None, p99=None, max=first_ms)
    cell = result(title, rate=100, group=group)
    load = replace(cell.single, ttft_ms=first, gap_ms=first)
    return replace(cell, single=load, many=load)


def way(gap_p99_ms: float) -> Way:
    gaps = Latency(count=2000, p50=200.0, p95=205.0, p99=gap_p99_ms, max=300.0)
    return Way(
        outcomes={"miss": 300}, as_expected=1.0, first_ms=gaps, gap_ms=gaps, gap_p99_by_block_ms=[gap_p99_ms]
    )


OPENED = OpenStreams(
    streams=300,
    apart_ms=200,
    direct=way(206.0),
    through=way(216.0),
    rss_kb_by_block=[120.0, 3.0],
    connections_before=1,
    connections=2,
    connections_in_use=1,
    connections_in_use_median=0,
    looks=30,
    cpu_share=0.2,
    cpu_us_per_piece=130.0,
)


@pytest.fixture
def run() -> Run:
    return Run(
        date="2026-11-22 10:00 UTC",
        machine={"cores": 2},
        plan=QUICK,
        pinned="pinned",
        peers={"LiteLLM": "npm is not installed"},
        skipped={"portkey_miss": "the connection ended: hung up"},
        starts=Starts(cold_s=[8.0], warm_s=[7.0], web_s=4.0),
        cells={
            "reflector": result("generator", rate=40_000, group="rig"),
            "direct": result("upstream", rate=10_000, p50=0.5, calls=1.0, group="rig"),
            "echo": result("echo", rate=30_000, group="baseline"),
            "hit_memory": result("L0 hit", rate=16_000),
            "miss_exact": result("miss", rate=1_200, p50=3.0, calls=1.0),
            "hit_semantic": result("L2 hit", rate=150, p50=20.0),
        },
        comparisons=[
            Comparison(
                cell="hit_memory", baseline="echo", of="cpu", ratio=Ratio(value=0.53, low=0.52, high=0.54)
            )
        ],
        growth=[
            Growth(
                tenants=10_000,
                per_second=1.0,
                per_cpu_second=1.0,
                as_expected=1.0,
                relative=0.8,
                cpu_ms={"web": 0.1, "cache": 0.0, "state": 0.02, "postgres": 0.0},
                web_mib=140.0,
            )
        ],
        embedder={"one_ms": 12.0, "texts_per_second": 200.0},
        memory_ready=MEMORY,
        memory_after=MEMORY,
        neighbours=(0.02, 0.08),
    )


def met(run: Run) -> dict[tuple[str, str], bool | None]:
    return {(row.cell, row.aim): row.met for row in standings(run)}


def test_aims_are_met_missed_or_not_measured(run: Run) -> None:
    found = met(run)

    assert found["L0 hit", ">= 50 % of the bare echo"] is True
    assert found["L0 hit", ">= 100x LiteLLM's cached hits"] is None
    assert found["growth", "hit throughput flat from 1 to 10,000 tenants (>= 90 %)"] is False
    assert found["memory", "web process <= 150 MiB after the load"] is True
    assert found["start", "web ready < 3 s"] is False


def test_misses_are_held_against_the_upstream_asked_directly(run: Run) -> None:
    found = met(run)

    assert found["miss without L2", ">= 1,000/s"] is True
    assert found["miss without L2", "added p50 <= 3 ms"] is True


def test_semantic_hits_are_held_against_the_embedder(run: Run) -> None:
    assert met(run)["L2 hit", "p50 <= embedder + 6 ms"] is False
    assert met(run)["L2 hit", "throughput >= 80 % of the embedder's batch rate"] is False
    assert met(replace(run, embedder=None))["L2 hit", "p50 <= embedder + 6 ms"] is None


def test_first_tokens_are_held_against_the_upstreams_own_stream(run: Run) -> None:
    cells = {
        **run.cells,
        "direct_stream": stream("upstream, streamed", first_ms=0.5, group="rig"),
        "stream_miss": stream("stream of a miss", first_ms=3.0),
        "completions_stream_miss": stream("stream of a miss", first_ms=4.0),
    }
    found = met(replace(run, cells=cells))

    assert found["stream of a miss, `/chat`", "first token: added p50 <= 3 ms"] is True
    assert found["stream of a miss, `/v1/chat/completions`", "first token: added p50 <= 3 ms"] is False
    assert met(run)["stream of a miss, `/chat`", "first token: added p50 <= 3 ms"] is None


def test_open_streams_are_held_against_those_of_the_upstream_itself(run: Run) -> None:
    found = met(replace(run, open_streams=OPENED))

    assert found["300 open streams", "gap p99: added <= 20 ms"] is True
    assert found["300 open streams", "RSS <= 100 KB each"] is False
    assert found["300 open streams", "no database connection held"] is True
    assert met(run)["300 open streams", "no database connection held"] is None


def test_open_streams_have_a_row_for_each_way(run: Run) -> None:
    text = report.markdown(replace(run, open_streams=OPENED))

    assert "| through the gateway | 100 % | 200 | 216 | 200 | 216 | 300 | 216 |" in text
    assert "120, 3 KB of RSS for each stream" in text


def test_tables_show_aims_beside_figures_and_what_is_missing(run: Run) -> None:
    text = report.markdown(run)

    assert "| L0 hit | >= 50 % of the bare echo | 0.53 (0.52-0.54) | yes |" in text
    assert "npm is not installed" in text
    assert "- `portkey_miss`: the connection ended: hung up" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith(" |") for line in rows)


def test_a_cell_near_the_rigs_own_limits_is_warned_of(run: Run) -> None:
    fast = {
        **run.cells,
        "hit_memory": result("L0 hit", rate=21_000),
        "miss_exact": result("miss", rate=6_000, calls=1.0),
    }

    assert list(report.warnings(replace(run, cells=fast))) == [
        "echo: 75 % of what the generator can do",
        "L0 hit: 52 % of what the generator can do",
        "miss: 60 % of what the upstream can do",
    ]


def test_the_picture_has_a_bar_for_each_cell_but_the_rigs(run: Run) -> None:
    picture = ElementTree.fromstring(plot.svg(run))
    texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]

    assert {"echo", "L0 hit", "miss", "L2 hit"} <= set(texts)
    assert "generator" not in texts
    assert "16,000" in texts
