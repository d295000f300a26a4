import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.key_format import digest_of, make_key


def test_a_new_key_is_recognised_by_its_digest() -> None:
    key = make_key()
    assert digest_of(key.plaintext) == key.digest


def test_a_new_key_shows_its_public_id() -> None:
    key = make_key()
    assert key.plaintext.split("_")[1] == key.public_id


def test_two_keys_differ() -> None:
    assert make_key().plaintext != make_key().plaintext


def test_the_plaintext_is_not_in_the_repr() -> None:
    key = make_key()
    assert key.plaintext not in repr(key)


@given(place=st.integers(0, 200), letter=st.sampled_from("aZ0_é\n"))
def test_a_typing_error_is_refused_offline(place: int, letter: str) -> None:
    plaintext = make_key().plaintext
    place %= len(plaintext)
    mistyped = plaintext[:place] + letter + plaintext[place + 1 :]
    assert mistyped == plaintext or digest_of(mistyped) is None


@pytest.mark.parametrize("presented", ["", "hp_", "hp_é", "\x00", "x" * 1_000_000, "Bearer hp_abc"])
def test_what_is_not_a_key_is_refused(presented: str) -> None:
    assert digest_of(presented) is None


def test_the_form_can_be_found_by_secret_scanners() -> None:
    scanner = re.compile(r"\bhp_[a-z0-9]{10}_[0-9A-Za-z]{38}\b")
    assert scanner.search(f"key={make_key().plaintext};")
