"""Writes: provider keys are stored here and nowhere else."""

import re

from django.core.exceptions import ValidationError
from pydantic import SecretStr

from routing import secrets
from routing.models import Provider, ProviderKey

# A key goes into an HTTP header as it is.
_USABLE = re.compile(r"[!-~]{1,4096}")
_HINT_LENGTH = 4
_SHORTEST_HINTED = 16


def provider_key_set(provider: Provider, label: str, secret: str) -> ProviderKey:
    """Store the secret under the label, in place of an earlier one. Raises ValidationError."""
    key = ProviderKey.objects.filter(provider=provider, label=label).first()
    key = key or ProviderKey(provider=provider, label=label)
    put_secret(key, secret)
    key.save()
    return key


def put_secret(key: ProviderKey, secret: str) -> None:
    """Seal the secret into the (unsaved) row. Raises ValidationError if no header could carry it."""
    check_secret(secret)
    key.ciphertext = secrets.seal(SecretStr(secret), provider_id=key.provider_id, uid=str(key.uid))
    key.hint = secret[-_HINT_LENGTH:] if len(secret) >= _SHORTEST_HINTED else ""


def check_secret(secret: str) -> None:
    """Raise ValidationError if no header could carry the secret."""
    if not _USABLE.fullmatch(secret):
        raise ValidationError("A key has no spaces and only visible ASCII characters.")
