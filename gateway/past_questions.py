"""Questions of the past that are worth asking anew before their answers' time is over.

Records hold no texts, and an entry holds only the last user turn of its question. So a question is put together
again from both, as a prompt for the model that was asked for, and counts only if its fingerprint is the entry's:
what had instructions, earlier turns, parameters or a `user` can't be rebuilt, and is never guessed.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError

from analytics.savings import PastRequest, past_requests, savings_by_entry
from caching import eviction
from caching.selectors import WornEntry, worn_entries
from gateway.errors import Refusal
from gateway.planning import Plan
from gateway.schemas import ChatRequest
from gateway.warming import Wanted

#: Entries whose calls are looked up in one statement.
_AT_ONCE = 1000


def find_past(
    tenant_id: int, key_public_id: str, now: datetime, before: datetime
) -> tuple[list[WornEntry], dict[UUID, PastRequest]]:
    """Return a key's entries that were asked for in the last day and turn stale before that moment, with the calls
    that they were made for. Blocking.
    """
    eviction.note_savings(tenant_id, savings_by_entry(tenant_id, now - eviction.RECENT))
    entries = worn_entries(tenant_id, key_public_id, before=before)
    calls: dict[UUID, PastRequest] = {}
    for start in range(0, len(entries), _AT_ONCE):
        calls |= past_requests(tenant_id, [each.request_id for each in entries[start : start + _AT_ONCE]])
    return entries, calls


def rebuilt(
    entries: Iterable[WornEntry],
    calls: Mapping[UUID, PastRequest],
    plan_of: Callable[[Wanted], Plan | Refusal],
) -> list[Wanted]:
    """Return the questions of those entries that could be put together again."""
    found = []
    for entry in entries:
        wanted = _wanted(entry, calls.get(entry.request_id))
        plan = plan_of(wanted) if wanted else None
        if wanted and isinstance(plan, Plan) and plan.prints.exact == entry.fingerprint:
            found.append(wanted)
    return found


def _wanted(entry: WornEntry, call: PastRequest | None) -> Wanted | None:
    if call is None:
        return None
    try:
        request = ChatRequest.model_validate(
            {
                "prompt": entry.question,
                "model": call.model_asked,
                "tags": list(call.tags),
                "cache": {"tags": list(entry.tags)},
            }
        )
    except ValidationError:
        return None
    return Wanted(request=request, anew=True)
