"""Runs the examinations side by side, each against the same deadline."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping

import psycopg
import redis

from gateway.doctor import local, postgres, processes, providers, redis_servers
from gateway.doctor.verdicts import Finding, Verdict, failed

log = logging.getLogger(__name__)

Examination = Callable[[], Verdict]

EXAMINATIONS: Mapping[str, Examination] = {
    "settings": local.examine_settings,
    "postgres": postgres.examine_server,
    "migrations": postgres.examine_migrations,
    "web_role": postgres.examine_web_role,
    "cache_redis": redis_servers.examine_cache,
    "state_redis": redis_servers.examine_state,
    "broker": processes.examine_broker,
    "embedding_worker": processes.examine_embedding_worker,
    "beat": processes.examine_housekeeping,
    "ingest": processes.examine_ingest,
    "providers": providers.examine,
    "spool": local.examine_spool,
    "disk": local.examine_disk,
}

_ASK_SETTINGS = "start it, or correct its address in the settings (see docs/deployment.md)"


def examine(
    names: Collection[str] = tuple(EXAMINATIONS),
    *,
    seconds: float = 8.0,
    examinations: Mapping[str, Examination] = EXAMINATIONS,
) -> list[Finding]:
    """Return the findings in order; a part that hasn't answered after `seconds` has failed."""
    verdicts: dict[str, Verdict] = {}
    # Daemons: a thread that waits on a frozen server for ever must not keep the process from ending.
    threads = {
        name: threading.Thread(target=_take, args=(name, examinations[name], verdicts), daemon=True)
        for name in examinations
        if name in names
    }
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    late = failed(f"no answer within {seconds:g} s", "it may be frozen or unreachable: " + _ASK_SETTINGS)
    return [_finding(name, verdicts.get(name, late)) for name in threads]


def _take(name: str, examination: Examination, verdicts: dict[str, Verdict]) -> None:
    try:
        verdicts[name] = examination()
    except psycopg.ProgrammingError as error:
        verdicts[name] = failed(_said(error), "run `manage.py migrate`")
    except (psycopg.Error, redis.RedisError, OSError) as error:
        verdicts[name] = failed(_said(error), _ASK_SETTINGS)
    except Exception as error:
        # One broken examination must not hide what the others found.
        log.exception("an examination broke", extra={"examination": name})
        verdicts[name] = failed(_said(error), "this is a fault of the doctor itself: see the log")


def _said(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def _finding(name: str, verdict: Verdict) -> Finding:
    return Finding(name=name, state=verdict.state, detail=verdict.detail, remedy=verdict.remedy)
