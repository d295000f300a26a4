"""Conversations keep their key, and keys get their shares."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.balance import ranked
from routing.catalog import EncryptedKey

CONVERSATIONS = [number.to_bytes(4) for number in range(6000)]


def key(uid: str, weight: int = 1) -> EncryptedKey:
    return EncryptedKey(uid=uid, ciphertext="", weight=weight)


def first(keys: list[EncryptedKey], affinity: bytes) -> str:
    return ranked(keys, affinity)[0].uid


@given(st.binary(max_size=64), st.permutations([key("a"), key("b", 3), key("c", 2), key("d")]))
def test_the_order_is_the_same_however_the_keys_are_listed(affinity: bytes, keys: list[EncryptedKey]) -> None:
    order = [each.uid for each in ranked(keys, affinity)]
    assert order == [each.uid for each in ranked(sorted(keys, key=lambda each: each.uid), affinity)]
    assert sorted(order) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("weights", [(1, 1, 1), (1, 2, 3), (10, 1, 1), (1000, 1000, 1)])
def test_shares_follow_the_weights(weights: tuple[int, ...]) -> None:
    keys = [key(f"key-{number}", weight) for number, weight in enumerate(weights)]
    counts = Counter(first(keys, affinity) for affinity in CONVERSATIONS)
    for each in keys:
        expected = len(CONVERSATIONS) * each.weight / sum(weights)
        # Five standard deviations of a draw of that many; the hash is fixed, so is the outcome.
        assert abs(counts[each.uid] - expected) <= 5 * (expected + 1) ** 0.5


def test_a_key_that_goes_moves_only_its_own_conversations() -> None:
    keys = [key("a"), key("b"), key("c", 2)]
    fewer = keys[:2]
    moved = [affinity for affinity in CONVERSATIONS if first(keys, affinity) != first(fewer, affinity)]
    assert all(first(keys, affinity) == "c" for affinity in moved)
    assert len(moved) == sum(first(keys, affinity) == "c" for affinity in CONVERSATIONS)
    # ... and the rest of the order is what it was, for a key that only rests.
    for affinity in CONVERSATIONS[:200]:
        assert [each.uid for each in ranked(keys, affinity) if each.uid != "c"] == [
            each.uid for each in ranked(fewer, affinity)
        ]


def test_its_conversations_are_shared_out_by_weight_as_well() -> None:
    keys = [key("gone", 2), key("light", 1), key("heavy", 3)]
    orphans = [affinity for affinity in CONVERSATIONS if first(keys, affinity) == "gone"]
    heirs = Counter(first(keys[1:], affinity) for affinity in orphans)
    assert heirs["heavy"] == pytest.approx(3 * heirs["light"], rel=0.25)


def test_a_heavier_key_only_gains_conversations() -> None:
    before, after = [key("a"), key("b")], [key("a"), key("b", 2)]
    for affinity in CONVERSATIONS[:500]:
        if first(before, affinity) == "b":
            assert first(after, affinity) == "b"
