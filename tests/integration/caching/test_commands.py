import json
from io import StringIO
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command

from caching.models import CachePolicy
from tenants.models import Tenant
from tests.embedding_worker import shared_worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("state_redis", "cache_redis")]


def printed(*arguments: str) -> dict[str, Any]:
    """Return the one JSON object that the command prints."""
    output = StringIO()
    call_command(*arguments, "--json", stdout=output)
    shown: dict[str, Any] = json.loads(output.getvalue())
    return shown


@pytest.fixture
def alice() -> Tenant:
    return Tenant.objects.create(slug="alice")


def test_cache_stats_prints_one_object(alice: Tenant) -> None:
    assert printed("cache_stats", "--tenant", "alice") == {
        "tenant": "alice",
        "entries": 0,
        "expired": 0,
        "bytes": 0,
        "by_model": {},
        "exact_keys": 0,
    }
    assert printed("cache_stats")["tenant"] is None


def test_cache_purge_only_counts_until_it_is_told_yes(alice: Tenant) -> None:
    shown = printed("cache_purge", "alice", "--all")
    counts = {"entries": 0, "exact": 0, "pinned": 0, "unsearched": None}
    assert shown == {"tenant": "alice", "dry_run": True, **counts}
    assert CachePolicy.objects.get(tenant=alice).epoch == 0
    assert printed("cache_purge", "alice", "--all", "--yes")["dry_run"] is False
    assert CachePolicy.objects.get(tenant=alice).epoch == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["nobody", "--all"],
        ["alice"],
        ["alice", "--all", "--tag", "x"],
        ["alice", "--scope", "xyz"],
        ["alice", "--prompt", "*"],
    ],
    ids=str,
)
def test_cache_purge_refuses_what_is_unclear(alice: Tenant, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("cache_purge", *arguments)


def test_embedding_ping_tells_that_a_worker_answers(cache_redis: "redis.Redis") -> None:
    shared_worker()
    shown = printed("embedding_ping", "--timeout", "30")
    assert (shown["embedder"], shown["dimension"]) == ("all-MiniLM-L6-v2", 384)


def test_embedding_ping_fails_when_no_worker_answers() -> None:
    worker = shared_worker()
    worker.freeze()
    try:
        with pytest.raises(CommandError, match="timeout"):
            call_command("embedding_ping", "--timeout", "0.1")
    finally:
        worker.thaw()
