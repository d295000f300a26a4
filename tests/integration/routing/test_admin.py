"""Ops staff's pages, asked for and posted to through Django's client."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from routing.models import Model, Provider, ProviderKey, RoutingRule
from routing.secrets import open_sealed
from routing.seeding import seed_demo
from tenants.models import Tenant, User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_redis")]

SECRET = "sk-canary-7d1f0c2b4a"


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("ops@example.org", "x"))
    return client


@pytest.fixture
def demo() -> Provider:
    seed_demo("http://127.0.0.1:9999/v1")
    return Provider.objects.get(slug="demo")


def provider_form(provider: Provider | None, **changes: Any) -> dict[str, Any]:
    keys = list(provider.keys.all()) if provider else []
    fields = {
        "slug": "demo",
        "name": "Demo",
        "kind": "openai",
        "base_url": "http://127.0.0.1:9999/v1",
        "is_active": "on",
        "keys-TOTAL_FORMS": len(keys),
        "keys-INITIAL_FORMS": len(keys),
        "models-TOTAL_FORMS": 0,
        "models-INITIAL_FORMS": 0,
    }
    for number, key in enumerate(keys):
        fields |= {
            f"keys-{number}-id": key.pk,
            f"keys-{number}-provider": provider.pk if provider else "",
            f"keys-{number}-label": key.label,
            f"keys-{number}-weight": key.weight,
            f"keys-{number}-is_active": "on",
        }
    return fields | changes


def test_every_page_can_be_opened(staff: Client, demo: Provider) -> None:
    for model, pk in (
        ("provider", demo.pk),
        ("model", Model.objects.first().pk),  # type: ignore[union-attr]
        ("routingrule", RoutingRule.objects.first().pk),  # type: ignore[union-attr]
    ):
        for page in (
            reverse(f"admin:routing_{model}_changelist"),
            reverse(f"admin:routing_{model}_changelist") + "?q=small",
            reverse(f"admin:routing_{model}_add"),
            reverse(f"admin:routing_{model}_change", args=[pk]),
            reverse(f"admin:routing_{model}_history", args=[pk]),
        ):
            assert staff.get(page).status_code == 200, page


def test_lists_show_current_prices_and_where_rules_lead(staff: Client, demo: Provider) -> None:
    models = staff.get(reverse("admin:routing_model_changelist")).content.decode()
    assert "0.15" in models
    assert "10.00" in models
    rules = staff.get(reverse("admin:routing_routingrule_changelist")).content.decode()
    assert "demo/small-1" in rules
    assert "below 0.5" in rules


def test_a_secret_is_stored_sealed_and_never_shown_again(staff: Client) -> None:
    form = provider_form(None) | {
        "keys-TOTAL_FORMS": 1,
        "keys-0-label": "first",
        "keys-0-weight": 1,
        "keys-0-secret": SECRET,
        "keys-0-is_active": "on",
    }
    assert staff.post(reverse("admin:routing_provider_add"), form).status_code == 302
    key = ProviderKey.objects.get()
    opened = open_sealed(bytes(key.ciphertext), provider_id=key.provider_id, uid=str(key.uid))
    assert opened.get_secret_value() == SECRET
    assert key.hint == SECRET[-4:]
    change = reverse("admin:routing_provider_change", args=[key.provider_id])
    history = reverse("admin:routing_provider_history", args=[key.provider_id])
    for page in (change, history, reverse("admin:routing_provider_changelist"), reverse("admin:index")):
        shown = staff.get(page).content.decode()
        assert "canary" not in shown
    assert SECRET[-4:] in staff.get(change).content.decode()
    assert all("canary" not in str(vars(entry)) for entry in LogEntry.objects.all())


def test_saving_without_a_secret_keeps_it_and_a_new_one_replaces_it(staff: Client, demo: Provider) -> None:
    url = reverse("admin:routing_provider_change", args=[demo.pk])
    before = bytes(ProviderKey.objects.get().ciphertext)
    assert staff.post(url, provider_form(demo)).status_code == 302
    assert bytes(ProviderKey.objects.get().ciphertext) == before
    assert staff.post(url, provider_form(demo, **{"keys-0-secret": SECRET})).status_code == 302
    key = ProviderKey.objects.get()
    opened = open_sealed(bytes(key.ciphertext), provider_id=key.provider_id, uid=str(key.uid))
    assert opened.get_secret_value() == SECRET


@pytest.mark.parametrize("secret", ["", "two words", "sk-ünïcode-123456789", "sk-line\nbreak-1234567"])
def test_a_secret_that_no_header_could_carry_is_refused(staff: Client, secret: str) -> None:
    form = provider_form(None) | {
        "keys-TOTAL_FORMS": 1,
        "keys-0-label": "first",
        "keys-0-weight": 1,
        "keys-0-secret": secret,
    }
    assert staff.post(reverse("admin:routing_provider_add"), form).status_code == 200
    assert not Provider.objects.exists()


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/v1", "https://10.0.0.1/v1", "ftp://127.0.0.1/v1", "https://u:p@127.0.0.1/v1"],
)
def test_a_base_url_that_leads_inside_is_refused(staff: Client, url: str) -> None:
    page = staff.post(reverse("admin:routing_provider_add"), provider_form(None, base_url=url))
    assert page.status_code == 200
    assert not Provider.objects.exists()


def rule_form(**changes: Any) -> dict[str, Any]:
    return {
        "name": "rule",
        "priority": 10,
        "model_asked": "auto",
        "min_score": 0,
        "max_score": 1,
        "tags": "",
        "action": "route",
        "is_active": "on",
    } | changes


def test_a_rule_is_saved_for_its_tenant(staff: Client, demo: Provider) -> None:
    tenant = Tenant.objects.create(slug="acme", name="Acme")
    target = Model.objects.get(name="large-1")
    form = rule_form(tenant=tenant.pk, target=target.pk, tags="eu,legal")
    assert staff.post(reverse("admin:routing_routingrule_add"), form).status_code == 302
    rule = RoutingRule.objects.get(name="rule")
    assert (rule.tenant, rule.target, rule.tags) == (tenant, target, ["eu", "legal"])


@pytest.mark.parametrize(
    "changes",
    [
        {"target": ""},
        {"min_score": 0.9, "max_score": 0.1, "action": "deny"},
        {"max_score": 2, "action": "deny"},
        {"model_asked": "small-1", "target": "any"},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(
    staff: Client, demo: Provider, changes: dict[str, Any]
) -> None:
    if changes.get("target") == "any":
        changes = changes | {"target": Model.objects.get(name="large-1").pk}
    assert staff.post(reverse("admin:routing_routingrule_add"), rule_form(**changes)).status_code == 200
    assert not RoutingRule.objects.filter(name="rule").exists()


def test_no_model_can_be_called_auto(staff: Client, demo: Provider) -> None:
    form = {
        "provider": demo.pk,
        "name": "new",
        "upstream_name": "new",
        "tier": "cheap",
        "context_tokens": 1000,
        "aliases": "auto",
        "prices-TOTAL_FORMS": 0,
        "prices-INITIAL_FORMS": 0,
    }
    assert staff.post(reverse("admin:routing_model_add"), form).status_code == 200
    assert not Model.objects.filter(name="new").exists()
