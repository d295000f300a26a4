"""What an audit found wrong is taken out of the caches, behind the calls."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from channels.db import database_sync_to_async
from django.db import Error as DjangoDatabaseError
from psycopg_pool import PoolTimeout

from caching.asked import AskedHit
from caching.exact import CacheUnavailable
from caching.judged import JudgedUnavailable
from caching.tombstones import Author, refute
from tenants.database import within

_AUTHOR = Author(name="audit", is_staff=False)
_MOST_SECONDS = 10.0
#: Of their own: what waits for a frozen Postgres must keep nobody else waiting.
_threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="audits")


async def bury(tenant_id: int, request_id: UUID, hit: AskedHit, *, served: bool) -> None:
    """Keep the hit's entry from serving questions near it; served: in every layer. Raises JudgedUnavailable."""
    refuting = database_sync_to_async(refute, thread_sensitive=False, executor=_threads)(
        tenant_id, request_id, hit, served=served, author=_AUTHOR
    )
    try:
        await within(_MOST_SECONDS, refuting)
    except CacheUnavailable as error:
        raise JudgedUnavailable(error.reason) from error
    except TimeoutError:
        raise JudgedUnavailable("timeout") from None
    except (DjangoDatabaseError, PoolTimeout) as error:
        raise JudgedUnavailable("database") from error
