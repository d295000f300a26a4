from datetime import UTC, datetime

import pytest

from analytics.stats import BadQuery, parse_query, usd

NOW = datetime(2026, 12, 22, 13, 5, tzinfo=UTC)


def test_the_default_is_the_current_month_in_utc() -> None:
    query = parse_query({}, now=NOW)
    assert (query.since, query.until) == (datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert (query.bucket, query.group_by) == ("day", "model")


@pytest.mark.parametrize(
    "raw",
    [
        "2026-12-22",
        "2026-12-22T00:00:00Z",
        "2026-12-22T01:00:00+01:00",
        "2026-12-22T01:00:00 01:00",
        "20261222",
    ],
)
def test_times_are_iso_8601_and_utc_unless_they_say_otherwise(raw: str) -> None:
    assert parse_query({"since": raw}, now=NOW).since == datetime(2026, 12, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"since": "yesterday"}, "since"),
        ({"since": "0001-01-01T00:00:00+10:00"}, "since"),
        ({"since": "2020-01-01"}, "since"),
        ({"until": "2026-02-30"}, "until"),
        ({"until": "2026-01-01"}, "until"),
        ({"bucket": "week"}, "bucket"),
        ({"since": "2026-10-01", "bucket": "minute"}, "bucket"),
        ({"group_by": "tenant_id; --"}, "group_by"),
    ],
)
def test_a_bad_parameter_is_named(params: dict[str, str], param: str) -> None:
    with pytest.raises(BadQuery) as raised:
        parse_query(params, now=NOW)
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("nano", "expected"),
    [(0, "0.000000000"), (124_000, "0.000124000"), (12_000_000_001, "12.000000001"), (-5, "-0.000000005")],
)
def test_money_has_nine_places(nano: int, expected: str) -> None:
    assert usd(nano) == expected
