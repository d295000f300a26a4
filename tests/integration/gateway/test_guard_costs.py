import json
from pathlib import Path

import pytest
from django.core.management import call_command

PAIRS = [
    {"a": "How do I boil an egg?", "b": "How can I boil an egg?", "same": 1},
    {"a": "How do I boil one egg?", "b": "How do I boil 2 eggs?", "same": 1},
    {"a": "How do I boil 3 eggs?", "b": "How do I boil 7 eggs?", "same": 0},
    {"a": "How do I boil an egg?", "b": "Who painted the Mona Lisa?", "same": 0},
    {"a": "egg " * 300, "b": "eggs " * 300, "same": 1},
]


@pytest.fixture
def pairs(tmp_path: Path) -> str:
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
    return str(path)


def test_each_guard_tells_what_it_refuses_of_pairs_above_the_floor(
    pairs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("guard_costs", "--pairs", pairs, "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["same"], found["different"]) == (2, 1)
    assert found["guards"]["numbers"] == {"refused": 0.5, "caught": 1.0}
    assert found["guards"]["quotes"] == {"refused": 0.0, "caught": 0.0}
    assert found["guards"]["all that are on"] == {"refused": 0.5, "caught": 1.0}


def test_the_costs_are_a_table_for_the_docs(pairs: str, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("guard_costs", "--pairs", pairs, "--floor", "0.999")
    head, _, numbers, *_ = capsys.readouterr().out.splitlines()
    assert head == "| guard | refused of 0 same | caught of 0 different |"
    assert numbers == "| numbers | - | - |"
