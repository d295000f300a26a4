"""Leaves the database empty behind a test that commits, in a hundredth of the time of Django's flush.

A flush truncates every table and makes all content types and permissions anew. Here small tables lose their rows
instead, and content types and permissions stay: nothing but migrations changes them.
"""

from django.db import connection, transaction
from django.test import TransactionTestCase

_KEPT = frozenset({"django_content_type", "auth_permission"})
#: Deleted rows would stay in the index over vectors, where searches come upon them, and in Postgres' statistics.
_TRUNCATED = ("caching_cacheentry", "analytics_requestrecord")


def empty_tables(_: TransactionTestCase) -> None:
    """Delete all rows that tests may have left; waits for those who still write."""
    tables = sorted(set(connection.introspection.django_table_names(only_existing=True)) - _KEPT)
    names = [connection.ops.quote_name(table) for table in tables]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {', '.join(names)} IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(" UNION ALL ".join(f"(SELECT '{table}' FROM {table} LIMIT 1)" for table in _TRUNCATED))
        for (table,) in cursor.fetchall():
            cursor.execute(f"TRUNCATE {table} CASCADE")
        cursor.execute(";".join(f"DELETE FROM {name}" for name in names))
