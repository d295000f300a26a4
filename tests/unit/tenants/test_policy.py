"""A process that knows ten thousand tenants holds what they have in common once."""

import pytest

from tenants import policy
from tenants.policy import KeyPolicy, RequestLimits, TenantPolicy, dump_policy, load_tenant_policy, shared


@pytest.fixture
def no_tenant_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "TENANT_PARTS", {})


def _tenant(number: int) -> TenantPolicy:
    key = KeyPolicy(
        public_id=f"key{number}",
        label="",
        scopes=frozenset({"chat", "stats"}),
        models=frozenset({"small-1"}),
        limits=RequestLimits(per_minute=60),
        expires_at=None,
    )
    return TenantPolicy(
        tenant_id=number,
        slug=f"t{number}",
        version=number,
        limits=RequestLimits(per_minute=100),
        keys={f"digest{number}": key},
        parts={},
    )


def test_equal_parts_of_two_tenants_are_one_object(no_tenant_parts: None) -> None:
    one, two = (load_tenant_policy(dump_policy(_tenant(number))) for number in (1, 2))
    assert one.limits is two.limits
    [first], [second] = one.keys.values(), two.keys.values()
    assert first.scopes is second.scopes
    assert first.models is second.models
    assert first.limits is second.limits


def test_what_is_loaded_is_what_was_dumped(no_tenant_parts: None) -> None:
    assert load_tenant_policy(dump_policy(_tenant(1))) == _tenant(1)


def test_values_of_two_types_are_never_one() -> None:
    assert shared(True) is True
    assert type(shared(1)) is int


def test_what_cannot_be_hashed_is_left_as_it_is() -> None:
    value: list[int] = []
    assert shared(value) is value
