"""What the policy snapshot says of providers, their keys and models."""

import pytest

from routing.models import Model, ModelPrice, Provider, ProviderKey
from routing.seeding import seed_demo
from routing.selectors import build_catalog

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_redis")]


@pytest.fixture(autouse=True)
def demo() -> None:
    seed_demo("http://127.0.0.1:9999/v1")


@pytest.mark.parametrize("kind", list(Provider.Kind))
def test_a_providers_kind_is_in_the_catalog(kind: Provider.Kind) -> None:
    Provider.objects.update(kind=kind)
    assert [access.kind for access in build_catalog().providers] == [kind.value]


def test_keys_carry_their_weight_and_resting_ones_are_left_out() -> None:
    ProviderKey.objects.update(weight=3)
    provider = Provider.objects.get()
    ProviderKey.objects.create(provider=provider, label="resting", ciphertext=b"x", is_active=False)
    (access,) = build_catalog().providers
    assert [key.weight for key in access.encrypted_keys] == [3]


def test_a_models_own_deadlines_are_in_the_catalog() -> None:
    Model.objects.filter(name="small-1").update(first_token_seconds=1.5, total_seconds=600)
    targets = {target.name: target for target in build_catalog().targets}
    small, large = targets["small-1"], targets["large-1"]
    assert (small.connect_s, small.first_token_s, small.between_chunks_s, small.total_s) == (
        None,
        1.5,
        None,
        600.0,
    )
    assert (large.first_token_s, large.total_s) == (None, None)


def test_a_cache_price_that_was_left_out_is_that_of_plain_input() -> None:
    prices = ModelPrice.objects.filter(model__name="small-1")
    prices.update(input_usd=2, cache_read_usd=0, cache_write_usd=3)
    (small,) = (target for target in build_catalog().targets if target.name == "small-1")
    (price,) = small.prices
    assert (price.input_pico, price.cache_read_pico, price.cache_write_pico) == (
        2_000_000,
        2_000_000,
        3_000_000,
    )
