"""Ops staff's pages, asked for and posted to through Django's client."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from pydantic import TypeAdapter

from routing.health import Reason, Rest, key_name
from routing.models import Model, Provider, ProviderKey, RoutingRule
from routing.secrets import open_sealed
from routing.seeding import seed_demo
from routing.selectors import sealed
from routing.services import provider_key_set
from routing.shared_health import RESTS
from tenants.models import Tenant, User
from tests.demo_upstream import free_port

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


def test_a_keys_own_pages_can_be_opened_and_it_is_added_on_its_providers(
    staff: Client, demo: Provider
) -> None:
    key = ProviderKey.objects.get()
    for page in (
        reverse("admin:routing_providerkey_changelist") + "?q=environment",
        reverse("admin:routing_providerkey_change", args=[key.pk]),
        reverse("admin:routing_providerkey_history", args=[key.pk]),
    ):
        assert staff.get(page).status_code == 200, page
    assert staff.get(reverse("admin:routing_providerkey_add")).status_code == 403


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


# --- Keys that are out ------------------------------------------------------------------------------------


def take_out(state_redis: "redis.Redis", key: ProviderKey, reason: Reason = "refused_key") -> None:
    """Write what a web process writes that was refused."""
    now = time.time()
    rest = Rest(reason=reason, since=now, until=now + 600)
    name = key_name(sealed(key))
    lane = Rest(reason="failing", since=now, until=now + 30)
    entries = {f"key:{name}": rest, f"lane:{name}:demo/small-1": lane}
    state_redis.hset(
        RESTS, mapping={where: TypeAdapter(Rest).dump_json(what) for where, what in entries.items()}
    )


def alerted(page: Any) -> bool:
    return "is out of use since" in page.content.decode()


@pytest.fixture
def dead(demo: Provider, state_redis: "redis.Redis") -> ProviderKey:
    """The demo's only key, refused."""
    key = ProviderKey.objects.get()
    take_out(state_redis, key)
    return key


def test_a_key_that_is_out_is_an_alert_wherever_staff_look(staff: Client, dead: ProviderKey) -> None:
    for page in (
        reverse("admin:index"),
        reverse("admin:routing_provider_changelist"),
        reverse("admin:routing_provider_change", args=[dead.provider_id]),
    ):
        assert alerted(staff.get(page)), page
    listed = staff.get(reverse("admin:routing_providerkey_changelist")).content.decode()
    assert "OUT: refused by the provider (401 or 403) since" in listed
    assert str(dead.uid)[:8] in listed
    shown = staff.get(reverse("admin:routing_provider_change", args=[dead.provider_id])).content.decode()
    assert "OUT: refused by the provider" in shown


def test_nothing_is_an_alert_while_all_keys_serve(staff: Client, demo: Provider) -> None:
    assert not alerted(staff.get(reverse("admin:index")))
    assert "in use" in staff.get(reverse("admin:routing_providerkey_changelist")).content.decode()


def test_an_alert_is_for_those_who_may_see_keys(client: Client, dead: ProviderKey) -> None:
    viewer = User.objects.create_user("viewer@example.org", "x", is_staff=True)
    client.force_login(viewer)
    assert not alerted(client.get(reverse("admin:index")))
    viewer.user_permissions.add(Permission.objects.get(codename="view_providerkey"))
    assert alerted(client.get(reverse("admin:index")))


def put_back(client: Client, key: ProviderKey) -> Any:
    form = {"action": "put_back", "_selected_action": [key.pk]}
    return client.post(reverse("admin:routing_providerkey_changelist"), form, follow=True)


def test_staff_put_a_key_back(staff: Client, dead: ProviderKey, state_redis: "redis.Redis") -> None:
    assert "used again within a second" in put_back(staff, dead).content.decode()
    assert state_redis.hgetall(RESTS) == {}
    assert LogEntry.objects.filter(change_message__contains="Put back").count() == 1
    assert not alerted(staff.get(reverse("admin:index")))


def test_putting_back_needs_the_right_to_change_keys(
    client: Client, dead: ProviderKey, state_redis: "redis.Redis"
) -> None:
    viewer = User.objects.create_user("viewer@example.org", "x", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_providerkey"))
    client.force_login(viewer)
    put_back(client, dead)
    assert state_redis.hlen(RESTS) == 2


def test_putting_one_key_back_leaves_the_others_out(
    staff: Client, dead: ProviderKey, state_redis: "redis.Redis"
) -> None:
    other = provider_key_set(dead.provider, "second", SECRET)
    take_out(state_redis, other, "out_of_quota")
    put_back(staff, dead)
    page = staff.get(reverse("admin:routing_providerkey_changelist")).content.decode()
    assert "no credit left" in page
    assert "refused by the provider" not in page


def test_a_new_secret_puts_a_key_back_too(staff: Client, dead: ProviderKey) -> None:
    provider_key_set(dead.provider, dead.label, SECRET)
    assert not alerted(staff.get(reverse("admin:index")))


def test_keys_of_inactive_providers_are_no_alert(staff: Client, dead: ProviderKey) -> None:
    Provider.objects.update(is_active=False)
    assert not alerted(staff.get(reverse("admin:index")))


def test_a_targets_circuit_is_in_the_list_of_models(
    staff: Client, demo: Provider, state_redis: "redis.Redis"
) -> None:
    models = reverse("admin:routing_model_changelist")
    assert ">open<" not in staff.get(models).content.decode().replace("\n", "").replace(" ", "")
    now = time.time()
    lane = f"lane:{key_name(sealed(ProviderKey.objects.get()))}:demo/small-1"
    state_redis.hset(
        RESTS, lane, TypeAdapter(Rest).dump_json(Rest(reason="failing", since=now, until=now + 30))
    )
    assert ">open<" in staff.get(models).content.decode().replace("\n", "").replace(" ", "")


def test_pages_can_be_opened_while_the_state_redis_is_down(
    staff: Client, demo: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "routing.shared_health.settings",
        SimpleNamespace(REDIS_STATE_URL=f"redis://127.0.0.1:{free_port()}/0"),
    )
    for page in ("admin:index", "admin:routing_provider_changelist", "admin:routing_model_changelist"):
        assert staff.get(reverse(page)).status_code == 200
    shown = staff.get(reverse("admin:routing_providerkey_changelist")).content.decode()
    assert "unknown: the state Redis does not answer" in shown
    assert "does not answer; try again" in put_back(staff, ProviderKey.objects.get()).content.decode()
