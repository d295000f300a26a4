"""The pure halves of the examinations: facts in, verdict out."""

from pathlib import Path
from typing import Any

import pytest

from gateway import heartbeat
from gateway.doctor.local import judge_disk
from gateway.doctor.processes import judge_housekeeping, judge_ingest
from gateway.doctor.providers import ProviderFacts, judge
from gateway.doctor.redis_servers import judge_cache, judge_state
from gateway.doctor.verdicts import Finding, Verdict

MIB = 1024 * 1024


def info(policy: str, **facts: Any) -> dict[str, Any]:
    usual = {"redis_version": "7.2.4", "used_memory": MIB, "maxmemory": 100 * MIB, "aof_enabled": 1}
    return {**usual, "maxmemory_policy": policy, **facts}


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (info("allkeys-lfu"), "ok"),
        (info("allkeys-lru"), "ok"),
        (info("noeviction"), "failed"),
        (info("volatile-lru"), "failed"),
        (info("allkeys-lfu", maxmemory=0), "warning"),
    ],
)
def test_the_cache_must_evict(facts: dict[str, Any], state: str) -> None:
    assert judge_cache(facts).state == state


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (info("noeviction"), "ok"),
        (info("noeviction", maxmemory=0), "ok"),
        (info("allkeys-lfu"), "failed"),
        (info("volatile-ttl"), "failed"),
        (info("noeviction", aof_enabled=0), "failed"),
        (info("noeviction", aof_last_write_status="err"), "failed"),
        (info("noeviction", used_memory=95 * MIB), "warning"),
    ],
)
def test_the_state_must_never_forget(facts: dict[str, Any], state: str) -> None:
    assert judge_state(facts, is_cache=False).state == state


def test_one_server_cannot_be_both() -> None:
    verdict = judge_state(info("noeviction"), is_cache=True)
    assert verdict.state == "failed"
    assert "two servers" in verdict.remedy


@pytest.mark.parametrize(
    ("age_s", "state"), [(None, "failed"), (1.0, "ok"), (10 * heartbeat.EVERY_SECONDS, "failed")]
)
def test_housekeeping_must_have_been_seen_lately(age_s: float | None, state: str) -> None:
    assert judge_housekeeping(age_s).state == state


@pytest.mark.parametrize(
    ("waiting", "dead", "idle_s", "state"),
    [
        (0, 0, 0.2, "ok"),
        (0, 0, None, "failed"),
        (9, 0, 600.0, "failed"),
        (0, 1, 0.2, "warning"),
        (100_000, 0, 0.2, "warning"),
    ],
)
def test_records_must_be_read(waiting: int, dead: int, idle_s: float | None, state: str) -> None:
    assert judge_ingest(waiting=waiting, dead=dead, idle_s=idle_s).state == state


def provider(slug: str, *, models: int = 1, keys: int = 1, sealed_keys: int = 0) -> ProviderFacts:
    return ProviderFacts(slug=slug, models=models, keys=keys, sealed_keys=sealed_keys)


@pytest.mark.parametrize(
    ("providers", "state"),
    [
        ([], "failed"),
        ([provider("a")], "ok"),
        ([provider("a", keys=0)], "failed"),
        ([provider("a", models=0)], "failed"),
        ([provider("a"), provider("b", keys=0)], "warning"),
        ([provider("a"), provider("b", sealed_keys=1)], "failed"),
    ],
)
def test_some_provider_must_be_usable_and_every_key_must_open(
    providers: list[ProviderFacts], state: str
) -> None:
    assert judge(providers).state == state


@pytest.mark.parametrize(("free_mib", "state"), [(50, "failed"), (500, "warning"), (5000, "ok")])
def test_the_disk_must_have_room(free_mib: int, state: str) -> None:
    assert judge_disk(free_mib, Path("/")).state == state


def test_whatever_is_wrong_comes_with_a_remedy() -> None:
    wrong: list[Verdict] = [
        judge_cache(info("noeviction")),
        judge_state(info("noeviction", aof_enabled=0), is_cache=False),
        judge_housekeeping(None),
        judge_ingest(waiting=1, dead=0, idle_s=None),
        judge([]),
        judge_disk(1, Path("/")),
    ]
    assert all(verdict.remedy for verdict in wrong)


def test_a_finding_is_one_line() -> None:
    finding = Finding(name="disk", state="failed", detail="full", remedy="free some space")
    assert finding.line == "failed   disk              full -> free some space"
