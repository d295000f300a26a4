"""Row-level security: the web role sees only the rows of the tenant named by `app.tenant`.

The owner of the tables (migrations, admin, ingest) bypasses the policies. The data plane and the tenants'
pages use the web role, so that a forgotten filter returns nothing instead of somebody else's rows.
"""

from django.conf import settings
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import RunPython
from django.db.migrations.state import StateApps
from psycopg import sql

#: An unset or empty setting becomes NULL, which equals no tenant; casting it directly would raise.
CURRENT_TENANT = "nullif(current_setting('app.tenant', true), '')::bigint"


def create_web_role() -> RunPython:
    """Return the operation that creates the web role and lets the owner of the tables take it."""

    def forwards(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
        role = sql.Identifier(settings.DATABASE_WEB_ROLE)
        with editor.connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [settings.DATABASE_WEB_ROLE])
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(role))
            cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
            cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role))

    return RunPython(forwards, RunPython.noop, elidable=False)


def secure(
    table: str, *, column: str = "tenant_id", grant: str = "SELECT", shared: bool = False
) -> RunPython:
    """Return the operation that grants the web role access to one tenant's rows of a table.

    column: holds the tenant's id. grant: SQL privileges, comma-separated.
    shared: rows whose column is NULL belong to everybody (global routing rules).
    """

    def forwards(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
        names = {
            "table": sql.Identifier(table),
            "role": sql.Identifier(settings.DATABASE_WEB_ROLE),
            "column": sql.Identifier(column),
            "tenant": sql.SQL(CURRENT_TENANT),
            "privileges": sql.SQL(grant),
            "or_shared": sql.SQL("OR {} IS NULL").format(sql.Identifier(column)) if shared else sql.SQL(""),
        }
        with editor.connection.cursor() as cursor:
            for statement in (
                "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
                "CREATE POLICY one_tenant ON {table} TO {role} USING ({column} = {tenant} {or_shared})",
                "GRANT {privileges} ON {table} TO {role}",
            ):
                cursor.execute(sql.SQL(statement).format(**names))

    return RunPython(forwards, RunPython.noop, elidable=False)
