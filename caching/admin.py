"""Ops staff's pages of cache policies, entries and the kill switch."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.timesince import timesince, timeuntil
from unfold.admin import ModelAdmin, StackedInline
from unfold.decorators import display

from caching.exact import CacheUnavailable
from caching.models import CacheEntry, CachePolicy, CacheSwitch
from caching.purging import Selection, purge
from tenants.models import Tenant

_POLICY_FIELDS = (
    ("exact_enabled", "semantic_enabled"),
    ("semantic_mode", "floor"),
    ("ttl_seconds", "static_ttl_seconds"),
    ("live_ttl_seconds", "max_ttl_seconds"),
    ("stale_while_revalidate_seconds", "stale_on_error_seconds"),
    ("sharing", "personal"),
    ("freshness_cut", "max_turns"),
    ("guard_numbers", "guard_units"),
    ("guard_polarity", "guard_identifiers"),
    ("guard_quotes", "guard_coreference"),
    ("guard_names", "audits_enabled"),
    ("audit_budget_usd", "target_wrong_share"),
    ("judge_model",),
    ("max_entries", "max_bytes"),
)


@admin.register(CachePolicy)
class CachePolicyAdmin(ModelAdmin):
    list_display = (
        "tenant",
        "exact_enabled",
        "semantic_mode",
        "semantic_enabled",
        "floor",
        "ttl_seconds",
        "sharing",
    )
    list_editable = ("semantic_enabled",)
    list_filter = ("semantic_mode", "semantic_enabled", "exact_enabled", "sharing")
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "tenant__name")
    fields = ("tenant", *_POLICY_FIELDS)
    readonly_fields = ("tenant",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Every tenant gets its policy when it is created."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class CachePolicyInline(StackedInline):
    """The policy on its tenant's page."""

    model = CachePolicy
    fields = _POLICY_FIELDS
    can_delete = False
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A new tenant's policy is made on saving it."""
        return False


# The tenants app knows nothing of caches, so its page is extended from here.
_tenant_admin = type(admin.site.get_model_admin(Tenant))
_tenant_admin.inlines = [*_tenant_admin.inlines, CachePolicyInline]


@admin.register(CacheSwitch)
class CacheSwitchAdmin(ModelAdmin):
    list_display = ("__str__", "semantic_enabled")
    list_editable = ("semantic_enabled",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """There is one row."""
        return not CacheSwitch.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ExpiredFilter(admin.SimpleListFilter):
    title = "expired"
    parameter_name = "expired"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "still served"), ("yes", "expired, not swept yet")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[CacheEntry]) -> QuerySet[CacheEntry]:
        match self.value():
            case "yes":
                return queryset.filter(expires_at__lte=timezone.now())
            case "no":
                return queryset.filter(expires_at__gt=timezone.now())
        return queryset


@admin.register(CacheEntry)
class CacheEntryAdmin(ModelAdmin):
    list_display = ("excerpt", "tenant", "model", "age", "expiry")
    list_filter = (ExpiredFilter, "model", "tenant")
    list_select_related = ("tenant",)
    search_fields = ("question",)
    show_full_result_count = False
    exclude = ("vector", "fingerprint", "scope")
    actions = ("drop_entries",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Deleting goes through the action below, which knows the exact cache too."""
        return False

    @display(description="question")
    def excerpt(self, entry: CacheEntry) -> str:
        return Truncator(entry.question).chars(80)

    @display(description="age", ordering="created_at")
    def age(self, entry: CacheEntry) -> str:
        return timesince(entry.created_at, depth=1)

    @display(description="expires in", ordering="expires_at")
    def expiry(self, entry: CacheEntry) -> str:
        return timeuntil(entry.expires_at, depth=1) if entry.expires_at > timezone.now() else "expired"

    def has_drop_permission(self, request: HttpRequest) -> bool:
        """Whoever may only look at entries is not offered the action."""
        return request.user.has_perm("caching.delete_cacheentry")

    @admin.action(description="Delete from both caches", permissions=("drop",))
    def drop_entries(self, request: HttpRequest, queryset: QuerySet[CacheEntry]) -> None:
        try:
            purged = [
                purge(tenant_id, Selection(entries=frozenset(entries)), dry_run=False)
                for tenant_id, entries in _by_tenant(queryset).items()
            ]
        except CacheUnavailable:
            messages.error(request, "The cache Redis cannot be asked; exact copies may be left. Try again.")
            return
        entries, exact = sum(each.entries for each in purged), sum(each.exact for each in purged)
        messages.success(request, f"{entries} entries and {exact} exact answers deleted.")


def _by_tenant(queryset: QuerySet[CacheEntry]) -> dict[int, list[UUID]]:
    chosen: dict[int, list[UUID]] = {}
    for tenant_id, entry in queryset.values_list("tenant_id", "id"):
        chosen.setdefault(tenant_id, []).append(entry)
    return chosen


# Django looks for pages here only.
from caching import admin_truth  # noqa: E402, F401
