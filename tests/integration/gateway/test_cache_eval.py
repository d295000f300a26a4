import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

PAIRS = [
    {"a": "How do I boil an egg?", "b": "How do I boil an egg?", "same": 1, "kind": "repeat"},
    {"a": "How do I boil an egg?", "b": "How can I boil an egg?", "same": 1, "kind": "paraphrase"},
    {"a": "How do I boil 2 eggs?", "b": "How do I boil 7 eggs?", "same": 0, "kind": "number"},
    {"a": "How do I boil an egg?", "b": "Who painted the Mona Lisa?", "same": 0},
    {"a": "What is the weather like in Oslo?", "b": "How is the weather in Oslo?", "same": 1},
]
STREAM = [
    {"query": "How do I boil an egg?", "class": "egg"},
    {"query": "How can I boil an egg?", "class": "egg"},
    {"query": "How can I boil an egg?", "class": "egg"},
    {"query": "Who painted the Mona Lisa?", "class": "art"},
    {"query": "Who is the painter of the Mona Lisa?", "class": "other"},
    {"query": "What is the weather like in Oslo?", "class": "weather"},
    {"query": "What is the weather like in Oslo?", "class": "weather"},
    {"query": "egg " * 300, "class": "long"},
    {"query": "egg " * 300, "class": "long"},
]


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return str(path)


def evaluated(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    call_command("cache_eval", *options, "--json")
    (line,) = capsys.readouterr().out.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_pairs_are_served_or_refused_with_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = evaluated(
        capsys, "--pairs", written(tmp_path / "pairs.jsonl.gz", PAIRS), "--rows", str(tmp_path / "rows")
    )
    rows = rows_of(tmp_path / "rows")
    assert [(row["hit"], row["reason"]) for row in rows] == [
        (True, "exact"),
        (True, None),
        (False, "numbers"),
        (False, "below_floor"),
        (False, "time_sensitive"),
    ]
    assert rows[0]["similarity"] == rows[0]["score"] == 1.0
    assert rows[2]["similarity"] > 0.85 > rows[2]["score"] == 0.0
    assert 0.0 < rows[3]["score"] < rows[3]["similarity"] < 0.85
    assert rows[4]["similarity"] is None
    assert found.pop("ms_per_decision") > 0
    assert found.pop("ms_per_decision_p50") > 0
    by_kind = found.pop("by_kind")
    assert found == {
        "n": 5,
        "same": 3,
        "hits": 2,
        "precision": 1.0,
        "recall": 2 / 3,
        "false_hit_rate": 0.0,
    }
    assert by_kind.keys() == {"repeat", "paraphrase", "number"}
    assert by_kind["paraphrase"]["recall"] == 1.0
    assert by_kind["number"]["false_hit_rate"] == 0.0
    assert by_kind["number"]["recall"] is None


def test_without_bypass_the_match_alone_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "pairs.jsonl", PAIRS[-1:])
    evaluated(capsys, "--pairs", path, "--no-bypass", "--rows", str(tmp_path / "rows"))
    (row,) = rows_of(tmp_path / "rows")
    assert row["similarity"] > 0.85
    assert row["reason"] in (None, "verifier")


def test_a_curve_holds_the_decision_against_plain_cosine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    curve = evaluated(capsys, "--pairs", written(tmp_path / "pairs.jsonl", PAIRS), "--curve")["curve"]
    assert curve["cosine"][0]["recall"] == 1.0
    assert all(point["false_hit_rate"] == 0.0 for point in curve["decision"])
    assert min(curve["p_chr_auc"].values()) > 0.4
    stream = evaluated(capsys, "--stream", written(tmp_path / "stream.jsonl", STREAM), "--curve")["curve"]
    rates = [point["hit_rate"] for point in stream["cosine"]]
    assert rates == sorted(rates, reverse=True)
    assert stream["decision"][0]["threshold"] == 0.1


def test_a_stream_meets_a_first_come_cache(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "stream.jsonl", STREAM)
    found = evaluated(capsys, "--stream", path, "--mode", "balanced", "--rows", str(tmp_path / "rows"))
    rows = rows_of(tmp_path / "rows")
    assert [row["of"] for row in rows] == [None, 0, 0, None, 3, None, None, None, 7]
    assert [row["reason"] for row in rows] == [
        "no_neighbour",
        None,
        "exact",
        "below_floor",
        None,
        "time_sensitive",
        "time_sensitive",
        "too_long",
        "exact",
    ]
    assert all(row.keys() == {"hit", "of", "similarity", "reason"} for row in rows)
    assert found.pop("ms_per_decision") > 0
    assert found.pop("ms_per_decision_p50") > 0
    assert found == {
        "n": 9,
        "hits": 4,
        "wrong": 1,
        "bypassed": 2,
        "hit_rate": 4 / 9,
        "wrong_hit_share": 0.25,
        "wrong_served_rate": 1 / 9,
    }


@pytest.mark.parametrize(
    "content", [b"no json\n", b'{"a": "x", "same": 1}\n', b'{"a": 1, "b": "x", "same": 1}\n', b"[1]\n"]
)
def test_a_row_that_is_no_pair_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(b'{"a": "x", "b": "y", "same": 1}\n' + content)
    with pytest.raises(CommandError, match="line 2"):
        call_command("cache_eval", "--pairs", str(path))


def test_a_file_that_cant_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.gz").write_bytes(b"not gzip")
    for name in ("missing.jsonl", "broken.gz"):
        with pytest.raises(CommandError, match=name):
            call_command("cache_eval", "--stream", str(tmp_path / name))
