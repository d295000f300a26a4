"""Ops staff's pages of tenants, keys, members and users."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, Model, Q, QuerySet
from django.forms import BaseModelFormSet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from tenants.key_format import make_key
from tenants.models import ApiKey, GatewayLimit, Membership, Scope, Tenant, User
from tenants.services import key_revoke

admin.site.unregister(Group)


def name_new_key(request: HttpRequest, key: ApiKey) -> None:
    """Give an unsaved key its digest, and show its plaintext to the person who made it: once."""
    made = make_key()
    key.public_id, key.digest = made.public_id, made.digest
    messages.warning(
        request, f"The key “{key.label}” is shown now and never again; copy it: {made.plaintext}"
    )


class ScopesField(forms.MultipleChoiceField):
    """Scopes as check boxes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            choices=Scope.choices,
            widget=forms.CheckboxSelectMultiple,
            initial=[Scope.CHAT, Scope.STATS],
            required=options.get("required", True),
            help_text="What the key may do.",
        )


class ApiKeyForm(forms.ModelForm[ApiKey]):
    scopes = ScopesField()

    class Meta:
        model = ApiKey
        fields = (
            "tenant",
            "label",
            "scopes",
            "allowed_models",
            "requests_per_minute",
            "requests_per_day",
            "expires_at",
        )


class ApiKeyInline(TabularInline):
    model = ApiKey
    form = ApiKeyForm
    fields = ("label", "public_id", "scopes", "requests_per_minute", "expires_at", "state")
    readonly_fields = ("public_id", "state")
    extra = 0
    show_change_link = True
    can_delete = False

    @display(description="state")
    def state(self, key: ApiKey) -> str:
        return state_of(key)


class MembershipInline(TabularInline):
    model = Membership
    fields = ("user", "role")
    autocomplete_fields = ("user",)
    extra = 0


@admin.register(Tenant)
class TenantAdmin(ModelAdmin):
    list_display = (
        "name",
        "slug",
        "is_active",
        "keys",
        "requests_per_minute",
        "requests_per_day",
        "created_at",
    )
    list_filter = ("is_active",)
    search_fields = ("name", "slug")
    fields = ("name", "slug", "is_active", "requests_per_minute", "requests_per_day", "created_at")
    readonly_fields = ("created_at",)
    inlines = (ApiKeyInline, MembershipInline)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        working = Count("api_keys", filter=Q(api_keys__revoked_at=None))
        tenants: QuerySet[Tenant] = super().get_queryset(request).annotate(working_keys=working)
        return tenants

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Tenants are made inactive, not deleted: their records are what was billed."""
        return False

    @display(description="working keys", ordering="working_keys")
    def keys(self, tenant: Tenant) -> int:
        return int(getattr(tenant, "working_keys", 0))

    def save_formset(
        self, request: HttpRequest, form: Any, formset: BaseModelFormSet[Any, Any], change: bool
    ) -> None:
        for row in formset.save(commit=False):
            if isinstance(row, ApiKey) and not row.digest:
                name_new_key(request, row)
            row.save()
        for row in formset.deleted_objects:
            row.delete()
        formset.save_m2m()


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    form = ApiKeyForm
    list_display = (
        "label",
        "tenant",
        "public_id",
        "state",
        "scopes_shown",
        "requests_per_minute",
        "created_at",
    )
    list_filter = ("tenant",)
    search_fields = ("label", "public_id", "tenant__name", "tenant__slug")
    list_select_related = ("tenant",)
    autocomplete_fields = ("tenant",)
    readonly_fields = ("public_id", "state", "created_at", "revoked_at")
    actions = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        shown = ("public_id", "state", "created_at", "revoked_at") if obj else ()
        return (*ApiKeyForm.Meta.fields, *shown)

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        if isinstance(obj, ApiKey) and not obj.digest:
            name_new_key(request, obj)
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Keys are revoked, not deleted: records go on naming them."""
        return False

    @admin.action(description="Revoke the selected keys", permissions=("change",))
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset:
            key_revoke(key.public_id)
        self.message_user(
            request, f"{len(queryset)} keys are revoked; the gateway refuses them within a second."
        )

    @display(description="state")
    def state(self, key: ApiKey) -> str:
        return state_of(key)

    @display(description="scopes")
    def scopes_shown(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)


def state_of(key: ApiKey) -> str:
    """Return whether a key works, in a word."""
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= timezone.now():
        return "expired"
    return "working" if key.digest else "new"


@admin.register(GatewayLimit)
class GatewayLimitAdmin(ModelAdmin):
    fields = ("requests_per_minute",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return not GatewayLimit.objects.exists() and super().has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: GatewayLimit | None = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User], ModelAdmin):  # type: ignore[misc]  # unfold's own recipe
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "name", "is_staff", "is_active", "last_login")
    list_filter = ("is_staff", "is_superuser", "is_active")
    search_fields = ("email", "name")
    ordering = ("email",)
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets: Any = (
        (None, {"fields": ("email", "name", "password1", "password2"), "classes": ("wide",)}),
    )
    filter_horizontal = ("user_permissions",)
    readonly_fields = ("last_login", "date_joined")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Only superusers give rights: anybody else could give all of them to themselves."""
        rights = () if request.user.is_superuser else ("is_staff", "is_superuser", "user_permissions")
        return (*self.readonly_fields, *rights)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Whoever sets a superuser's password or address is one; the page of the password asks here too."""
        return _may_touch(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return _may_touch(request, obj) and super().has_delete_permission(request, obj)


def _may_touch(request: HttpRequest, user: User | None) -> bool:
    return bool(request.user.is_superuser) or user is None or not user.is_superuser
