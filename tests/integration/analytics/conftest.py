"""Tables of records that no test left anything in, and what is in them."""

from collections.abc import Iterator

import pytest
from django.db import connection

from tenants.models import Tenant


@pytest.fixture
def records_tables(transactional_db: None) -> Iterator[None]:
    """Postgres with committing tests; the table of dirty hours has no model, so it is emptied here."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE analytics_dirty_hour, analytics_requestrecord, analytics_hourlyrollup")
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE analytics_dirty_hour, analytics_requestrecord, analytics_hourlyrollup")


@pytest.fixture
def alice(records_tables: None) -> Tenant:
    return Tenant.objects.create(slug="alice", name="Alice")


@pytest.fixture
def charlie(records_tables: None) -> Tenant:
    """The outsider."""
    return Tenant.objects.create(slug="charlie", name="Charlie")
