"""The ops pages of tenants and keys."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.forms import BaseForm
from django.test import Client
from django.urls import reverse

from tenants.key_format import digest_of
from tenants.models import ApiKey, Membership, User
from tenants.services import key_issue, tenant_create

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_redis")]

KEY = re.compile(r"hp_[a-z0-9]{10}_[0-9A-Za-z]{38}")


@pytest.fixture
def ops(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("ops@example.com", "pw"))
    return client


def posted(form: BaseForm) -> dict[str, Any]:
    """Return what a browser would send of an untouched form."""
    values = {field.html_name: field.value() for field in form}
    return {name: value for name, value in values.items() if value is not None and value is not False}


@pytest.mark.parametrize("model", [model._meta.label_lower for model in admin.site._registry])
def test_every_list_and_form_of_the_admin_opens(ops: Client, model: str) -> None:
    app, name = model.split(".")
    assert ops.get(reverse(f"admin:{app}_{name}_changelist")).status_code == 200
    assert ops.get(reverse(f"admin:{app}_{name}_add")).status_code in (200, 403)


def test_the_side_bar_leads_to_every_list(ops: Client) -> None:
    page = ops.get(reverse("admin:index")).content.decode()
    for model in admin.site._registry:
        assert reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") in page
    assert reverse("admin:analytics_cost_report") in page


def test_a_new_keys_plaintext_is_shown_once(ops: Client) -> None:
    tenant = tenant_create("alice")
    body = {"tenant": tenant.pk, "label": "first", "scopes": ["chat"], "allowed_models": ""}
    page = ops.post(reverse("admin:tenants_apikey_add"), body, follow=True).content.decode()
    plaintext = KEY.search(page)
    assert plaintext is not None
    key = ApiKey.objects.get()
    assert key.digest == digest_of(plaintext.group())
    for address in (reverse("admin:tenants_apikey_changelist"), f"/admin/tenants/apikey/{key.pk}/change/"):
        again = ops.get(address).content.decode()
        assert not KEY.search(again)
        assert key.digest not in again


def test_a_key_added_in_the_tenants_form_is_shown_too(ops: Client) -> None:
    tenant = tenant_create("alice")
    page = ops.get(reverse("admin:tenants_tenant_change", args=[tenant.pk]))
    body = posted(page.context["adminform"].form)
    for inline in page.context["inline_admin_formsets"]:
        body |= posted(inline.formset.management_form)
        for form in inline.formset.forms:
            body |= posted(form)
    body |= {
        "api_keys-TOTAL_FORMS": 1,
        "api_keys-0-label": "second",
        "api_keys-0-scopes": ["chat"],
        "api_keys-0-tenant": tenant.pk,
    }
    shown = ops.post(reverse("admin:tenants_tenant_change", args=[tenant.pk]), body, follow=True)
    assert KEY.search(shown.content.decode()), shown.context and shown.context.get("errors")
    assert ApiKey.objects.get().label == "second"


def test_keys_are_revoked_by_an_action(ops: Client) -> None:
    key = key_issue(tenant_create("alice"), label="first").row
    address = reverse("admin:tenants_apikey_changelist")
    ops.post(address, {"action": "revoke", "_selected_action": [key.pk]})
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_neither_tenants_nor_keys_can_be_deleted(ops: Client) -> None:
    key = key_issue(tenant_create("alice"), label="first").row
    assert ops.get(reverse("admin:tenants_apikey_delete", args=[key.pk])).status_code == 403
    assert ops.get(reverse("admin:tenants_tenant_delete", args=[key.tenant_id])).status_code == 403


def test_a_tenants_member_may_not_enter_the_admin(client: Client) -> None:
    member = User.objects.create_user("bob@example.com", "pw")
    Membership.objects.create(user=member, tenant=tenant_create("alice"), role="admin")
    client.force_login(member)
    assert client.get(reverse("admin:tenants_tenant_changelist")).status_code == 302


def test_search_finds_a_tenant_and_its_keys(ops: Client) -> None:
    key_issue(tenant_create("alice"), label="billing robot")
    tenant_create("charlie")
    found = ops.get(reverse("admin:tenants_apikey_changelist"), {"q": "robot"}).content.decode()
    assert "billing robot" in found
    tenants = ops.get(reverse("admin:tenants_tenant_changelist"), {"q": "char"}).content.decode()
    assert "charlie" in tenants
    assert ">alice<" not in tenants


@pytest.mark.usefixtures("one_window")
def test_guesses_of_a_password_are_limited(client: Client) -> None:
    User.objects.create_superuser("ops@example.com", "pw")
    body = {"username": "ops@example.com", "password": "wrong"}
    statuses = [client.post("/admin/login/", body).status_code for _ in range(12)]
    assert statuses[0] == 200
    assert statuses[-1] == 429


@pytest.fixture
def clerk(client: Client) -> Client:
    """Somebody of the ops staff who may change users, and is no superuser."""
    user = User.objects.create_user("clerk@example.com", "pw", is_staff=True)
    rights = ("view_user", "add_user", "change_user", "delete_user")
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client.force_login(user)
    return client


def test_staff_cannot_give_rights_to_themselves(clerk: Client) -> None:
    me = User.objects.get(email="clerk@example.com")
    body = {"email": me.email, "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    clerk.post(reverse("admin:tenants_user_change", args=[me.pk]), body)
    me.refresh_from_db()
    assert not me.is_superuser


@pytest.mark.parametrize("page", ["tenants_user_change", "auth_user_password_change", "tenants_user_delete"])
def test_staff_cannot_take_over_a_superuser(clerk: Client, page: str) -> None:
    chief = User.objects.create_superuser("chief@example.com", "pw")
    body = {
        "email": "mine@example.com",
        "password1": "longer-pw-1",
        "password2": "longer-pw-1",
        "post": "yes",
    }
    assert clerk.post(reverse(f"admin:{page}", args=[chief.pk]), body).status_code == 403


def test_staff_still_change_other_users(clerk: Client) -> None:
    bob = User.objects.create_user("bob@example.com", "pw")
    body = {"email": bob.email, "name": "Bob", "is_active": "on"}
    assert clerk.post(reverse("admin:tenants_user_change", args=[bob.pk]), body).status_code == 302
    bob.refresh_from_db()
    assert bob.name == "Bob"
