import time
from decimal import Decimal

import pytest
from django.core.exceptions import ImproperlyConfigured

from routing.models import Model, ModelPrice, Provider, ProviderKey, RoutingRule
from routing.pricing import Usage, cost_nano, price_at
from routing.secrets import open_key
from routing.seeding import seed_demo, seed_from_environment
from routing.selection import Ask, Chosen, find_target, select
from routing.selectors import build_catalog, build_tenant_rules
from tenants.models import Tenant
from tenants.policy import GATEWAY_PARTS, TENANT_PARTS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_redis")]

URL = "http://127.0.0.1:9999/v1"
KEYS = {
    "OPENAI_API_KEY": "sk-openai-0123456789",
    "GEMINI_API_KEY": "gemini-0123456789ab",
    "DEEPSEEK_API_KEY": "sk-deepseek-01234567",
    "ANTHROPIC_API_KEY": "sk-ant-0123456789ab",
}


def choose(score: float) -> Chosen:
    catalog = build_catalog()
    ask = Ask(
        model_asked="auto",
        score=score,
        label="simple" if score < 0.5 else "complex",
        tags=(),
        allowed=lambda name: True,
    )
    chosen = select(catalog, build_tenant_rules(Tenant.objects.create(slug=f"t{score}", name="T").pk), ask)
    assert isinstance(chosen, Chosen)
    return chosen


def test_the_demo_routes_simple_calls_to_the_small_model_and_others_to_the_large_one() -> None:
    seed_demo(URL)
    simple, hard = choose(0.2), choose(0.5)
    assert ([t.name for t in simple.targets], simple.rule) == (["small-1", "large-1"], "default-simple")
    assert ([t.name for t in hard.targets], hard.rule) == (["large-1"], "default-complex")


def test_demo_prices_are_exact_in_the_catalog() -> None:
    seed_demo(URL)
    small = find_target(build_catalog(), "small-1")
    assert small is not None
    price = price_at(small, time.time())
    assert price is not None
    million = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
    assert cost_nano(price, million) == 750_000_000


def test_seeding_again_changes_nothing_but_the_address() -> None:
    seed_demo(URL)
    Model.objects.filter(name="small-1").update(tier="strong")
    ciphertext = bytes(ProviderKey.objects.get().ciphertext)
    seed_demo("http://127.0.0.1:1234/v1")
    assert Provider.objects.get().base_url == "http://127.0.0.1:1234/v1"
    assert bytes(ProviderKey.objects.get().ciphertext) == ciphertext
    assert Model.objects.get(name="small-1").tier == "strong"
    assert (Model.objects.count(), ModelPrice.objects.count(), RoutingRule.objects.count()) == (2, 2, 2)


def test_each_key_in_the_environment_adds_its_provider() -> None:
    assert seed_from_environment(KEYS) == ["openai", "gemini", "deepseek", "anthropic"]
    assert seed_from_environment(KEYS) == ["openai", "gemini", "deepseek", "anthropic"]
    catalog = build_catalog()
    assert len(catalog.targets) == 8
    kinds = {provider.slug: provider.kind for provider in catalog.providers}
    assert kinds == {"openai": "openai", "gemini": "gemini", "deepseek": "openai", "anthropic": "anthropic"}
    for provider in catalog.providers:
        assert provider.base_url.startswith("https://")
        opened = [open_key(provider.id, key).get_secret_value() for key in provider.encrypted_keys]
        assert opened == [KEYS[f"{provider.slug.upper()}_API_KEY"]]
    for model in Model.objects.prefetch_related("prices"):
        assert all(price.input_usd > Decimal(0) for price in model.prices.all())
        assert price_at(find_target(catalog, str(model)), time.time()) is not None  # type: ignore[arg-type]


def test_an_empty_environment_adds_nothing() -> None:
    assert seed_from_environment({"OPENAI_API_KEY": ""}) == []
    assert not Provider.objects.exists()


def test_a_changed_key_replaces_the_old_one() -> None:
    seed_from_environment({"OPENAI_API_KEY": "sk-old-0123456789ab"})
    seed_from_environment({"OPENAI_API_KEY": "sk-new-0123456789ab"})
    (provider,) = build_catalog().providers
    (key,) = provider.encrypted_keys
    assert open_key(provider.id, key).get_secret_value() == "sk-new-0123456789ab"
    assert ProviderKey.objects.get().hint == "89ab"


def test_any_openai_compatible_server_is_added_by_its_url() -> None:
    slugs = seed_from_environment({"TARGET_URL": "http://127.0.0.1:11434/v1/", "TARGET_MODEL": "llama"})
    assert slugs == ["target"]
    (provider,) = build_catalog().providers
    assert (provider.base_url, provider.encrypted_keys) == ("http://127.0.0.1:11434/v1", ())
    target = find_target(build_catalog(), "target/llama")
    assert target is not None
    assert target.prices == ()


def test_a_target_url_in_a_private_network_is_refused_with_a_reason() -> None:
    with pytest.raises(ImproperlyConfigured, match="UPSTREAM_ALLOWED_NETWORKS"):
        seed_from_environment({"TARGET_URL": "http://169.254.169.254/v1"})
    assert not Provider.objects.exists()


def test_inactive_rows_are_not_in_the_catalog() -> None:
    seed_demo(URL)
    seed_from_environment({"OPENAI_API_KEY": "sk-openai-0123456789"})
    Provider.objects.filter(slug="openai").update(is_active=False)
    Model.objects.filter(name="large-1").update(is_active=False)
    ProviderKey.objects.update(is_active=False)
    RoutingRule.objects.filter(name="default-simple").update(is_active=False)
    catalog = build_catalog()
    assert [target.full_name for target in catalog.targets] == ["demo/small-1"]
    assert [(provider.slug, provider.encrypted_keys) for provider in catalog.providers] == [("demo", ())]
    assert [rule.name for rule in catalog.rules] == ["default-complex"]


def test_rules_belong_to_their_tenant_alone() -> None:
    seed_demo(URL)
    acme, globex = (Tenant.objects.create(slug=slug, name=slug) for slug in ("acme", "globex"))
    target = Model.objects.get(name="large-1")
    RoutingRule.objects.create(tenant=acme, name="own", target=target)
    assert [rule.name for rule in build_tenant_rules(acme.pk).rules] == ["own"]
    assert build_tenant_rules(globex.pk).rules == ()
    assert [rule.name for rule in build_catalog().rules] == ["default-simple", "default-complex"]


def test_the_parts_survive_the_journey_through_the_policy_snapshot() -> None:
    seed_demo(URL)
    for part, value in (
        (GATEWAY_PARTS["Catalog"], build_catalog()),
        (TENANT_PARTS["TenantRules"], build_tenant_rules(1)),
    ):
        assert part.adapter.validate_json(part.adapter.dump_json(value)) == value
