"""`POST /cache/feedback`: callers say whether an answer was right for their question."""

from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Literal
from uuid import UUID

from channels.db import database_sync_to_async
from django.db import Error as DjangoDatabaseError
from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from psycopg_pool import PoolTimeout
from pydantic import AfterValidator, Field

from caching.exact import CacheUnavailable
from caching.tombstones import Author, Effect
from gateway import doors, errors, runtime
from gateway.feedback import UnknownRequest, give_feedback
from gateway.request_id import parse
from gateway.schemas import ErrorBody, Strict
from tenants.database import within

router = Router(tags=["cache"])

_MOST_SECONDS = 10.0
#: Of their own, as purges have theirs: what waits for a frozen Postgres must keep nobody else waiting.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="feedback")


def _known_form(text: str) -> str:
    _id_of(text)
    return text


def _id_of(text: str) -> UUID:
    """Return the id of a request as answers show it; ValueError for anything else."""
    if (request_id := parse(text)) is None:
        raise ValueError("is no request id (`req_` and 26 characters)")
    return request_id


class FeedbackRequest(Strict):
    request_id: Annotated[str, AfterValidator(_known_form)] = Field(
        description="The answer's `id`, or its header `x-request-id`."
    )
    verdict: Literal["good", "bad"]
    note: Annotated[str, Field(max_length=500)] = ""


class FeedbackAnswer(Schema):
    request_id: str
    verdict: Literal["good", "bad"]
    effect: Effect = Field(
        description="buried: the entry no longer serves questions near this one. unburied: it does again."
        " purged: the answer is gone from the caches. pinned: staff's own answer stays. none: nothing had to be"
        " done."
    )
    repeated: bool = Field(description="The same verdict was given before.")


@router.post(
    "/cache/feedback",
    auth=doors.KeyDoor("cache:feedback"),
    response={200: FeedbackAnswer, **dict.fromkeys((401, 403, 404, 422, 503), ErrorBody)},
    summary="Say whether an answer was right",
)
async def feedback(request: HttpRequest, body: FeedbackRequest) -> HttpResponse | FeedbackAnswer:
    """Judge the answer to one of the tenant's requests of the last day; a bad one serves no more."""
    admission = doors.admission_of(request)
    author = Author(name=admission.key.public_id, is_staff=False)
    try:
        # Gives the thread's connection back to the pool, which a plain thread would keep for good.
        judging = database_sync_to_async(give_feedback, thread_sensitive=False, executor=_threads)(
            admission.tenant_id, _id_of(body.request_id), body.verdict, note=body.note, author=author
        )
        given = await within(_MOST_SECONDS, judging)
        # The memory of this process is dropped with the policy that was published, others' within a second.
        await (await runtime.parts()).policies.refresh()
    except UnknownRequest as unknown:
        return doors.refused(request, errors.UNRECORDED_REQUEST if unknown.recent else errors.UNKNOWN_REQUEST)
    except CacheUnavailable:
        return doors.refused(request, errors.FEEDBACK_UNAVAILABLE)
    except (TimeoutError, DjangoDatabaseError, PoolTimeout):
        return doors.refused(request, errors.DATABASE_UNAVAILABLE)
    return FeedbackAnswer(
        request_id=body.request_id, verdict=body.verdict, effect=given.effect, repeated=given.repeated
    )
