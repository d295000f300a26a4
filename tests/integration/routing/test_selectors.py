"""What the policy snapshot says of providers, their keys and models."""

import pytest

from routing.models import Model, Provider, ProviderKey
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
