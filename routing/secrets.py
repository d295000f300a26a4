"""Provider keys at rest: AES-GCM under the deployment's keys, each ciphertext bound to its own row.

A sealed value is `version (1 byte) | key id (4) | nonce (12) | ciphertext and tag`. The key id is the
beginning of the SHA-256 of the encryption key: keys are rotated by putting a new one first in
HALFPENNY_ENCRYPTION_KEY. The provider's id and the row's uuid are authenticated with the text, so that a
ciphertext copied to another row doesn't open there.
"""

import base64
import binascii
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from pydantic import SecretStr

from routing.catalog import EncryptedKey

_VERSION = b"\x01"
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_HEAD_BYTES = len(_VERSION) + _KEY_ID_BYTES + _NONCE_BYTES


class CannotOpen(Exception):
    """A stored secret doesn't open: another row's, damaged, or its encryption key is gone."""


def seal(secret: SecretStr, *, provider_id: int, uid: str) -> bytes:
    """Return the secret, encrypted for one row under the first encryption key."""
    key = settings.ENCRYPTION_KEYS[0]
    nonce = os.urandom(_NONCE_BYTES)
    text = secret.get_secret_value().encode()
    return _VERSION + _key_id(key) + nonce + AESGCM(key).encrypt(nonce, text, _bound_to(provider_id, uid))


def open_sealed(sealed: bytes, *, provider_id: int, uid: str) -> SecretStr:
    """Return the secret of a row. Raises CannotOpen."""
    key_id = sealed[len(_VERSION) : len(_VERSION) + _KEY_ID_BYTES]
    key = next((key for key in settings.ENCRYPTION_KEYS if _key_id(key) == key_id), None)
    if key is None or sealed[: len(_VERSION)] != _VERSION or len(sealed) < _HEAD_BYTES:
        raise CannotOpen("no encryption key fits")
    nonce = sealed[_HEAD_BYTES - _NONCE_BYTES : _HEAD_BYTES]
    try:
        text = AESGCM(key).decrypt(nonce, sealed[_HEAD_BYTES:], _bound_to(provider_id, uid))
    except InvalidTag:
        raise CannotOpen("it belongs to another row, or is damaged") from None
    return SecretStr(text.decode())


def open_key(provider_id: int, key: EncryptedKey) -> SecretStr:
    """Return the secret of a key in the catalog. Raises CannotOpen."""
    try:
        sealed = base64.b64decode(key.ciphertext, validate=True)
    except binascii.Error:
        raise CannotOpen("it is not base64") from None
    return open_sealed(sealed, provider_id=provider_id, uid=key.uid)


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:_KEY_ID_BYTES]


def _bound_to(provider_id: int, uid: str) -> bytes:
    return f"provider-key|{provider_id}|{uid}".encode()
