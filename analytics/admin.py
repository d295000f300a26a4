"""Ops staff's pages of records: a list to search, and the cost-saved report."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.views.generic import TemplateView
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import FieldTextFilter, RangeDateTimeFilter, RelatedDropdownFilter
from unfold.decorators import action, display
from unfold.views import UnfoldModelAdminViewMixin

from analytics.models import RequestRecord
from analytics.reports import chart_of, cost_saved, csv_lines, parse_report
from analytics.selectors import SEE_ALL
from analytics.stats import BadQuery, usd
from tenants.models import Tenant

_CACHE_STATUSES = ("hit_exact", "hit_semantic", "miss", "bypass", "refresh", "error")
_MOST_COUNTED = 10_000
_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class BoundedPaginator(Paginator[RequestRecord]):
    """Estimates the length of the whole list and counts filtered ones no further than needed."""

    @cached_property
    def count(self) -> int:
        records: QuerySet[RequestRecord] = self.object_list  # type: ignore[assignment]
        counted = records.order_by()[: _MOST_COUNTED + 1].count()
        if counted <= _MOST_COUNTED or records.query.where:
            return counted
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(sum(reltuples), 0)::bigint FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid "
                "WHERE inhparent = 'analytics_requestrecord'::regclass AND reltuples > 0"
            )
            (estimate,) = cursor.fetchone()
        return max(counted, int(estimate))


class CacheStatusFilter(admin.SimpleListFilter):
    """The known cache statuses; asking a huge table for its distinct values would take long."""

    title = "cache status"
    parameter_name = "cache"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((status, status) for status in _CACHE_STATUSES), ("none", "refused before the cache")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[RequestRecord]) -> QuerySet[RequestRecord]:
        value = self.value()
        return queryset.filter(cache_status="" if value == "none" else value) if value else queryset


class StartedFilter(RangeDateTimeFilter):
    """From and to in UTC; unfold's own filter compares with times that have no zone."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[RequestRecord]) -> QuerySet[RequestRecord]:
        since, until = self._bound("from", "00:00:00"), self._bound("to", "23:59:59")
        if since is not None:
            queryset = queryset.filter(started_at__gte=since)
        return queryset if until is None else queryset.filter(started_at__lte=until)

    def _bound(self, side: str, default_time: str) -> datetime | None:
        day, clock = (self.used_parameters.get(f"started_at_{side}_{part}") for part in (0, 1))
        try:
            return datetime.fromisoformat(f"{day} {clock or default_time}").replace(tzinfo=UTC)
        except ValueError:
            return None


class StatusFilter(admin.SimpleListFilter):
    """HTTP status by class."""

    title = "HTTP status"
    parameter_name = "http"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("2", "2xx"), ("4", "4xx"), ("5", "5xx"), ("429", "429 rate limited"), ("499", "499 hung up")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[RequestRecord]) -> QuerySet[RequestRecord]:
        value = self.value() or ""
        if value in ("429", "499"):
            return queryset.filter(status=int(value))
        if value in ("2", "4", "5"):
            return queryset.filter(status__gte=int(value) * 100, status__lt=(int(value) + 1) * 100)
        return queryset


@admin.register(RequestRecord)
class RequestRecordAdmin(ModelAdmin):
    """Read only: records are never changed, and go with their day's partition."""

    list_display = (
        "started_at",
        "tenant",
        "endpoint",
        "http_status",
        "cache",
        "model",
        "cost",
        "saved",
        "milliseconds",
        "key_public_id",
    )
    list_filter = (
        StatusFilter,
        CacheStatusFilter,
        ("tenant", RelatedDropdownFilter),
        ("model", FieldTextFilter),
        ("started_at", StartedFilter),
    )
    list_filter_submit = True
    list_select_related = ("tenant",)
    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator
    search_fields = ("key_public_id",)
    search_help_text = "A request id (req_... or UUID), an API key's public id, or a caller's own request id"
    actions_list = ("open_report",)  # type: ignore[assignment]  # unfold declares an empty tuple

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[RequestRecord], search_term: str
    ) -> tuple[QuerySet[RequestRecord], bool]:
        """Match whole values only: no part of them can be guessed letter by letter, and indexes serve."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if (record_id := uuid_of(term)) is not None:
            return queryset.filter(id=record_id), False
        return queryset.filter(Q(key_public_id=term) | Q(client_request_id=term)), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        report = CostSavedView.as_view(model_admin=self)
        address = path("report/", self.admin_site.admin_view(report), name="analytics_cost_report")
        return [address, *super().get_urls()]

    @action(  # type: ignore[operator]  # unfold's Action has no __call__ for checkers
        description="Cost-saved report", url_path="open-report", permissions=["view"]
    )
    def open_report(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:analytics_cost_report")

    @display(
        description="status",
        ordering="status",
        label={"ok": "success", "refused": "warning", "failed": "danger"},
    )
    def http_status(self, record: RequestRecord) -> tuple[str, str]:
        kind = "failed" if record.status >= 500 else "refused" if record.status >= 400 else "ok"
        return kind, str(record.status)

    @display(
        description="cache",
        ordering="cache_status",
        label={"hit_exact": "success", "hit_semantic": "success", "miss": "info", "error": "danger"},
    )
    def cache(self, record: RequestRecord) -> str:
        return record.cache_status

    @display(description="cost in USD", ordering="cost_nano")
    def cost(self, record: RequestRecord) -> str:
        return usd(record.cost_nano)

    @display(description="saved in USD", ordering="saved_nano")
    def saved(self, record: RequestRecord) -> str:
        return usd(record.saved_nano)

    @display(description="ms", ordering="total_ms")
    def milliseconds(self, record: RequestRecord) -> str:
        return f"{record.total_ms:,.1f}"


class CostSavedView(UnfoldModelAdminViewMixin, TemplateView):
    """Per tenant and day: requests, hit ratio, cost, saving; `?format=csv` gives the same as a file."""

    title = "Cost-saved report"
    permission_required = SEE_ALL
    template_name = "analytics/cost_report.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.GET.get("format") != "csv":
            return super().get(request, *args, **kwargs)
        try:
            query, tenant = parse_report(request.GET.dict(), now=timezone.now())
        except BadQuery as error:
            return HttpResponse(str(error), status=400, content_type="text/plain; charset=utf-8")
        name = f"cost-saved-{query.since:%Y%m%d}-{query.until:%Y%m%d}.csv"
        text = "".join(csv_lines(cost_saved(query, tenant)))
        disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
        return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=disposition)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        params = self.request.GET.dict()
        shown: dict[str, Any] = {"problem": "", "report": None}
        try:
            report = cost_saved(*parse_report(params, now=timezone.now()))
            shown |= {"report": report, "chart": json.dumps(chart_of(report))}
        except BadQuery as error:
            shown["problem"] = str(error)
        return super().get_context_data(
            **kwargs,
            **shown,
            params=params,
            tenants=Tenant.objects.order_by("slug"),
            list_address=reverse("admin:analytics_requestrecord_changelist"),
        )


def uuid_of(text: str) -> uuid.UUID | None:
    """Return the id of a record from its UUID or from `req_` and 26 characters; None for other text."""
    letters = text.upper().removeprefix("REQ_")
    try:
        if len(letters) != 26:
            return uuid.UUID(text)
        number = 0
        for letter in letters:
            number = number * 32 + _BASE32.index(letter)
        return uuid.UUID(int=number)
    except ValueError:
        return None
