"""Ops staff's pages of providers, their keys, models, prices and routing rules."""

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from routing.base_urls import RefusedAddress, check_base_url, parse_networks
from routing.models import Model, ModelPrice, Provider, ProviderKey, RoutingRule
from routing.selectors import current_price
from routing.services import check_secret, put_secret


class ProviderForm(forms.ModelForm[Provider]):
    """Refuses base URLs that lead into private networks."""

    class Meta:
        model = Provider
        fields = ("slug", "name", "kind", "base_url", "is_active")

    def clean_base_url(self) -> str:
        url = str(self.cleaned_data["base_url"])
        try:
            check_base_url(url, parse_networks(settings.UPSTREAM_ALLOWED_NETWORKS))
        except RefusedAddress as error:
            raise ValidationError(str(error)) from None
        return url


class ProviderKeyForm(forms.ModelForm[ProviderKey]):
    """A secret goes in and never comes out again."""

    secret = forms.CharField(
        required=False,
        strip=True,
        max_length=4096,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}, render_value=False),
        help_text="Empty: as it is.",
    )

    class Meta:
        model = ProviderKey
        fields = ("label", "weight", "is_active")

    def clean_secret(self) -> str:
        secret = str(self.cleaned_data.get("secret") or "")
        if not secret and self.instance.pk is None:
            raise ValidationError("A new key needs its secret.")
        if secret:
            check_secret(secret)
        return secret

    def save(self, commit: bool = True) -> ProviderKey:
        if secret := self.cleaned_data.get("secret"):
            put_secret(self.instance, secret)
        return super().save(commit=commit)


class ProviderKeyInline(TabularInline):
    model = ProviderKey
    form = ProviderKeyForm
    fields = ("label", "secret", "ending", "weight", "is_active", "created_at")
    readonly_fields = ("ending", "created_at")
    extra = 0

    @display(description="ends with")
    def ending(self, key: ProviderKey) -> str:
        return f"…{key.hint}" if key.hint else "—"


class ModelInline(TabularInline):
    model = Model
    fields = ("name", "upstream_name", "tier", "context_tokens", "is_active")
    extra = 0
    show_change_link = True


@admin.register(Provider)
class ProviderAdmin(ModelAdmin):
    form = ProviderForm
    list_display = ("name", "slug", "base_url", "is_active", "active_models", "active_keys")
    list_filter = ("is_active", "kind")
    search_fields = ("name", "slug", "base_url")
    inlines = (ProviderKeyInline, ModelInline)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        providers: QuerySet[Provider] = super().get_queryset(request)
        return providers.annotate(
            models_active=Count("models", filter=Q(models__is_active=True), distinct=True),
            keys_active=Count("keys", filter=Q(keys__is_active=True), distinct=True),
        )

    @display(description="active models", ordering="models_active")
    def active_models(self, provider: Provider) -> int:
        return int(getattr(provider, "models_active", 0))

    @display(description="active keys", ordering="keys_active")
    def active_keys(self, provider: Provider) -> int:
        return int(getattr(provider, "keys_active", 0))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever sets an address decides where keys and prompts are sent."""
        return bool(request.user.is_superuser)

    def get_readonly_fields(self, request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        return () if request.user.is_superuser else ("slug", "base_url")


class ModelPriceInline(TabularInline):
    model = ModelPrice
    fields = ("effective_from", "input_usd", "output_usd", "cache_read_usd", "cache_write_usd")
    ordering = ("-effective_from",)
    extra = 0


@admin.register(Model)
class ModelPricesAdmin(ModelAdmin):
    list_display = ("name", "provider", "tier", "input_now", "output_now", "also_called", "is_active")
    list_filter = ("provider", "tier", "is_active")
    list_select_related = ("provider",)
    search_fields = ("name", "upstream_name", "provider__slug", "provider__name")
    fields = (
        "provider",
        "name",
        "upstream_name",
        "tier",
        "context_tokens",
        "aliases",
        ("connect_seconds", "first_token_seconds"),
        ("between_chunks_seconds", "total_seconds"),
        "is_active",
    )
    autocomplete_fields = ("provider",)
    inlines = (ModelPriceInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Model]:
        models: QuerySet[Model] = super().get_queryset(request).prefetch_related("prices")
        return models

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        return super().formfield_for_dbfield(db_field, request, **one_line_lists(db_field, options))

    @display(description="input, USD per million")
    def input_now(self, model: Model) -> str:
        price = current_price(list(model.prices.all()), timezone.now())
        return usd(price.input_usd) if price else "no price"

    @display(description="output, USD per million")
    def output_now(self, model: Model) -> str:
        price = current_price(list(model.prices.all()), timezone.now())
        return usd(price.output_usd) if price else "no price"

    @display(description="aliases")
    def also_called(self, model: Model) -> str:
        return ", ".join(model.aliases) or "—"


@admin.register(RoutingRule)
class RoutingRuleAdmin(ModelAdmin):
    list_display = (
        "name",
        "owner",
        "priority",
        "model_asked",
        "scores",
        "tags_asked",
        "outcome",
        "is_active",
    )
    list_filter = ("is_active", "action", ("tenant", admin.RelatedOnlyFieldListFilter), "target")
    list_select_related = ("tenant", "target__provider")
    search_fields = ("name", "model_asked", "tenant__name", "tenant__slug", "target__name")
    ordering = ("tenant", "priority", "name")
    fields = (
        "tenant",
        "name",
        "priority",
        "model_asked",
        ("min_score", "max_score"),
        "tags",
        "action",
        "target",
        "is_active",
    )
    autocomplete_fields = ("tenant", "target")

    def get_readonly_fields(self, request: HttpRequest, obj: RoutingRule | None = None) -> tuple[str, ...]:
        """A rule keeps its owner: only the owner's policy is published when it is saved."""
        return ("tenant",) if obj else ()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        return super().formfield_for_dbfield(db_field, request, **one_line_lists(db_field, options))

    @display(description="for", ordering="tenant__slug")
    def owner(self, rule: RoutingRule) -> str:
        return str(rule.tenant) if rule.tenant else "all tenants"

    @display(description="complexity", ordering="min_score")
    def scores(self, rule: RoutingRule) -> str:
        upper = "any" if rule.max_score >= 1.0 else f"below {rule.max_score:g}"
        return f"from {rule.min_score:g}, {upper}" if rule.min_score else upper

    @display(description="tags")
    def tags_asked(self, rule: RoutingRule) -> str:
        return ", ".join(rule.tags) or "—"

    @display(description="goes to", ordering="target__name")
    def outcome(self, rule: RoutingRule) -> str:
        return "refused" if rule.action == RoutingRule.Action.DENY else str(rule.target)


def usd(price: Decimal) -> str:
    """Return the price with at least two decimals: 0.15, 0.075."""
    shown = f"{price:.6f}".rstrip("0")
    return shown + "0" * max(0, 2 - len(shown.partition(".")[2]))


def one_line_lists(db_field: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Comma-separated lists are one line each, not a text area."""
    lists = db_field.name in ("aliases", "tags")
    return {**options, "widget": UnfoldAdminTextInputWidget()} if lists else options
