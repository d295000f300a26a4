import base64
import uuid

import pytest
from pydantic import SecretStr
from pytest_django import Settings

from routing.catalog import EncryptedKey
from routing.secrets import CannotOpen, open_key, open_sealed, seal

OLD, NEW = b"o" * 32, b"n" * 32
SECRET = SecretStr("sk-canary-31337-canary")


def test_what_was_sealed_opens_again() -> None:
    sealed = seal(SECRET, provider_id=1, uid="a")
    assert open_sealed(sealed, provider_id=1, uid="a") == SECRET
    assert b"canary" not in sealed


def test_the_same_secret_is_never_sealed_the_same_way_twice() -> None:
    assert seal(SECRET, provider_id=1, uid="a") != seal(SECRET, provider_id=1, uid="a")


@pytest.mark.parametrize(("provider_id", "uid"), [(2, "a"), (1, "b")])
def test_a_ciphertext_copied_to_another_row_does_not_open(provider_id: int, uid: str) -> None:
    sealed = seal(SECRET, provider_id=1, uid="a")
    with pytest.raises(CannotOpen):
        open_sealed(sealed, provider_id=provider_id, uid=uid)


def test_a_changed_byte_anywhere_keeps_it_shut() -> None:
    sealed = seal(SECRET, provider_id=1, uid="a")
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(CannotOpen):
            open_sealed(bytes(changed), provider_id=1, uid="a")


@pytest.mark.parametrize("length", [0, 1, 5, 16, 17, 20])
def test_a_ciphertext_cut_short_does_not_open(length: int) -> None:
    with pytest.raises(CannotOpen):
        open_sealed(seal(SECRET, provider_id=1, uid="a")[:length], provider_id=1, uid="a")


def test_encryption_keys_are_rotated_by_putting_a_new_one_first(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    before = seal(SECRET, provider_id=1, uid="a")
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    after = seal(SECRET, provider_id=1, uid="a")
    assert open_sealed(before, provider_id=1, uid="a") == SECRET
    settings.ENCRYPTION_KEYS = [NEW]
    assert open_sealed(after, provider_id=1, uid="a") == SECRET
    with pytest.raises(CannotOpen):
        open_sealed(before, provider_id=1, uid="a")


def test_a_key_of_the_catalog_opens_and_shows_nothing_of_itself() -> None:
    uid = str(uuid.uuid4())
    sealed = seal(SECRET, provider_id=7, uid=uid)
    key = EncryptedKey(uid=uid, ciphertext=base64.b64encode(sealed).decode())
    opened = open_key(7, key)
    assert opened == SECRET
    assert "canary" not in repr(opened) + str(opened)
    assert key.ciphertext not in repr(key)


def test_nonsense_in_place_of_a_ciphertext_does_not_open() -> None:
    with pytest.raises(CannotOpen):
        open_key(7, EncryptedKey(uid="a", ciphertext="no base64!"))
