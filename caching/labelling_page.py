"""The page on which staff judge pairs by keyboard."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.text import Truncator
from django.views.generic import TemplateView
from unfold.views import UnfoldModelAdminViewMixin

from caching.answers import BrokenAnswer
from caching.by_hand import answer_of, embed_now
from caching.embedding import EmbeddingUnavailable
from caching.exact import CacheUnavailable
from caching.judged import SERVE
from caching.labelling import Judgement, Label, judge_pair, left_to_judge, put_back, words_of
from caching.models import CacheEntry, JudgedPair, Tombstone
from caching.tombstones import Author, bury_pair
from tenants.models import Tenant, User

_JUDGE, _BURY = "caching.change_judgedpair", "caching.add_tombstone"
#: Judgements that can be taken back, kept in the person's session.
_MOST_BACK = 50
_BACK = "caching.judgements"
_MOST_COUNTED = 1000
_MOST_SHOWN = 2000


class LabellingView(UnfoldModelAdminViewMixin, TemplateView):
    """One pair at a time: does one answer serve both questions? Keys: s, d, u, x, and back."""

    title = "Does one answer serve both?"
    permission_required = _JUDGE
    template_name = "caching/labelling.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        tenant = self._tenant
        left = left_to_judge(tenant.pk if tenant else None)
        pair = self._again() or left.select_related("tenant").first()
        shown = {"pair": pair, **(_sides(pair) if pair else {})}
        return super().get_context_data(
            **shown,
            left=left.order_by()[: _MOST_COUNTED + 1].count(),
            most_counted=_MOST_COUNTED,
            last=self._just_judged(),
            may_go_back=bool(self.request.session.get(_BACK)),
            tenant=tenant,
            tenants=Tenant.objects.order_by("slug"),
            list_address=reverse("admin:caching_judgedpair_changelist"),
            **kwargs,
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        do, pair_id = request.POST.get("do", ""), _uuid(request.POST.get("pair", ""))
        if do == "back":
            return self._back()
        if pair_id is None or do not in (*get_args(Label), "bury"):
            return HttpResponseBadRequest("There is no such step.", content_type="text/plain")
        return self._bury(pair_id) if do == "bury" else self._judge(pair_id, do)

    def _judge(self, pair_id: UUID, label: Any) -> HttpResponse:
        before = judge_pair(pair_id, label, by=self._person.email)
        if before is None:
            messages.error(self.request, "That pair is gone.")
            return self._next()
        steps = [*self.request.session.get(_BACK, []), _as_json(before)]
        self.request.session[_BACK] = steps[-_MOST_BACK:]
        return self._next(judged=str(pair_id))

    def _back(self) -> HttpResponse:
        steps = self.request.session.get(_BACK, [])
        if not steps:
            return self._next()
        before = _from_json(steps[-1])
        self.request.session[_BACK] = steps[:-1]
        put_back(before)
        return self._next(pair=str(before.pair))

    def _bury(self, pair_id: UUID) -> HttpResponse:
        pair = _buriable(pair_id)
        if pair is None or not self._person.has_perm(_BURY):
            messages.error(self.request, "There is nothing to take out.")
            return self._next()
        author = Author(name=self._person.email, is_staff=True)
        try:
            (vector,) = embed_now(pair.tenant_id, [pair.question])
            bury_pair(pair, vector, author=author)
            messages.success(
                self.request, "Taken out: that answer serves no question near this one any more."
            )
        except EmbeddingUnavailable as error:
            messages.error(
                self.request, f"The question could not be embedded ({error.reason}). Please try again."
            )
        except CacheUnavailable:
            messages.error(
                self.request, "Taken out of L2, but the cache Redis can't be asked. Please try again."
            )
        return self._next()

    def _next(self, **query: str) -> HttpResponse:
        """Go to the next pair, within the same tenant if one was chosen."""
        tenant = self.request.GET.get("tenant", "")
        query |= {"tenant": tenant} if tenant else {}
        address = reverse("admin:caching_judgedpair_judge")
        return redirect(f"{address}?{urlencode(query)}" if query else address)

    def _again(self) -> JudgedPair | None:
        """Return the pair whose judgement was taken back."""
        pair_id = _uuid(self.request.GET.get("pair", ""))
        return _with_texts().filter(id=pair_id).select_related("tenant").first() if pair_id else None

    def _just_judged(self) -> JudgedPair | None:
        """Return the last pair if its answer may be taken out: it was served, and wrongly."""
        pair_id = _uuid(self.request.GET.get("judged", ""))
        return _buriable(pair_id) if pair_id and self._person.has_perm(_BURY) else None

    @property
    def _tenant(self) -> Tenant | None:
        return Tenant.objects.filter(slug=self.request.GET.get("tenant", "")).first()

    @property
    def _person(self) -> User:
        assert isinstance(self.request.user, User)
        return self.request.user


def _with_texts() -> QuerySet[JudgedPair]:
    return JudgedPair.objects.exclude(question="").exclude(stored_question="")


def _buriable(pair_id: UUID) -> JudgedPair | None:
    """Return a pair that was served and judged different, whose entry is there without a tombstone of it."""
    pair = _with_texts().filter(id=pair_id, verdict=SERVE, label=JudgedPair.Label.DIFFERENT).first()
    if pair is None:
        return None
    entry = CacheEntry.objects.filter(tenant_id=pair.tenant_id, id=pair.entry)
    buried = Tombstone.objects.filter(tenant_id=pair.tenant_id, request_id=pair.request_id)
    return pair if entry.exists() and not buried.exists() else None


def _sides(pair: JudgedPair) -> dict[str, Any]:
    entry = CacheEntry.objects.filter(tenant_id=pair.tenant_id, id=pair.entry).first()
    return {
        "asked": words_of(pair.question, pair.stored_question),
        "stored": words_of(pair.stored_question, pair.question),
        "answer": Truncator(_answer(entry)).chars(_MOST_SHOWN) if entry else "",
    }


def _answer(entry: CacheEntry) -> str:
    try:
        return answer_of(entry).text
    except BrokenAnswer:
        return ""


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _as_json(before: Judgement) -> dict[str, str | None]:
    at = before.judged_at
    return asdict(before) | {"pair": str(before.pair), "judged_at": at.isoformat() if at else None}


def _from_json(step: dict[str, Any]) -> Judgement:
    at = step["judged_at"]
    return Judgement(
        **step | {"pair": UUID(step["pair"]), "judged_at": datetime.fromisoformat(at) if at else None}
    )
