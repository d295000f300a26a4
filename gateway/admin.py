"""Ops staff's pages on which a tenant's semantic cache is trusted with more or less, on evidence.

They join what the caches judged with what is on record, hence they stand here and not in caching.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST
from django.views.generic import TemplateView
from unfold.decorators import action
from unfold.views import UnfoldModelAdminViewMixin

from analytics.stats import usd
from caching.admin import CachePolicyAdmin
from caching.embedder import current_embedder_id
from caching.evidence import WINDOW, Evidence, Share, evidence_of
from caching.models import CachePolicy, CacheSwitch
from caching.modes import MoveRefused, Standing, allow, move, standing_of, step_from
from gateway.admin_records import JudgedRecordAdmin
from gateway.replay import Replayed
from gateway.replaying import FLOORS, MOST_DECISIONS, Calibration, Past, calibration, past_of, trials_of

__all__ = ["JudgedRecordAdmin", "TrustedPolicyAdmin"]

_VIEW, _CHANGE = "caching.view_cachepolicy", "caching.change_cachepolicy"
_MOST_DAYS = 90


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownShare:
    """A share of checked hits in words."""

    title: str
    told: str
    judged: int
    wrong: int
    unsure: int

    @classmethod
    def of(cls, title: str, share: Share) -> "ShownShare":
        return cls(
            title=title,
            told=_percent(share.wrong_share, share.interval.low, share.interval.high),
            judged=share.judged,
            wrong=share.wrong,
            unsure=share.unsure,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownReplay:
    """One row of a replay in words."""

    replayed: Replayed
    is_now: bool

    @property
    def hits(self) -> str:
        share = self.replayed.hits / self.replayed.decisions if self.replayed.decisions else 0.0
        unknown = f", {self.replayed.unknown} unknown" if self.replayed.unknown else ""
        return f"{self.replayed.hits} ({share:.1%}{unknown})"

    @property
    def expected(self) -> str:
        hits = self.replayed.hits
        return f"{self.replayed.expected_wrong / hits:.1%}" if hits else "-"

    @property
    def judged(self) -> str:
        found = self.replayed
        if not found.judged:
            return "none checked"
        return (
            f"{_percent(found.wrong_share, found.interval.low, found.interval.high)} "
            f"({found.judged_wrong} of {found.judged})"
        )

    @property
    def saved_usd(self) -> str:
        return usd(self.replayed.saved_nano)


def _percent(share: float | None, low: float, high: float) -> str:
    if share is None and (low, high) == (0.0, 1.0):
        return "unknown"
    told = "unknown" if share is None else f"{share:.1%}"
    return f"{told}, 95 % interval {low:.1%} to {high:.1%}"


admin.site.unregister(CachePolicy)


@admin.register(CachePolicy)
class TrustedPolicyAdmin(CachePolicyAdmin):
    """The policy's page with its evidence beside it."""

    actions_detail = ("open_trust", "open_replay")  # type: ignore[assignment]  # unfold declares an empty tuple

    def get_urls(self) -> list[URLPattern]:
        pages: tuple[tuple[str, type[PolicyView]], ...] = (
            ("trust", TrustView),
            ("mode", ModeView),
            ("switch", SwitchView),
            ("replay", ReplayView),
        )
        own = [
            path(
                f"<int:policy_id>/{name}/",
                self.admin_site.admin_view(view.as_view(model_admin=self)),
                name=f"caching_cachepolicy_{name}",
            )
            for name, view in pages
        ]
        return [*own, *super().get_urls()]

    @action(  # type: ignore[operator]  # unfold's Action has no __call__ for checkers
        description="Mode and evidence", url_path="open-trust", permissions=["view"]
    )
    def open_trust(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("admin:caching_cachepolicy_trust", object_id)

    @action(  # type: ignore[operator]
        description="Try another policy", url_path="open-replay", permissions=["view"]
    )
    def open_replay(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("admin:caching_cachepolicy_replay", object_id)


class PolicyView(UnfoldModelAdminViewMixin, TemplateView):
    """A page about one tenant's policy."""

    permission_required = _VIEW
    model_admin: TrustedPolicyAdmin

    @property
    def policy(self) -> CachePolicy:
        return get_object_or_404(CachePolicy.objects.select_related("tenant"), pk=self.kwargs["policy_id"])

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = self.request.user
        return super().get_context_data(**{"may_change": user.has_perm(_CHANGE), **kwargs})


class TrustView(PolicyView):
    """The mode, what is known of its hits, and the buttons that change it."""

    title = "Mode and evidence of the semantic cache"
    template_name = "gateway/policy_trust.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        policy, since = self.policy, timezone.now() - WINDOW
        return super().get_context_data(
            policy=policy,
            switch=CacheSwitch.objects.first(),
            up=step_from(policy.semantic_mode, "up"),
            down=step_from(policy.semantic_mode, "down"),
            **_known(policy, since),
            **kwargs,
        )


class ModeView(PolicyView):
    """One step up or down the ladder: GET shows what it rests on, POST takes it."""

    title = "Change the mode of the semantic cache"
    permission_required = _CHANGE
    template_name = "gateway/policy_mode.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        policy, to = self.policy, request.GET.get("to", "")
        if to not in _steps(policy):
            return HttpResponseBadRequest("There is no such step.", content_type="text/plain")
        known = _known(policy, timezone.now() - WINDOW)
        is_up = to == step_from(policy.semantic_mode, "up")
        return self.render_to_response(self.get_context_data(policy=policy, to=to, is_up=is_up, **known))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        before, to = request.POST.get("before", ""), request.POST.get("to", "")
        known = _known(self.policy, timezone.now() - WINDOW)
        try:
            policy = move(
                self.kwargs["policy_id"], before=before, to=to, calibrated=known["calibration"] is not None
            )
        except (MoveRefused, ValueError) as error:
            messages.error(request, str(error))
        else:
            self.model_admin.log_change(
                request, policy, f"Semantic mode from {before} to {to}. {_in_words(known['evidence'])}"
            )
            messages.success(request, f"{policy.tenant} is {to} now; every process knows it within a second.")
        return redirect("admin:caching_cachepolicy_trust", self.kwargs["policy_id"])


@method_decorator(require_POST, name="dispatch")
class SwitchView(PolicyView):
    """The tenant's kill switch."""

    title = "Kill switch"
    permission_required = _CHANGE

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        allowed = request.POST.get("allowed") == "yes"
        policy = allow(self.policy.pk, allowed=allowed)
        told = "allowed again" if allowed else "stopped by the kill switch"
        self.model_admin.log_change(request, policy, f"Semantic cache {told}.")
        messages.success(request, f"The semantic cache of {policy.tenant} is {told}, within a second.")
        return redirect("admin:caching_cachepolicy_trust", policy.pk)


class ReplayView(PolicyView):
    """What another mode or floor would have done with the tenant's recorded decisions."""

    title = "Try another policy on the tenant's own records"
    template_name = "gateway/policy_replay.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        policy, calibrated = self.policy, calibration()
        days, floor, problem = _asked(self.request)
        shown: dict[str, Any] = {"rows": [], "past": None}
        if calibrated and not problem:
            past = past_of(policy.tenant_id, timezone.now() - timedelta(days=days))
            in_effect = policy.floor_in_effect
            floors = (*FLOORS, in_effect, *([floor] if floor is not None else []))
            replays = [past.under(trial) for trial in trials_of(calibrated, floors)]
            shown = {"rows": [_shown(each, policy) for each in replays], "past": past}
        return super().get_context_data(
            **shown,
            policy=policy,
            calibration=calibrated,
            problem=problem,
            days=days,
            floor="" if floor is None else floor,
            most=MOST_DECISIONS,
            **kwargs,
        )


def _steps(policy: CachePolicy) -> list[str]:
    steps = (step_from(policy.semantic_mode, "up"), step_from(policy.semantic_mode, "down"))
    return [step for step in steps if step is not None]


def _known(policy: CachePolicy, since: datetime) -> dict[str, Any]:
    """Return what a step up or down can rest on."""
    evidence, calibrated = evidence_of(policy.tenant_id, since=since), calibration()
    past = past_of(policy.tenant_id, since)
    return {
        "since": since,
        "evidence": evidence,
        "shares": _shares(evidence),
        "calibration": calibrated,
        "embedder": current_embedder_id(),
        "standing": _standing(policy, evidence),
        "would_be": sum(
            not each.served and any(step.verdict == "serve" for step in each.candidates)
            for each in past.decisions
        ),
        "decisions": len(past.decisions),
        "replays": _replays(policy, past, calibrated),
    }


def _shares(evidence: Evidence) -> list[ShownShare]:
    return [
        ShownShare.of("Served hits, asked upstream again (audits)", evidence.served),
        ShownShare.of("Would-be hits, compared with upstream's own answer (shadow)", evidence.would_be),
        ShownShare.of(
            "Refused neighbours (near misses): wrong ones were refused rightly", evidence.near_misses
        ),
    ]


def _standing(policy: CachePolicy, evidence: Evidence) -> Standing:
    """Return what the hits of the mode of now show; shadow's would-be hits are those of strict."""
    share = evidence.would_be if policy.semantic_mode in ("shadow", "off") else evidence.served
    return standing_of(share.judged, share.wrong, policy.target_wrong_share)


def _replays(policy: CachePolicy, past: Past, calibrated: Calibration | None) -> list[ShownReplay]:
    if calibrated is None:
        return []
    floors = tuple(policy.floor_under(mode) for mode in ("strict", "balanced"))
    trials = [each for each in trials_of(calibrated, floors) if each.floor == policy.floor_under(each.mode)]
    return [_shown(past.under(trial), policy) for trial in trials]


def _shown(replayed: Replayed, policy: CachePolicy) -> ShownReplay:
    trial = replayed.trial
    return ShownReplay(
        replayed=replayed, is_now=(trial.mode, trial.floor) == (policy.semantic_mode, policy.floor_in_effect)
    )


def _in_words(evidence: Evidence) -> str:
    shares = "; ".join(f"{each.title}: {each.wrong} wrong of {each.judged}" for each in _shares(evidence))
    return f"Known then: {shares}."


def _asked(request: HttpRequest) -> tuple[int, float | None, str]:
    """Return days and floor of the query, and what is wrong with it."""
    try:
        days = int(request.GET.get("days") or WINDOW.days)
        floor = float(request.GET["floor"]) if request.GET.get("floor") else None
    except ValueError:
        return WINDOW.days, None, "Days and floor are numbers."
    if not 1 <= days <= _MOST_DAYS or not (floor is None or 0.5 <= floor <= 1.0):
        return WINDOW.days, None, f"Days are 1 to {_MOST_DAYS}, a floor is 0.5 to 1."
    return days, floor, ""
