"""Ops staff's pages of cache policies and the kill switch; the others have modules of their own."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin, StackedInline

from caching.admin_entries import CacheEntryAdmin, TombstoneAdmin
from caching.admin_truth import FloorChangeAdmin, JudgedPairAdmin
from caching.models import CachePolicy, CacheSwitch
from tenants.models import Tenant

__all__ = [
    "CacheEntryAdmin",
    "CachePolicyAdmin",
    "CacheSwitchAdmin",
    "FloorChangeAdmin",
    "JudgedPairAdmin",
    "TombstoneAdmin",
]

_POLICY_FIELDS = (
    ("exact_enabled", "semantic_enabled"),
    ("semantic_mode", "max_turns"),
    ("floor", "balanced_floor"),
    ("ttl_seconds", "static_ttl_seconds"),
    ("live_ttl_seconds", "max_ttl_seconds"),
    ("stale_while_revalidate_seconds", "stale_on_error_seconds"),
    ("sharing", "personal"),
    ("freshness_cut",),
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
