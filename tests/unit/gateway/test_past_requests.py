import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.past_requests import BrokenLog, PastRequest, read_log


def read(path: Path, *rows: Any) -> list[PastRequest]:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return read_log(path, output_tokens=50)


def test_requests_come_in_the_order_of_their_times(tmp_path: Path) -> None:
    rows = [{"prompt": "second", "t": 2}, {"prompt": "first", "t": 1.5}]
    found = read(tmp_path / "log.jsonl", *rows)
    assert [request.question.prompt for request in found] == ["first", "second"]
    assert [request.at_s for request in found] == [1.5, 2.0]


def test_a_log_may_be_packed_and_hold_more_than_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"messages": [{"role": "user", "content": "Why?"}], "id": 7}\n\n'))
    (found,) = read_log(path, output_tokens=50)
    assert found.question.messages is not None
    assert found.question.model == "auto"


def test_tokens_that_are_told_are_taken(tmp_path: Path) -> None:
    (found,) = read(tmp_path / "log.jsonl", {"prompt": "Why?", "tokens": {"input": 3, "output": 4}})
    assert (found.usage.input_tokens, found.usage.output_tokens) == (3, 4)


@pytest.mark.parametrize(
    ("told", "output"), [({"tokens": 4}, 4), ({"answer": "Paris"}, 1), ({"answer": ""}, 0), ({}, 50)]
)
def test_tokens_that_are_not_told_are_counted(tmp_path: Path, told: dict[str, Any], output: int) -> None:
    (found,) = read(tmp_path / "log.jsonl", {"prompt": "Why?"} | told)
    assert found.usage.output_tokens == output
    assert found.usage.input_tokens > 2


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("no json", "not valid JSON"),
        ("[1]", "not a JSON object"),
        ("{}", "either prompt or messages"),
        ('{"prompt": 7}', "prompt: .*string"),
        ('{"prompt": "x", "messages": []}', "messages"),
        ('{"prompt": "x", "t": "noon"}', "'t' is not a number"),
        ('{"prompt": "x", "t": true}', "'t' is not a number"),
        ('{"prompt": "x", "tokens": -1}', "'tokens'"),
        ('{"prompt": "x", "tokens": {"input": 1}}', "'tokens'"),
        ('{"prompt": "x", "answer": 1}', "'answer' is not a text"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, row: str, problem: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(f'{{"prompt": "fine", "t": 0}}\n\n{row}\n')
    with pytest.raises(BrokenLog, match=f"line 3: .*{problem}"):
        read_log(path, output_tokens=50)


def test_times_are_told_by_all_rows_or_none(tmp_path: Path) -> None:
    with pytest.raises(BrokenLog, match="1 of 2 rows lack 't'"):
        read(tmp_path / "log.jsonl", {"prompt": "a", "t": 1}, {"prompt": "b"})


def test_a_file_without_requests_or_that_cant_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.gz").write_bytes(b"not gzip")
    (tmp_path / "empty").write_bytes(b"\n")
    for name in ("missing", "broken.gz", "empty"):
        with pytest.raises(BrokenLog, match=name):
            read_log(tmp_path / name, output_tokens=50)
