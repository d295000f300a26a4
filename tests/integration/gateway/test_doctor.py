"""`doctor` against real servers: healthy, unsecured, frozen and gone."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from analytics.ingest import GROUP
from analytics.wire import STREAM
from gateway import heartbeat, tasks
from gateway.doctor import local, postgres, processes, providers, redis_servers
from routing.models import ProviderKey
from routing.seeding import seed_demo
from tenants.services import tenant_create
from tests.own_valkey import own_valkey

REACHABLE = ("postgres", "migrations", "web_role", "cache_redis", "state_redis", "broker")


def doctor(*names: str) -> dict[str, Any]:
    """Run the command as operators do; return its object."""
    out = StringIO()
    arguments = [f"--only={name}" for name in names]
    try:
        call_command("doctor", *arguments, "--json", stdout=out)
    except CommandError:
        assert json.loads(out.getvalue())["ok"] is False
    return dict(json.loads(out.getvalue()))


@pytest.mark.django_db(transaction=True)
def test_healthy_servers_are_found_healthy(cache_redis: "redis.Redis", state_redis: "redis.Redis") -> None:
    tenant_create("initech")
    found = doctor(*REACHABLE)
    assert {each["name"]: (each["state"], each["remedy"]) for each in found["checks"]} == dict.fromkeys(
        REACHABLE, ("ok", "")
    )
    assert found["ok"] is True


@pytest.mark.django_db(transaction=True)
def test_rows_that_show_without_a_tenant_are_found() -> None:
    tenant_create("initech")
    with postgres.connected() as connection:
        connection.execute("ALTER TABLE tenants_tenant DISABLE ROW LEVEL SECURITY")
        try:
            verdict = postgres.examine_web_role()
        finally:
            connection.execute("ALTER TABLE tenants_tenant ENABLE ROW LEVEL SECURITY")
    assert verdict.state == "failed"
    assert "tenants_tenant" in verdict.detail


@pytest.mark.django_db(transaction=True)
def test_a_role_above_row_level_security_is_found(settings: LazySettings) -> None:
    with postgres.connected() as connection:
        connection.execute("CREATE ROLE too_strong BYPASSRLS")
        try:
            settings.DATABASE_WEB_ROLE = "too_strong"
            assert "bypasses" in postgres.examine_web_role().detail
        finally:
            connection.execute("DROP ROLE too_strong")


@pytest.mark.django_db(transaction=True)
def test_a_missing_migration_is_named() -> None:
    with postgres.connected() as connection:
        forget = (
            "DELETE FROM django_migrations WHERE app = 'tenants' AND name LIKE '0001%' RETURNING app, name"
        )
        gone = connection.execute(forget).fetchone()
        try:
            verdict = postgres.examine_migrations()
        finally:
            again = "INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, now())"
            connection.execute(again, gone)
    assert verdict.state == "failed"
    assert "tenants.0001_initial" in verdict.detail


def test_a_frozen_state_redis_is_told_and_nothing_hangs(tmp_path: Path, settings: LazySettings) -> None:
    with own_valkey(tmp_path) as valkey:
        settings.REDIS_STATE_URL = valkey.url
        assert redis_servers.examine_state().state == "ok"
        valkey.freeze()
        found = doctor("state_redis", "beat", "ingest")
        assert [each["state"] for each in found["checks"]] == ["failed"] * 3
        assert all("Timeout" in each["detail"] for each in found["checks"])


def test_one_server_as_both_is_found(settings: LazySettings) -> None:
    settings.REDIS_CACHE_URL = settings.REDIS_STATE_URL
    assert redis_servers.examine_state().state == "failed"
    assert redis_servers.examine_cache().state == "failed"


def test_an_absent_embedding_worker_is_told_with_its_reason(
    cache_redis: "redis.Redis", state_redis: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_EMBEDDING_SECONDS", 0.05)
    # Whatever worker another test has started reads another queue.
    monkeypatch.setattr("caching.embedding_publisher.QUEUE", "nobody-reads-this")
    verdict = processes.examine_embedding_worker()
    assert verdict.state == "failed"
    assert "timeout" in verdict.detail


def test_the_housekeeping_task_leaves_the_mark_that_doctor_looks_for(state_redis: "redis.Redis") -> None:
    assert processes.examine_housekeeping().state == "failed"
    tasks.note_housekeeping()
    assert processes.examine_housekeeping().state == "ok"
    age = heartbeat.seconds_since()
    assert age is not None
    assert 0 <= age < heartbeat.EVERY_SECONDS


def test_a_stream_without_readers_is_found(state_redis: "redis.Redis") -> None:
    assert processes.examine_ingest().state == "failed"
    state_redis.xgroup_create(STREAM, GROUP, mkstream=True)
    assert processes.examine_ingest().state == "failed"
    state_redis.xreadgroup(GROUP, "a-member", {STREAM: ">"})
    assert processes.examine_ingest().state == "ok"


@pytest.mark.django_db(transaction=True)
def test_a_provider_key_that_no_longer_opens_is_found(settings: LazySettings) -> None:
    seed_demo("http://127.0.0.1:9/v1")
    assert ProviderKey.objects.exists()
    assert providers.examine().state == "ok"
    settings.ENCRYPTION_KEYS = [b"another-encryption-key-0123456789"[:32]]
    verdict = providers.examine()
    assert verdict.state == "failed"
    assert "HALFPENNY_ENCRYPTION_KEY" in verdict.remedy


def test_records_left_in_the_spool_are_told(tmp_path: Path, settings: LazySettings) -> None:
    settings.RECORD_SPOOL_DIR = tmp_path
    assert local.examine_spool().state == "ok"
    (tmp_path / "records-1-abc.jsonl").write_text("{}\n")
    assert local.examine_spool().state == "warning"


def test_a_spool_that_cannot_be_written_is_found(tmp_path: Path, settings: LazySettings) -> None:
    (tmp_path / "file").touch()
    settings.RECORD_SPOOL_DIR = tmp_path / "file"
    assert local.examine_spool().state == "failed"


def test_a_dead_postgres_is_a_finding_without_its_password() -> None:
    with (
        pytest.raises(psycopg.OperationalError) as refused,
        postgres.connected("postgresql://u:hush@127.0.0.1:1/x"),
    ):
        pytest.fail("nobody listens there")
    assert "hush" not in str(refused.value)


def test_people_read_one_line_for_each_part() -> None:
    out = StringIO()
    call_command("doctor", "--only=disk", "--only=spool", stdout=out)
    lines = out.getvalue().splitlines()
    assert [line.split()[:2] for line in lines] == [["ok", "spool"], ["ok", "disk"]]
