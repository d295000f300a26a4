"""Examines Postgres: the server, its extension, its tables, and the role that is held to one tenant."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from psycopg import sql

from gateway.doctor.verdicts import Verdict, failed, ok, warning

Connection = psycopg.Connection[Any]

_SECONDS = 2
_OLDEST_VECTOR = (0, 8)
_OLDEST_SERVER = 180_000
_MIGRATE = "run `manage.py migrate`"

# Every table of tenants' rows that the role may read, secured or not, and the column that names the tenant.
_READABLE = """
    SELECT c.relname, a.attname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND has_table_privilege(c.oid, 'SELECT')
      AND a.attname = CASE WHEN c.relname = 'tenants_tenant' THEN 'id' ELSE 'tenant_id' END
    ORDER BY c.relname
"""


@contextmanager
def connected(url: str = "") -> Iterator[Connection]:
    """Connect in autocommit mode with short limits. url: empty takes Django's own database."""
    given = connections["default"].get_connection_params()
    limits: dict[str, Any] = {
        "connect_timeout": _SECONDS,
        "options": f"-c statement_timeout={_SECONDS * 1000}",
        "application_name": "halfpenny-doctor",
        "autocommit": True,
    }
    with psycopg.connect(url, **limits) if url else psycopg.connect(**{**given, **limits}) as connection:
        yield connection


def examine_server() -> Verdict:
    with connected() as connection:
        version = connection.info.server_version
        found = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
    shown = f"PostgreSQL {version // 10_000}.{version % 10_000}"
    if found is None:
        return failed(
            f"{shown} without the extension vector", f"install pgvector on the server, then {_MIGRATE}"
        )
    shown += f", pgvector {found[0]}"
    if tuple(int(part) for part in found[0].split(".")[:2]) < _OLDEST_VECTOR:
        return failed(shown, "update pgvector to 0.8 or later, then ALTER EXTENSION vector UPDATE")
    if version < _OLDEST_SERVER:
        return warning(shown, "it is tested with PostgreSQL 18")
    return ok(shown)


def examine_migrations() -> Verdict:
    known = set(MigrationLoader(None).disk_migrations)
    with connected() as connection:
        if connection.execute("SELECT to_regclass('django_migrations')").fetchone() == (None,):
            return failed("no tables at all", _MIGRATE)
        applied = set(connection.execute("SELECT app, name FROM django_migrations").fetchall())
    missing = sorted(".".join(each) for each in known - applied)
    if missing:
        return failed(f"{len(missing)} not applied: {', '.join(missing[:5])}", _MIGRATE)
    return ok(f"all {len(known)} applied")


def examine_web_role() -> Verdict:
    """The data plane's role must read its tables and see nothing as long as no tenant is named."""
    with connected(settings.DATABASE_WEB_URL) as connection:
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [settings.DATABASE_WEB_ROLE])
        if known.fetchone() is None:
            return failed(f"there is no role {settings.DATABASE_WEB_ROLE}", _MIGRATE)
        if not settings.DATABASE_WEB_URL:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(settings.DATABASE_WEB_ROLE)))
        powers = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
        if connection.execute(powers).fetchone() == (True,):
            return failed(
                "it bypasses row-level security", "give it neither SUPERUSER nor BYPASSRLS (ALTER ROLE)"
            )
        tables = connection.execute(_READABLE).fetchall()
        open_to_all = [name for name, column in tables if _shows_rows(connection, name, column)]
    if open_to_all:
        return failed(
            f"rows of tenants can be seen without naming one: {', '.join(open_to_all)}",
            f"the role must not own the tables, and row-level security must be on: {_MIGRATE}",
        )
    if not tables:
        return failed("it may read no table", _MIGRATE)
    return ok(f"reads {len(tables)} tables, sees nothing without a tenant")


def _shows_rows(connection: Connection, table: str, column: str) -> bool:
    # Rows of no tenant (global rules) are there for everybody.
    query = sql.SQL("SELECT EXISTS (SELECT 1 FROM {} WHERE {} IS NOT NULL)")
    found = connection.execute(query.format(sql.Identifier(table), sql.Identifier(column))).fetchone()
    return found == (True,)
