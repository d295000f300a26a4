"""Ops staff's pages of judged pairs and floor changes, to be read; pairs are judged on a page of their own."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.text import Truncator
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from caching.labelling_page import LabellingView
from caching.models import FloorChange, JudgedPair
from caching.tuning import forget_tuning


class _ReadOnly(ModelAdmin):
    show_full_result_count = False
    list_select_related = ("tenant",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(JudgedPair)
class JudgedPairAdmin(_ReadOnly):
    list_display = (
        "created_at",
        "tenant",
        "origin",
        "verdict",
        "label",
        "method",
        "similarity_shown",
        "excerpt",
    )
    list_filter = ("origin", "label", "method", "verdict", "tenant")
    search_fields = ("question", "stored_question")
    exclude = ("scope",)
    actions_list = ("open_labelling",)  # type: ignore[assignment]  # unfold declares an empty tuple

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(LabellingView.as_view(model_admin=self))
        return [path("judge/", view, name="caching_judgedpair_judge"), *super().get_urls()]

    def has_judge_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("caching.change_judgedpair"))

    @action(  # type: ignore[operator]  # unfold's Action has no __call__ for checkers
        description="Judge by keyboard", url_path="open-labelling", permissions=["judge"]
    )
    def open_labelling(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:caching_judgedpair_judge")

    @display(description="similarity", ordering="similarity")
    def similarity_shown(self, pair: JudgedPair) -> str:
        return f"{pair.similarity:.3f}"

    @display(description="question")
    def excerpt(self, pair: JudgedPair) -> str:
        return Truncator(pair.question).chars(60) if pair.question else "(forgotten)"


@admin.register(FloorChange)
class FloorChangeAdmin(_ReadOnly):
    list_display = ("created_at", "tenant", "before", "after", "audited", "wrong", "reason")
    list_filter = ("tenant",)
    actions = ("forget",)

    def has_forget_permission(self, request: HttpRequest) -> bool:
        """Whoever may not change policies is not offered the action."""
        return bool(request.user.has_perm("caching.change_cachepolicy"))

    @admin.action(description="Return to the staff's floor (these tenants)", permissions=("forget",))
    def forget(self, request: HttpRequest, queryset: QuerySet[FloorChange]) -> None:
        tenants = set(queryset.order_by().values_list("tenant_id", flat=True).distinct())
        changes: list[Any] = [forget_tuning(tenant, by=request.user.get_username()) for tenant in tenants]
        count = sum(change is not None for change in changes)
        messages.success(request, f"{count} tenants are back at the floor that staff set.")
