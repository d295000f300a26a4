"""A saved change of routing's rows raises the version of the right policy."""

import pytest
from django.utils import timezone

from routing.models import Model, ModelPrice, Provider, ProviderKey, RoutingRule
from routing.seeding import seed_demo
from tenants.models import GatewayLimit, Tenant

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_redis")]


def gateway_version() -> int:
    return GatewayLimit.objects.get().policy_version


@pytest.fixture(autouse=True)
def demo() -> None:
    seed_demo("http://127.0.0.1:9999/v1")


@pytest.mark.parametrize("model", [Provider, ProviderKey, Model, ModelPrice, RoutingRule])
def test_saving_or_deleting_gateway_wide_rows_raises_the_gateways_version(model: type[Provider]) -> None:
    row = model.objects.first()
    assert row is not None
    before = gateway_version()
    row.save()
    saved = gateway_version()
    row.delete()
    assert before < saved < gateway_version()


def test_a_new_price_raises_the_gateways_version() -> None:
    before = gateway_version()
    ModelPrice.objects.create(
        model=Model.objects.get(name="small-1"), effective_from=timezone.now(), input_usd=1
    )
    assert gateway_version() > before


def test_a_tenants_own_rule_raises_that_tenants_version_only() -> None:
    acme, globex = (Tenant.objects.create(slug=slug, name=slug) for slug in ("acme", "globex"))
    for tenant in (acme, globex):
        tenant.refresh_from_db()
    gateway, acmes, globexes = gateway_version(), acme.policy_version, globex.policy_version
    RoutingRule.objects.create(tenant=acme, name="own", action="deny")
    for tenant in (acme, globex):
        tenant.refresh_from_db()
    assert acme.policy_version > acmes
    assert globex.policy_version == globexes
    assert gateway_version() == gateway
