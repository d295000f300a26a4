"""Staff's verdicts on answers, at the records of their requests.

Records are analytics', answers are caching's: what joins them stands here.
"""

from collections import Counter
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from analytics.admin import RequestRecordAdmin
from analytics.models import RequestRecord
from caching.exact import CacheUnavailable
from caching.tombstones import Author
from gateway.feedback import UnknownRequest, Verdict, give_feedback
from tenants.models import User

#: Each may have to go through all answers of its tenant while somebody waits.
_MOST = 50

admin.site.unregister(RequestRecord)


@admin.register(RequestRecord)
class JudgedRecordAdmin(RequestRecordAdmin):
    """The list of records, where an answer can be judged as callers do by `POST /cache/feedback`."""

    actions = ("say_bad", "say_good")

    def has_judge_permission(self, request: HttpRequest) -> bool:
        """Whoever may only look at records is not offered the actions."""
        return bool(request.user.has_perm("caching.add_tombstone"))

    @admin.action(description="The answer was wrong: take it out of the caches", permissions=("judge",))
    def say_bad(self, request: HttpRequest, queryset: QuerySet[RequestRecord]) -> None:
        _give(request, queryset, "bad")

    @admin.action(description="The answer was right", permissions=("judge",))
    def say_good(self, request: HttpRequest, queryset: QuerySet[RequestRecord]) -> None:
        _give(request, queryset, "good")


def _give(request: HttpRequest, records: QuerySet[RequestRecord], verdict: Verdict) -> None:
    assert isinstance(request.user, User)
    author = Author(name=request.user.email, is_staff=True)
    chosen = list(records.values_list("tenant_id", "id")[: _MOST + 1])
    if len(chosen) > _MOST:
        messages.error(request, f"No more than {_MOST} at once, please; none was judged.")
        return
    effects: Counter[str] = Counter()
    try:
        for tenant_id, request_id in chosen:
            effects[_effect(tenant_id, request_id, verdict, author)] += 1
    except CacheUnavailable:
        messages.error(request, "The cache Redis can't be asked; please try again.")
        return
    told = ", ".join(f"{count} {effect}" for effect, count in effects.items())
    messages.success(request, f"Judged {verdict}: {told}. Every process knows it within a second.")


def _effect(tenant_id: int, request_id: UUID, verdict: Verdict, author: Author) -> str:
    try:
        return give_feedback(tenant_id, request_id, verdict, note="", author=author).effect
    except UnknownRequest:
        return "too old"
