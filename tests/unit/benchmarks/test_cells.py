import json
from itertools import islice
from typing import Any

import pytest

from benchmarks.cells import Cell, Keys, Target, cells
from benchmarks.client import Server

PARTS = ("web", "web_l1", "upstream", "echo", "echo_get", "reflector", "litellm", "portkey")


@pytest.fixture(scope="module")
def found() -> dict[str, Cell]:
    servers = {part: Server(f"http://127.0.0.1:{port}") for port, part in enumerate(PARTS, start=1)}
    keys = Keys(acme="a", exact="e", limited="l", replay=["r"])
    return {cell.name: cell for cell in cells(Target(servers=servers, keys=keys, hot_prompts=20))}


def asked(cell: Cell, count: int) -> list[dict[str, Any]]:
    return [json.loads(each.partition(b"\r\n\r\n")[2]) for each in islice(cell.requests, count)]


def prompt(body: dict[str, Any]) -> str:
    return str(body.get("prompt") or body["messages"][0]["content"])


def test_cells_of_streams_ask_for_streams_and_no_others_do(found: dict[str, Cell]) -> None:
    streamed = {name for name, cell in found.items() if name != "stats" and asked(cell, 1)[0].get("stream")}

    assert streamed == {name for name, cell in found.items() if cell.streams}
    assert {"direct_stream", "stream_miss", "completions_stream_miss", "litellm_stream"} <= streamed


def test_misses_of_no_two_cells_ask_the_same(found: dict[str, Cell]) -> None:
    names = ("miss_exact", "completions_miss", "stream_miss", "completions_stream_miss")
    prompts = [prompt(body) for name in names for body in asked(found[name], 50)]

    assert len(set(prompts)) == len(prompts)


@pytest.mark.parametrize("name", ["stream_hit", "completions_hit", "completions_stream_hit"])
def test_hits_are_made_ready_before_they_are_measured(name: str, found: dict[str, Cell]) -> None:
    assert set(islice(found[name].requests, 1000)) == set(found[name].primer)
