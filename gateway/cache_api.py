"""`DELETE /cache`: a tenant purges its own answers."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from channels.db import database_sync_to_async
from django.db import Error as DjangoDatabaseError
from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from psycopg_pool import PoolTimeout
from pydantic import Field, model_validator

from caching.exact import CacheUnavailable
from caching.purging import Selection, purge
from gateway import doors, errors, runtime
from gateway.schemas import ErrorBody, Strict, Tag
from tenants.database import within

router = Router(tags=["cache"])

_MOST_SECONDS = 30.0
#: Of their own: purges that wait for a frozen Postgres must not take the threads that resolve upstreams' names.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="purge")


class PurgeRequest(Strict):
    """Which answers to purge: `all`, or everything that meets each of the other conditions."""

    all: bool = False
    tag: Tag | None = None
    model: str | None = None
    older_than_s: Annotated[float, Field(ge=0, le=31_536_000)] | None = None
    entry: Annotated[UUID, Field(strict=False)] | None = None
    key: Annotated[str, Field(min_length=1, max_length=20)] | None = Field(
        None, description="Public id of the API key that the answers were made for."
    )
    scope: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = Field(
        None, description="Digest of everything but the last user turn, as staff see it at an entry."
    )
    prompt: str | None = Field(
        None,
        description="Part of the last user turn, in any case; `*` stands for any text. Answers that only the exact"
        " cache holds can't be searched so (`unsearched`).",
    )
    dry_run: bool = Field(True, description="Only count what would be purged.")

    @model_validator(mode="after")
    def _is_a_selection(self) -> "PurgeRequest":
        self.selection()
        return self

    def selection(self) -> Selection:
        return Selection(
            everything=self.all,
            tag=self.tag,
            model=self.model,
            older_than_s=self.older_than_s,
            entries=None if self.entry is None else frozenset({self.entry}),
            key=self.key,
            scope=None if self.scope is None else bytes.fromhex(self.scope),
            prompt=self.prompt,
        )


class PurgeAnswer(Schema):
    dry_run: bool
    entries: int = Field(description="Entries of the semantic cache.")
    exact: int = Field(description="Answers of the exact cache.")
    pinned: int = Field(description="Those of the entries that staff had pinned.")
    unsearched: int | None = Field(
        description="Exact answers whose question isn't known; null: the selection asks for no question."
    )


@router.delete(
    "/cache",
    auth=doors.KeyDoor("cache:purge"),
    response={200: PurgeAnswer, **dict.fromkeys((401, 403, 422, 503), ErrorBody)},
    summary="Purge cached answers",
)
async def purge_cache(request: HttpRequest, selection: PurgeRequest) -> HttpResponse | PurgeAnswer:
    """Delete answers of the calling key's tenant from both caches; with `dry_run` only count them."""
    admission = doors.admission_of(request)
    try:
        # Gives the thread's connection back to the pool, which a plain thread would keep for good.
        purging = database_sync_to_async(purge, thread_sensitive=False, executor=_threads)(
            admission.tenant_id, selection.selection(), dry_run=selection.dry_run
        )
        purged = await within(_MOST_SECONDS, purging)
        # The memory of this process is dropped with the policy that the purge published, others' within a second.
        await (await runtime.parts()).policies.refresh()
    except CacheUnavailable:
        return doors.refused(request, errors.CACHE_UNAVAILABLE)
    except (TimeoutError, DjangoDatabaseError, PoolTimeout):
        return doors.refused(request, errors.DATABASE_UNAVAILABLE)
    return PurgeAnswer(dry_run=selection.dry_run, **asdict(purged))
