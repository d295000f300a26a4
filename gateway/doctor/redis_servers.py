"""Examines the two Redis servers: that they answer, and that each keeps or forgets as it must."""

from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from gateway.doctor.verdicts import Verdict, failed, ok, warning

_SECONDS = 1.0
_MIB = 1024 * 1024
_FULL = 0.9


def client(url: str) -> "redis.Redis":
    """Return a client that gives up after a second and tries nothing twice."""
    return redis.Redis.from_url(
        url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS, retry=Retry(NoBackoff(), 0)
    )


def examine_cache() -> Verdict:
    return judge_cache(_info(settings.REDIS_CACHE_URL))


def examine_state() -> Verdict:
    state = _info(settings.REDIS_STATE_URL)
    return judge_state(state, is_cache=state["run_id"] == _run_id_of_cache())


def judge_cache(info: dict[str, Any]) -> Verdict:
    """Judge the answer to INFO. Pure."""
    policy, shown = info["maxmemory_policy"], _shown(info)
    if not policy.startswith("allkeys-"):
        return failed(f"{shown}: fills up instead of evicting", "set maxmemory-policy to allkeys-lfu")
    if not info["maxmemory"]:
        return warning(f"{shown}: never evicts, because it has no limit", "set maxmemory")
    return ok(shown)


def judge_state(info: dict[str, Any], *, is_cache: bool) -> Verdict:
    """Judge the answer to INFO. is_cache: it is the very server that serves as the cache. Pure."""
    policy, shown = info["maxmemory_policy"], _shown(info)
    if is_cache:
        return failed(f"{shown}: is the cache Redis too", "run two servers: REDIS_CACHE_URL, REDIS_STATE_URL")
    if policy != "noeviction":
        return failed(f"{shown}: may delete limits, records and queues", "set maxmemory-policy to noeviction")
    if not info["aof_enabled"]:
        return failed(f"{shown}: forgets everything when it restarts", "set appendonly to yes")
    if info.get("aof_last_write_status", "ok") != "ok":
        return failed(f"{shown}: cannot write its append-only file", "free space on its disk")
    if info["maxmemory"] and info["used_memory"] > _FULL * info["maxmemory"]:
        return warning(f"{shown}: nearly full", "raise maxmemory, or look whether ingest keeps up")
    return ok(f"{shown}, append-only file on")


def _info(url: str) -> dict[str, Any]:
    with client(url) as asked:
        return dict(asked.info())


def _run_id_of_cache() -> str | None:
    try:
        return str(_info(settings.REDIS_CACHE_URL)["run_id"])
    except redis.RedisError:
        # Its own examination tells that it cannot be asked.
        return None


def _shown(info: dict[str, Any]) -> str:
    used, most = info["used_memory"] / _MIB, info["maxmemory"] / _MIB
    limit = f"{most:.0f}" if most else "unlimited"
    name = info.get("server_name", "redis")
    version = info.get("valkey_version", info["redis_version"])
    return f"{name} {version}, {info['maxmemory_policy']}, {used:.0f} of {limit} MiB"
