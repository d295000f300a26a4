from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from django.db import connection

from analytics.owner import Connection, owner_connection
from analytics.partitions import coming_days, drop_old, ensure_partitions, existing_days, today
from analytics.schedule import SCHEDULE
from analytics.tasks import keep_partitions, roll_up_records
from tenants.models import Tenant


@pytest.fixture
def owner(records_tables: None) -> Iterator[Connection]:
    with owner_connection(lock_timeout_ms=200) as made:
        yield made


def test_partitions_that_are_there_are_not_made_again(owner: Connection) -> None:
    days = [date(2030, 1, 1), date(2030, 1, 2)]
    assert ensure_partitions(owner, days) == days
    assert ensure_partitions(owner, days) == []
    assert set(days) <= existing_days(owner)


def test_only_days_older_than_the_retention_are_dropped(owner: Connection) -> None:
    old, kept = today() - timedelta(days=11), today() - timedelta(days=10)
    ensure_partitions(owner, [old, kept])
    assert old in drop_old(owner, 10)
    assert kept in existing_days(owner)
    assert old not in existing_days(owner)


def test_a_day_with_hours_to_roll_up_is_kept(owner: Connection, alice: Tenant) -> None:
    old = today() - timedelta(days=50)
    ensure_partitions(owner, [old])
    start = datetime.combine(old, datetime.min.time(), UTC)
    owner.execute("INSERT INTO analytics_dirty_hour VALUES (%s, %s)", (alice.pk, start))
    assert old not in drop_old(owner, 10)
    owner.execute("DELETE FROM analytics_dirty_hour")
    assert old in drop_old(owner, 10)


def test_a_locked_table_is_not_waited_for_long(owner: Connection) -> None:
    with owner_connection() as other, other.transaction():
        other.execute("LOCK TABLE analytics_requestrecord IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            ensure_partitions(owner, [date(2031, 1, 1)])


def test_readers_of_other_days_do_not_wait_for_a_new_partition(owner: Connection) -> None:
    with owner_connection(lock_timeout_ms=200) as reader, owner.transaction():
        ensure_partitions(owner, [date(2032, 1, 1)])
        assert reader.execute("SELECT count(*) FROM analytics_requestrecord").fetchone() == (0,)
        owner.execute("DROP TABLE analytics_requestrecord_20320101")


def test_the_tasks_do_their_work_and_are_in_the_schedule(records_tables: None) -> None:
    keep_partitions()
    roll_up_records()
    with owner_connection() as owner:
        assert set(coming_days(7)) <= existing_days(owner)
    assert {each["task"] for each in SCHEDULE.values()} == {keep_partitions.name, roll_up_records.name}


def test_the_web_role_may_not_read_a_partition_past_the_policies(owner: Connection) -> None:
    ensure_partitions(owner, [today()])
    role = connection.ops.quote_name("halfpenny_web")
    owner.execute(f"SET ROLE {role}".encode())
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute(f"SELECT 1 FROM analytics_requestrecord_{today():%Y%m%d}".encode())
