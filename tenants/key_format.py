"""The form of an API key: `hp_<public id>_<secret><checksum>`.

The public id may be shown and logged. The secret has 190 bits; the checksum (CRC-32 of all before it, in base
62) lets typing errors and made-up keys be refused without asking anything. Only SHA-256 of the key is kept:
with that many random bits a slow hash would protect nothing and be a denial of service (it runs per request).
"""

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass, field

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PUBLIC_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_PUBLIC_LENGTH = 10
_SECRET_LENGTH = 32
_CHECKSUM_LENGTH = 6
_FORM = re.compile(rf"hp_([a-z0-9]{{{_PUBLIC_LENGTH}}})_[0-9A-Za-z]{{{_SECRET_LENGTH + _CHECKSUM_LENGTH}}}")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made; `plaintext` is shown once and kept nowhere."""

    plaintext: str = field(repr=False)
    public_id: str
    digest: str


def make_key() -> NewKey:
    public_id = "".join(secrets.choice(_PUBLIC_ALPHABET) for _ in range(_PUBLIC_LENGTH))
    secret = "".join(secrets.choice(_BASE62) for _ in range(_SECRET_LENGTH))
    body = f"hp_{public_id}_{secret}"
    plaintext = body + _checksum(body)
    return NewKey(plaintext, public_id, digest_of_known(plaintext))


def digest_of(presented: str) -> str | None:
    """Return the hex SHA-256 of a well-formed key with a right checksum, else None."""
    if not _FORM.fullmatch(presented):
        return None
    body, checksum = presented[:-_CHECKSUM_LENGTH], presented[-_CHECKSUM_LENGTH:]
    return digest_of_known(presented) if _checksum(body) == checksum else None


def digest_of_known(presented: str) -> str:
    """Return the hex SHA-256 of a key whatever its form: one that is known already had the right one."""
    return hashlib.sha256(presented.encode()).hexdigest()


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode("ascii"))
    digits = []
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))
