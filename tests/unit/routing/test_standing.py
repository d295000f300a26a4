"""How keys and targets are shown to stand, out of what rests."""

import pytest

from routing.catalog import Catalog, EncryptedKey, ProviderAccess
from routing.health import Rest, key_name, lane_of
from routing.standing import CircuitState, circuit_of, circuits_of, keys_of
from tests.demo_upstream import target

KEYS = [EncryptedKey(uid=f"{number}" * 36, ciphertext=f"sealed-{number}") for number in (1, 2, 3)]
NAME = "demo/any"
NOW = 1000.0


def rest(until: float = NOW + 10) -> Rest:
    return Rest(reason="failing", since=NOW - 10, until=until)


def failing(*keys: EncryptedKey | None, until: float = NOW + 10) -> dict[str, Rest]:
    return {lane_of(NAME, key).circuit: rest(until) for key in keys}


def out(*keys: EncryptedKey) -> dict[str, Rest]:
    return {f"key:{key_name(key)}": rest() for key in keys}


@pytest.mark.parametrize(
    ("rests", "state"),
    [
        ({}, "closed"),
        (failing(*KEYS[:2]), "closed"),
        (failing(*KEYS), "open"),
        (failing(*KEYS) | failing(KEYS[1], until=NOW - 1), "half_open"),
        (failing(*KEYS[:2]) | out(KEYS[2]), "open"),
        (failing(*KEYS[:2], until=NOW - 1) | out(KEYS[2]), "half_open"),
        (out(*KEYS), "closed"),
        ({lane_of(NAME, key).limit: rest() for key in KEYS}, "closed"),
    ],
)
def test_a_targets_circuit_is_that_of_its_last_serving_lane(
    rests: dict[str, Rest], state: CircuitState
) -> None:
    assert circuit_of(NAME, KEYS, rests, NOW) == state


def test_a_provider_without_keys_has_circuits_too() -> None:
    assert circuit_of(NAME, [], {}, NOW) == "closed"
    assert circuit_of(NAME, [], failing(None), NOW) == "open"


def test_a_catalogs_keys_and_targets_are_all_named() -> None:
    access = ProviderAccess(
        id=1, slug="demo", kind="openai", base_url="http://127.0.0.1:9/v1", encrypted_keys=tuple(KEYS)
    )
    catalog = Catalog(targets=(target("any"),), providers=(access,), rules=())
    rests = out(KEYS[0]) | failing(*KEYS[1:])
    assert [(each.provider, each.key, each.out is None) for each in keys_of(catalog, rests)] == [
        ("demo", "11111111", False),
        ("demo", "22222222", True),
        ("demo", "33333333", True),
    ]
    assert [(each.full_name, state) for each, state in circuits_of(catalog, rests, NOW)] == [(NAME, "open")]
