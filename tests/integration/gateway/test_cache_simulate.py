import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from caching.models import CachePolicy
from routing.seeding import seed_demo
from tenants.models import Tenant
from tenants.services import tenant_create
from tests.unit.gateway.test_simulation import WordEncoder

LOG = [
    {"prompt": "How do I boil an egg?", "t": 0, "tokens": {"input": 10, "output": 100}},
    {"prompt": "How do I boil an egg?", "t": 5, "tokens": {"input": 10, "output": 100}},
    {"prompt": "What is the weather in Oslo now?", "t": 6, "tokens": {"input": 10, "output": 100}},
]


@pytest.fixture(autouse=True)
def _quick_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.management.commands.cache_simulate.load_encoder", WordEncoder)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in LOG))
    return path


@pytest.fixture
def tenant(transactional_db: None, state_redis: None) -> Tenant:
    seed_demo("http://127.0.0.1:1/v1")
    return tenant_create(f"initech-{uuid4().hex[:8]}")


def simulated(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    call_command("cache_simulate", *options, "--json")
    (line,) = capsys.readouterr().out.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_without_a_tenant_the_default_policy_is_simulated(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = simulated(capsys, str(log), "--price", "1", "2")
    assert found["policy"]["mode"] == "strict"
    assert (found["requests"], found["hits_memory"], found["hit_rate"]) == (3, 1, 1 / 3)
    assert found["bypassed"] == {"time_sensitive": 1}
    assert found["money"]["saved_usd"] == "0.000210000"


def test_a_tenants_policy_and_prices_are_taken(
    log: Path, tenant: Tenant, capsys: pytest.CaptureFixture[str]
) -> None:
    CachePolicy.objects.filter(tenant=tenant).update(semantic_mode="shadow", floor=0.93, sharing="tenant")
    found = simulated(capsys, str(log), "--tenant", tenant.slug)
    assert found["policy"] | {"verifier": None} == {
        "mode": "strict",
        "floor": 0.93,
        "ttl_seconds": 86_400,
        "sharing": "tenant",
        "verifier": None,
    }
    assert float(found["money"]["saved_usd"]) > 0


def test_another_policy_may_be_tried(log: Path, tenant: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--mode", "balanced", "--floor", "0.9", "--ttl", "3")
    found = simulated(capsys, str(log), "--tenant", tenant.slug, *options)
    assert (found["policy"]["mode"], found["policy"]["floor"], found["policy"]["ttl_seconds"]) == (
        "balanced",
        0.9,
        3,
    )
    assert found["hits_memory"] == 0


def test_people_get_a_table(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("cache_simulate", str(log))
    shown = capsys.readouterr().out
    assert "hits out of memory (L0)             1   33.3%" in shown
    assert "  time_sensitive" in shown
    assert "money: unknown" in shown


def test_what_cannot_be_simulated_is_refused(log: Path, tmp_path: Path, transactional_db: None) -> None:
    (tmp_path / "broken").write_text('{"prompt": "x"}\n{"prompt": 1}\n')
    for options, problem in (
        ((str(tmp_path / "broken"),), "line 2: prompt"),
        ((str(log), "--tenant", "nobody"), "no tenant 'nobody'"),
        ((str(log), "--floor", "0.1"), "--floor"),
        ((str(log), "--ttl", "0"), "--ttl"),
    ):
        with pytest.raises(CommandError, match=problem):
            call_command("cache_simulate", *options)
