"""Ops staff's pages of cache entries: to read them, to answer by hand, to take them out."""

from dataclasses import asdict
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.timesince import timesince, timeuntil
from django.views.generic import FormView
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.views import UnfoldModelAdminViewMixin
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from caching.answers import BrokenAnswer
from caching.by_hand import Change, NoSuchEntry, answer_of, attach_variants, change_entry, embed_now
from caching.cacheability import MAX_QUESTION_CHARACTERS
from caching.embedding import EmbeddingUnavailable
from caching.exact import CacheUnavailable
from caching.models import CacheEntry, Tombstone
from caching.purging import Purged, Selection, purge
from caching.semantic import SemanticUnavailable
from caching.vectors import Vector
from tenants.models import Tenant, User

_PURGE = "caching.delete_cacheentry"
#: At once; each has to be embedded while somebody waits.
_MOST_VARIANTS = 20
_MOST_ANSWER = 100_000
_HOUR = 3600


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


class EntryForm(forms.ModelForm[CacheEntry]):
    """What may be changed about an entry: its answer, whether it stays, and how else it is asked for."""

    answer_text = forms.CharField(
        label="Answer",
        max_length=_MOST_ANSWER,
        strip=False,
        widget=UnfoldAdminTextareaWidget,
        help_text="Served to whoever asks this or one of its variants, from the next second on.",
    )
    new_variants = forms.CharField(
        label="Other ways to ask",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text="One question a line. Each shares this answer and is found by its own meaning.",
    )

    class Meta:
        model = CacheEntry
        fields = ("pinned",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.variants: list[tuple[str, Vector]] = []
        self.initial.setdefault("answer_text", _text_of(self.instance))

    def clean_answer_text(self) -> str:
        text = str(self.cleaned_data["answer_text"])
        if not text.strip():
            raise forms.ValidationError("An answer has a text.")
        # Browsers send line ends of their own.
        return text.replace("\r\n", "\n")

    def clean_new_variants(self) -> str:
        lines = str(self.cleaned_data["new_variants"]).splitlines()
        questions = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
        if len(questions) > _MOST_VARIANTS:
            raise forms.ValidationError(f"No more than {_MOST_VARIANTS} at once, please.")
        if any(len(question) > MAX_QUESTION_CHARACTERS for question in questions):
            raise forms.ValidationError(f"A question has {MAX_QUESTION_CHARACTERS} characters at most.")
        try:
            vectors = embed_now(self.instance.tenant_id, questions) if questions else []
        except EmbeddingUnavailable as error:
            raise forms.ValidationError(
                "These questions could not be embedded (%(reason)s): is the embedding worker running?",
                params={"reason": error.reason},
            ) from error
        self.variants = list(zip(questions, vectors, strict=True))
        return "\n".join(questions)


def _text_of(entry: CacheEntry) -> str:
    try:
        return answer_of(entry).text
    except BrokenAnswer:
        return ""


@admin.register(CacheEntry)
class CacheEntryAdmin(ModelAdmin):
    form = EntryForm
    list_display = ("excerpt", "tenant", "model", "age", "expiry", "by_hand")
    list_filter = (ExpiredFilter, "pinned", "model", "tenant")
    list_select_related = ("tenant",)
    search_fields = ("question",)
    show_full_result_count = False
    readonly_fields = (
        "tenant",
        "question",
        "variants",
        "answer_shown",
        "model",
        "provider",
        "complexity",
        "key_public_id",
        "request_shown",
        "scope_digest",
        "tags",
        "embedder_id",
        "alias_of",
        "saved_nano",
        "created_at",
        "expires_at",
        "edited_at",
        "edited_by",
    )
    actions = ("drop_entries",)
    actions_list = ("open_purge",)  # type: ignore[assignment]  # unfold declares an empty tuple

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        editable = self.has_change_permission(request, obj)
        answer = ("answer_text", "pinned", "new_variants") if editable else ("answer_shown", "pinned")
        kept = ("model", "provider", "complexity", "tags", "saved_nano", "created_at", "expires_at")
        found = ("tenant", "key_public_id", "request_shown", "scope_digest", "embedder_id", "alias_of")
        return [
            (None, {"fields": ("question", "variants", *answer)}),
            ("By hand", {"fields": ("edited_at", "edited_by")}),
            ("How it is kept", {"fields": kept}),
            ("How it is found", {"fields": found}),
        ]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(PurgeView.as_view(model_admin=self))
        return [path("purge/", view, name="caching_cacheentry_purge"), *super().get_urls()]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A variant has its entry's answer: that one is changed."""
        if isinstance(obj, CacheEntry) and obj.alias_of is not None:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Deleting goes through the action below, which knows the exact cache too."""
        return False

    def save_model(self, request: HttpRequest, obj: Model, form: forms.Form, change: bool) -> None:
        """Change the entry once the page's transaction is over: the caches must not be told before."""
        assert isinstance(obj, CacheEntry)
        assert isinstance(form, EntryForm)
        transaction.on_commit(partial(_change, request, obj, form))

    @display(description="question")
    def excerpt(self, entry: CacheEntry) -> str:
        return Truncator(entry.question).chars(80)

    @display(description="age", ordering="created_at")
    def age(self, entry: CacheEntry) -> str:
        return timesince(entry.created_at, depth=1)

    @display(description="expires in", ordering="expires_at")
    def expiry(self, entry: CacheEntry) -> str:
        if entry.pinned:
            return "pinned"
        return timeuntil(entry.expires_at, depth=1) if entry.expires_at > timezone.now() else "expired"

    @display(description="by hand", label={"edited": "info", "variant": "default"})
    def by_hand(self, entry: CacheEntry) -> str:
        if entry.alias_of is not None:
            return "variant"
        return "edited" if entry.edited_at else ""

    @display(description="asked also as")
    def variants(self, entry: CacheEntry) -> str:
        aliases = CacheEntry.objects.filter(tenant_id=entry.tenant_id, alias_of=entry.id).order_by("question")
        return "\n".join(aliases.values_list("question", flat=True)) or "-"

    @display(description="answer")
    def answer_shown(self, entry: CacheEntry) -> str:
        return _text_of(entry) or "(broken)"

    @display(description="request")
    def request_shown(self, entry: CacheEntry) -> str:
        return str(entry.request_id)

    @display(description="scope")
    def scope_digest(self, entry: CacheEntry) -> str:
        return bytes(entry.scope).hex()

    def has_drop_permission(self, request: HttpRequest) -> bool:
        """Whoever may only look at entries is not offered the action."""
        return request.user.has_perm(_PURGE)

    @action(  # type: ignore[operator]  # unfold's Action has no __call__ for checkers
        description="Purge answers", url_path="open-purge", permissions=["drop"]
    )
    def open_purge(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:caching_cacheentry_purge")

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


def _change(request: HttpRequest, entry: CacheEntry, form: EntryForm) -> None:
    wanted = Change(text=form.cleaned_data["answer_text"], pinned=form.cleaned_data["pinned"])
    try:
        change_entry(entry.tenant_id, entry.id, wanted, by=_name_of(request))
        if form.variants:
            attached = attach_variants(entry, form.variants)
            messages.info(request, f"{attached} of {len(form.variants)} questions share the answer now.")
    except CacheUnavailable:
        messages.error(
            request, "Saved, but the cache Redis can't be asked: old copies may be left. Save again."
        )
    except SemanticUnavailable as error:
        messages.error(request, f"The other questions were not added ({error.reason}). Please try again.")
    except (NoSuchEntry, BrokenAnswer):
        messages.error(request, "Nothing was changed: the entry has gone meanwhile, or its answer is broken.")


def _by_tenant(queryset: QuerySet[CacheEntry]) -> dict[int, list[UUID]]:
    chosen: dict[int, list[UUID]] = {}
    for tenant_id, entry in queryset.values_list("tenant_id", "id"):
        chosen.setdefault(tenant_id, []).append(entry)
    return chosen


def _name_of(request: HttpRequest) -> str:
    assert isinstance(request.user, User)
    return request.user.email


@admin.register(Tombstone)
class TombstoneAdmin(ModelAdmin):
    """What entries are kept from; a tombstone that is deleted lets its entry serve again, at once."""

    list_display = ("entry", "tenant", "reach", "created_by", "created_at")
    list_filter = ("tenant", "created_by")
    list_select_related = ("tenant",)
    show_full_result_count = False
    exclude = ("vector", "fingerprint", "scope")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @display(description="least similarity", ordering="least_similarity")
    def reach(self, tombstone: Tombstone) -> str:
        return f"{tombstone.least_similarity:.3f}"


class PurgeForm(forms.Form):
    """Whose answers, and which of them."""

    tenant = forms.ModelChoiceField(
        Tenant.objects.order_by("slug"), to_field_name="slug", widget=UnfoldAdminSelectWidget
    )
    everything = forms.BooleanField(
        label="all its answers", required=False, widget=UnfoldBooleanWidget, help_text="Pinned ones too."
    )
    prompt = forms.CharField(
        label="question holds",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="In any case; * stands for any text.",
    )
    tag = forms.CharField(required=False, max_length=64, widget=UnfoldAdminTextInputWidget)
    model = forms.CharField(
        required=False, max_length=200, widget=UnfoldAdminTextInputWidget, help_text="provider/name or name"
    )
    older_than_h = forms.FloatField(
        label="older than, in hours", required=False, min_value=0, widget=UnfoldAdminDecimalFieldWidget
    )
    key = forms.CharField(
        label="API key",
        required=False,
        max_length=20,
        widget=UnfoldAdminTextInputWidget,
        help_text="Public id",
    )
    scope = forms.RegexField(
        "^[0-9a-f]{64}$",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Digest, as at an entry: one conversation's next answers.",
    )

    def clean(self) -> dict[str, Any]:
        """Make the selection of the fields."""
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                cleaned["selection"] = _selection(cleaned)
            except ValueError as error:
                raise forms.ValidationError(f"{error}.") from error
        return cleaned


def _selection(cleaned: dict[str, Any]) -> Selection:
    hours = cleaned["older_than_h"]
    return Selection(
        everything=cleaned["everything"],
        prompt=cleaned["prompt"] or None,
        tag=cleaned["tag"] or None,
        model=cleaned["model"] or None,
        older_than_s=None if hours is None else hours * _HOUR,
        key=cleaned["key"] or None,
        scope=bytes.fromhex(cleaned["scope"]) if cleaned["scope"] else None,
    )


class PurgeView(UnfoldModelAdminViewMixin, FormView[PurgeForm]):
    """Counts first; the same form sent again with `confirmed` deletes."""

    title = "Purge answers"
    permission_required = _PURGE
    template_name = "caching/purge.html"
    form_class = PurgeForm
    model_admin: CacheEntryAdmin

    def form_valid(self, form: PurgeForm) -> HttpResponse:
        tenant, confirmed = form.cleaned_data["tenant"], self.request.POST.get("confirmed") == "yes"
        try:
            purged = purge(tenant.pk, form.cleaned_data["selection"], dry_run=not confirmed)
        except CacheUnavailable:
            form.add_error(
                None, "The cache Redis can't be asked; what is in Postgres is done. Please try again."
            )
            return self.form_invalid(form)
        if not confirmed:
            return self.render_to_response(self.get_context_data(form=form, counted=purged))
        self._log(tenant, form, purged)
        messages.success(
            self.request, f"{_in_words(purged)} deleted; every process knows it within a second."
        )
        return redirect("admin:caching_cacheentry_purge")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            **{"list_address": reverse("admin:caching_cacheentry_changelist"), "counted": None, **kwargs}
        )

    def _log(self, tenant: Tenant, form: PurgeForm, purged: Purged) -> None:
        asked = {
            name: value
            for name, value in form.cleaned_data.items()
            # A prompt's pattern may hold what is to be forgotten.
            if value and name not in ("tenant", "selection", "prompt")
        }
        self.model_admin.log_change(self.request, tenant, f"Purged its answers: {asked} {asdict(purged)}")


def _in_words(purged: Purged) -> str:
    return f"{purged.entries} entries ({purged.pinned} pinned) and {purged.exact} exact answers"
