"""A connection of the tables' owner for long jobs: not pooled, so that it is known when it is gone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connections

Connection = psycopg.Connection[tuple[Any, ...]]


def connect_as_owner(*, lock_timeout_ms: int = 2000) -> Connection:
    """Connect in autocommit mode to the database that Django uses. Raises psycopg.OperationalError.

    lock_timeout_ms: longest wait for any lock, so that a job never queues others up behind itself.
    """
    params = connections["default"].get_connection_params()
    params["options"] = f"{params.get('options', '')} -c lock_timeout={lock_timeout_ms}".strip()
    params["application_name"] = "halfpenny-analytics"
    return psycopg.connect(**params, autocommit=True)


@contextmanager
def owner_connection(*, lock_timeout_ms: int = 2000) -> Iterator[Connection]:
    """Give such a connection and close it at the end."""
    connection = connect_as_owner(lock_timeout_ms=lock_timeout_ms)
    try:
        yield connection
    finally:
        connection.close()
