"""Pytest plugin (`-p tests.servers`): starts the real servers before Django reads its settings.

DATABASE_URL, REDIS_CACHE_URL and REDIS_STATE_URL name servers to use instead; tests flush those Redis databases.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import psycopg

from config.devstack import servers

_NAMES = ("DATABASE_URL", "REDIS_CACHE_URL", "REDIS_STATE_URL")

os.environ["HALFPENNY_ENV"] = "development"
os.environ["HALFPENNY_HOME"] = tempfile.mkdtemp(prefix="halfpenny-test-")
atexit.register(shutil.rmtree, os.environ["HALFPENNY_HOME"], ignore_errors=True)

# A busy machine must not make a test about something else meet a deadline of production.
os.environ.setdefault("REDIS_TIMEOUT_SECONDS", "1.0")
os.environ.setdefault("SEMANTIC_SEARCH_TIMEOUT_MS", "1500")

if not all(os.environ.get(name) for name in _NAMES):
    running = servers.start(Path(os.environ["HALFPENNY_HOME"]) / "servers", durable=False)
    atexit.register(running.stop)
    with psycopg.connect(running.database_url, autocommit=True) as owner:
        # It would hold locks that a test doesn't expect.
        owner.execute("ALTER SYSTEM SET autovacuum = off")
        owner.execute("SELECT pg_reload_conf()")
    os.environ["DATABASE_URL"] = running.database_url
    os.environ["REDIS_CACHE_URL"] = running.redis_cache_url
    os.environ["REDIS_STATE_URL"] = running.redis_state_url
