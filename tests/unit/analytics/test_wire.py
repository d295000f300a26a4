import json
import time
from dataclasses import fields
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.record import OWN_COLUMNS, CallRecord, PreparedRecord, RepeatedCall
from analytics.wire import MOST_BYTES, MOST_RECORDS, decode, encode, lines_of, packed, value_of
from tests.records import record_of

FULL = record_of(
    entry_id=uuid4(),
    attempts=[{"target": "small-1"}],
    decision={"similarity": 0.9},
    tags=("a", "b"),
    complexity_score=0.31,
    similarity=0.97,
    stream=True,
    purpose="audit",
    saved_nano=2**40,
    cached_input_tokens=5,
    reasoning_tokens=6,
    estimated=True,
    first_token_ms=1.5,
    policy_version=7,
)


@pytest.mark.parametrize("record", [record_of(), FULL])
def test_a_repeated_call_arrives_as_a_whole_record(record: CallRecord) -> None:
    repeated = PreparedRecord(record).at(uuid4(), time.time(), 0.25, "caller-1")
    assert decode(encode(repeated)) == repeated.whole()
    assert {name: getattr(repeated.whole(), name) for name in _shared()} == {
        name: getattr(record, name) for name in _shared()
    }


def _shared() -> list[str]:
    return [column.name for column in fields(CallRecord) if column.name not in OWN_COLUMNS]


def test_each_repeated_call_has_its_own_columns() -> None:
    prepared = PreparedRecord(record_of())
    calls = [prepared.at(uuid4(), float(number), number / 8, f"caller-{number}") for number in range(3)]
    arrived = [decode(encode(call)) for call in calls]
    assert [tuple(getattr(each, name) for name in OWN_COLUMNS) for each in arrived] == [
        call[1:] for call in calls
    ]


def test_a_repeated_call_names_every_own_column() -> None:
    assert RepeatedCall._fields == ("prepared", *OWN_COLUMNS)


def test_a_column_at_its_default_is_left_out_of_repeated_lines() -> None:
    line = json.loads(encode(PreparedRecord(record_of()).at(uuid4(), 1.0, 1.0)))
    assert not {"purpose", "attempts", "decision", "tags", "similarity"} & line.keys()


@pytest.mark.parametrize("shared", [{"model": "\ud800"}, {"decision": {"huge": 2**70}}])
@pytest.mark.parametrize("client_request_id", ["plain", 'a "quoted"\n line', "\ud800"])
def test_what_is_hard_to_write_arrives_too(shared: dict[str, Any], client_request_id: str) -> None:
    repeated = PreparedRecord(record_of(**shared)).at(uuid4(), 1.0, 1.0, client_request_id)
    line = encode(repeated)
    assert b"\n" not in line
    assert decode(line).id == repeated.id


@given(st.lists(st.integers(1, 100_000), max_size=60))
def test_entries_hold_every_line_in_its_order_within_their_bounds(sizes: list[int]) -> None:
    lines = [b"%d" % size * (size // 6 + 1) for size in sizes]
    entries = list(packed(lines))
    assert [line for entry in entries for line in entry] == lines
    assert all(len(value_of(entry)) <= MOST_BYTES or len(entry) == 1 for entry in entries)


def test_an_entry_holds_so_many_records_and_no_more() -> None:
    assert [len(entry) for entry in packed([b"{}"] * 450)] == [MOST_RECORDS, MOST_RECORDS, 50]


def test_a_line_larger_than_an_entry_has_one_to_itself() -> None:
    large = b"x" * (MOST_BYTES + 1)
    assert list(packed([b"a", large, b"b"])) == [[b"a"], [large], [b"b"]]


def test_an_entry_gives_back_its_lines() -> None:
    records = [record_of(model="a\nb", id=UUID(int=number)) for number in range(3)]
    lines = [encode(record) for record in records]
    assert lines_of(value_of(lines)) == lines
