"""The page on which staff judge pairs."""

from typing import Any
from uuid import uuid4

import pytest
import redis
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import path, reverse
from django.utils import timezone

from caching.models import JudgedPair, Tombstone
from tenants.models import Tenant, User
from tests.caching_values import EMBEDDER, answer, direction
from tests.integration.caching.test_entry_pages import keep

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls(__name__),
    pytest.mark.usefixtures("state_redis"),
]

urlpatterns = [path("admin/", admin.site.urls)]


def signed_in(*rights: str) -> Client:
    user = User.objects.create_user(f"{'-'.join(rights) or 'nobody'}@example.com", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def ops() -> Client:
    return signed_in("change_judgedpair", "view_judgedpair", "add_tombstone")


@pytest.fixture
def alice(cache_redis: "redis.Redis") -> Tenant:
    return Tenant.objects.create(slug="alice", name="Alice")


def pair(tenant: Tenant, question: str, **fields: Any) -> JudgedPair:
    columns: dict[str, Any] = {
        "tenant": tenant,
        "origin": "audit",
        "request_id": uuid4(),
        "entry": uuid4(),
        "scope": b"s" * 32,
        "embedder_id": EMBEDDER,
        "question": question,
        "stored_question": "What is the capital of France?",
        "similarity": 0.95,
        "floor": 0.85,
        "mode": "strict",
        "verdict": "serve",
        "label": "unsure",
        "method": "embedding",
        "texts_until": timezone.now(),
    }
    return JudgedPair.objects.create(**columns | fields)


def page_of(query: str = "") -> str:
    return reverse("admin:caching_judgedpair_judge") + query


def shown(client: Client, query: str = "") -> str:
    response = client.get(page_of(query))
    assert response.status_code == 200
    return response.content.decode()


def do(client: Client, what: str, about: JudgedPair | None = None, query: str = "") -> str:
    """Press a button; return the page that comes then."""
    form = {"do": what, **({"pair": str(about.pk)} if about else {})}
    return client.post(page_of(query), form, follow=True).content.decode()


def test_pairs_nearest_to_the_limit_come_first_and_told_ones_not_at_all(ops: Client, alice: Tenant) -> None:
    pair(alice, "far", verifier_score=0.1)
    near = pair(alice, "near", verifier_score=0.83)
    pair(alice, "by similarity", similarity=0.95, verifier_score=None)
    pair(alice, "told", label="same", method="judge", verifier_score=0.83)
    pair(alice, "", stored_question="", verifier_score=0.83)
    assert f'data-pair="{near.pk}"' in shown(ops)
    assert 'data-left="3"' in shown(ops)
    seen = [do(ops, "unsure", JudgedPair.objects.get(question=each)) for each in ("near", "by similarity")]
    assert "similarity" in seen[0]
    assert "far" in seen[1]
    assert "Nothing is left" in do(ops, "unsure", JudgedPair.objects.get(question="far"))


def test_a_judgement_is_written_with_its_author_and_taken_back(ops: Client, alice: Tenant) -> None:
    judged = pair(alice, "first")
    do(ops, "same", judged)
    told = JudgedPair.objects.get()
    assert (told.label, told.method, told.judged_at is None) == ("same", "staff", False)
    assert told.judged_by.startswith("change_judgedpair")
    assert f'data-pair="{judged.pk}"' in do(ops, "back")
    untold = JudgedPair.objects.get()
    assert (untold.label, untold.method, untold.judged_by) == ("unsure", "embedding", "")
    assert untold.judged_at is None
    assert f'data-pair="{judged.pk}"' in do(ops, "back")


def test_words_that_differ_are_marked_and_texts_are_escaped(ops: Client, alice: Tenant) -> None:
    pair(alice, "What is the <script>alert(1)</script> capital of Spain?")
    page = shown(ops)
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;</mark>" in page
    assert "Spain?</mark>" in page
    assert "capital</mark>" not in page


def test_one_tenants_pairs_can_be_chosen(ops: Client, alice: Tenant) -> None:
    charlie = Tenant.objects.create(slug="charlie")
    pair(alice, "alice's", similarity=0.851)
    theirs = pair(charlie, "charlie's", similarity=0.99)
    assert f'data-pair="{theirs.pk}"' in shown(ops, "?tenant=charlie")
    assert "Nothing is left" in do(ops, "same", theirs, "?tenant=charlie")


def test_a_served_pair_that_is_different_can_be_taken_out(
    ops: Client, alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caching.labelling_page.embed_now", lambda *_: [direction(1.0, 0.3)])
    entry = keep(alice, answer())
    wrong = pair(alice, "And of Texas?", entry=entry.id)
    assert 'value="bury"' in do(ops, "different", wrong)
    assert "Taken out" in do(ops, "bury", wrong)
    tombstone = Tombstone.objects.get()
    assert (tombstone.entry, tombstone.request_id) == (entry.id, wrong.request_id)
    assert tombstone.created_by == wrong.judged_by or tombstone.created_by.endswith("@example.com")
    assert 'value="bury"' not in shown(ops, f"?judged={wrong.pk}")


@pytest.mark.parametrize("fields", [{"verdict": "numbers"}, {"entry": uuid4()}, {"label": "same"}])
def test_there_is_nothing_to_take_out_of_what_was_not_served_or_is_gone(
    ops: Client, alice: Tenant, fields: dict[str, Any]
) -> None:
    entry = keep(alice, answer())
    told = pair(alice, "asked", **{"entry": entry.id, "label": "different", **fields})
    assert 'value="bury"' not in shown(ops, f"?judged={told.pk}")
    assert "nothing to take out" in do(ops, "bury", told)
    assert not Tombstone.objects.exists()


def test_who_may_not_set_tombstones_is_not_offered_any(alice: Tenant) -> None:
    judge = signed_in("change_judgedpair")
    wrong = pair(alice, "asked", entry=keep(alice, answer()).id)
    assert 'value="bury"' not in do(judge, "different", wrong)
    do(judge, "bury", wrong)
    assert not Tombstone.objects.exists()


def test_who_may_only_look_judges_nothing(alice: Tenant) -> None:
    viewer, asked = signed_in("view_judgedpair"), pair(alice, "asked")
    assert viewer.get(page_of()).status_code == 403
    assert viewer.post(page_of(), {"do": "same", "pair": str(asked.pk)}).status_code == 403
    assert JudgedPair.objects.get().label == "unsure"


@pytest.mark.parametrize(
    "form", [{}, {"do": "same"}, {"do": "same", "pair": "x"}, {"do": "burn", "pair": ""}]
)
def test_an_unknown_step_is_refused(ops: Client, form: dict[str, str]) -> None:
    assert ops.post(page_of(), form).status_code == 400


def test_a_pair_that_is_gone_is_said_to_be(ops: Client, alice: Tenant) -> None:
    gone = pair(alice, "asked")
    JudgedPair.objects.all().delete()
    assert "is gone" in do(ops, "same", gone)


def test_other_sites_cannot_judge(alice: Tenant) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root@example.com"))
    asked = pair(alice, "asked")
    assert client.post(page_of(), {"do": "same", "pair": str(asked.pk)}).status_code == 403
