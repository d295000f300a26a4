"""Ops staff's pages of providers, their keys, models, prices and routing rules."""

import time
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from redis.exceptions import RedisError
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from routing.base_urls import RefusedAddress, check_base_url, parse_networks
from routing.health import Rest, key_name
from routing.models import Model, ModelPrice, Provider, ProviderKey, RoutingRule
from routing.selectors import current_price, rests_now, sealed
from routing.services import check_secret, keys_put_back, put_secret
from routing.standing import circuit_of, out_of_use


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


def ending_of(key: ProviderKey) -> str:
    return f"…{key.hint}" if key.hint else "—"


def standing_of(key: ProviderKey, rests: dict[str, Rest] | None) -> str:
    """Return how a key stands, in words: whether it is out and why, and where it rests besides."""
    if not key.is_active:
        return "switched off"
    if rests is None:
        return "unknown: the state Redis does not answer"
    if out := out_of_use(sealed(key), rests):
        return f"OUT: {_REASONS[out.reason]} since {_moment(out.since)}, tried again {_moment(out.until)}"
    name = key_name(sealed(key))
    resting = [
        f"{_REASONS[rest.reason]} at {where.split(':', 2)[2]} until {_moment(rest.until)}"
        for where, rest in sorted(rests.items())
        if where.split(":", 2)[1] == name
    ]
    return "; ".join(resting) or "in use"


_REASONS = {
    "refused_key": "refused by the provider (401 or 403)",
    "out_of_quota": "no credit left",
    "rate_limited": "rate-limited",
    "failing": "failing",
}


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def warn_of_keys(request: HttpRequest, provider: Provider | None = None) -> None:
    """Show an alert for each key (of the provider) that is out."""
    rests = rests_now()
    if not rests or not request.user.has_perm("routing.view_providerkey"):
        return
    keys = ProviderKey.objects.filter(is_active=True, provider__is_active=True).select_related("provider")
    for key in keys if provider is None else keys.filter(provider=provider):
        if out := out_of_use(sealed(key), rests):
            messages.error(
                request,
                f"The key “{key.label}” of {key.provider} is out of use since {_moment(out.since)}: "
                f"{_REASONS[out.reason]}. Replace its secret, or put it back once it works again.",
            )


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Put alerts on the admin's first page."""
    warn_of_keys(request)
    return context


class ProviderKeyInline(TabularInline):
    model = ProviderKey
    form = ProviderKeyForm
    fields = ("label", "secret", "ending", "weight", "is_active", "state", "created_at")
    readonly_fields = ("ending", "state", "created_at")
    extra = 0

    def __init__(self, *given: Any) -> None:
        """Django makes one for each request: the state Redis is asked once for all rows."""
        super().__init__(*given)
        self._rests = cache(rests_now)

    @display(description="ends with")
    def ending(self, key: ProviderKey) -> str:
        return ending_of(key)

    @display(description="state")
    def state(self, key: ProviderKey) -> str:
        return standing_of(key, self._rests()) if key.ciphertext else "—"


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

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        warn_of_keys(request)
        return super().changelist_view(request, extra_context)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        provider = super().get_object(request, object_id, from_field)
        if provider is not None and request.method == "GET":
            warn_of_keys(request, provider)
        return provider

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever sets an address decides where keys and prompts are sent."""
        return bool(request.user.is_superuser)

    def get_readonly_fields(self, request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        return () if request.user.is_superuser else ("slug", "base_url")


@admin.register(ProviderKey)
class ProviderKeyAdmin(ModelAdmin):
    """How keys stand. They are added on their provider's page."""

    form = ProviderKeyForm
    list_filter = ("provider", "is_active")
    list_select_related = ("provider",)
    search_fields = ("label", "provider__name", "provider__slug")
    fields = ("provider", "label", "secret", "ending", "weight", "is_active", "created_at")
    readonly_fields = ("provider", "ending", "created_at")
    actions = ("put_back",)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        rests = cache(rests_now)

        @display(description="state")
        def state(key: ProviderKey) -> str:
            return standing_of(key, rests())

        return ["label", "provider", "named", "ending", "weight", "is_active", state]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.action(description="Put the selected keys back into use", permissions=("change",))
    def put_back(self, request: HttpRequest, queryset: QuerySet[ProviderKey]) -> None:
        try:
            keys_put_back(queryset)
        except RedisError:
            self.message_user(request, "The state Redis does not answer; try again.", messages.ERROR)
            return
        for key in queryset:
            self.log_change(request, key, "Put back into use.")
        self.message_user(request, f"{len(queryset)} keys are used again within a second.")

    @display(description="named in logs and metrics")
    def named(self, key: ProviderKey) -> str:
        return str(key.uid)[:8]

    @display(description="ends with")
    def ending(self, key: ProviderKey) -> str:
        return ending_of(key)


class ModelPriceInline(TabularInline):
    model = ModelPrice
    fields = ("effective_from", "input_usd", "output_usd", "cache_read_usd", "cache_write_usd")
    ordering = ("-effective_from",)
    extra = 0


@admin.register(Model)
class ModelPricesAdmin(ModelAdmin):
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
        models: QuerySet[Model] = super().get_queryset(request).prefetch_related("prices", "provider__keys")
        return models

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        rests = cache(rests_now)

        @display(description="circuit")
        def circuit(model: Model) -> str:
            known = rests()
            if known is None:
                return "unknown"
            keys = [sealed(key) for key in model.provider.keys.all() if key.is_active]
            return circuit_of(str(model), keys, known, time.time()).replace("_", "-")

        prices = ("input_now", "output_now")
        return ["name", "provider", "tier", *prices, "also_called", "is_active", circuit]

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
