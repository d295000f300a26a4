from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import path, reverse
from django.utils import timezone

from caching.models import CachePolicy, FloorChange, JudgedPair
from tenants.models import Tenant, User
from tests.integration.caching.test_tuning import judge

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls(__name__),
    pytest.mark.usefixtures("state_redis"),
]

urlpatterns = [path("admin/", admin.site.urls)]


@pytest.fixture
def alice() -> Tenant:
    tenant = Tenant.objects.create(slug="alice", name="Alice")
    judge(tenant, 1, "different", question="Which office?", stored_question="What office?")
    FloorChange.objects.create(tenant=tenant, before=0.85, after=0.9, audited=40, wrong=9, reason="over")
    CachePolicy.objects.filter(tenant=tenant).update(tuned_floor=0.9)
    return tenant


def signed_in(**rights: Any) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("ops@example.com", is_staff=True, **rights))
    return client


def test_judged_pairs_and_changes_are_shown_and_cannot_be_changed(alice: Tenant) -> None:
    ops = signed_in(is_superuser=True)
    shown = ops.get(reverse("admin:caching_judgedpair_changelist") + "?label=different").content.decode()
    assert "Which office?" in shown
    pair = JudgedPair.objects.get()
    assert ops.get(reverse("admin:caching_judgedpair_change", args=[pair.pk])).status_code == 200
    assert ops.post(reverse("admin:caching_judgedpair_change", args=[pair.pk]), {}).status_code == 403
    assert ops.get(reverse("admin:caching_judgedpair_add")).status_code == 403
    assert "over" in ops.get(reverse("admin:caching_floorchange_changelist")).content.decode()


def test_forgotten_texts_are_said_to_be(alice: Tenant) -> None:
    JudgedPair.objects.update(question="", stored_question="", texts_until=timezone.now())
    ops = signed_in(is_superuser=True)
    assert "(forgotten)" in ops.get(reverse("admin:caching_judgedpair_changelist")).content.decode()


def test_an_outsider_sees_nothing(alice: Tenant) -> None:
    client = signed_in()
    for page in ("caching_judgedpair_changelist", "caching_floorchange_changelist"):
        assert client.get(reverse(f"admin:{page}")).status_code == 403


def test_whoever_may_change_policies_may_return_to_the_staffs_floor(alice: Tenant) -> None:
    change = {"action": "forget", "_selected_action": [FloorChange.objects.get().pk]}
    reader = signed_in()
    reader_user = User.objects.get()
    reader_user.user_permissions.add(Permission.objects.get(codename="view_floorchange"))
    reader.post(reverse("admin:caching_floorchange_changelist"), change)
    assert CachePolicy.objects.get(tenant=alice).tuned_floor == 0.9
    reader_user.user_permissions.add(Permission.objects.get(codename="change_cachepolicy"))
    reader.post(reverse("admin:caching_floorchange_changelist"), change)
    assert CachePolicy.objects.get(tenant=alice).tuned_floor is None
