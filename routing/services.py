"""Writes: provider keys are stored here and nowhere else."""

import re
from collections.abc import Iterable
from typing import cast

from django.core.exceptions import ValidationError
from pydantic import SecretStr

from routing import secrets
from routing.health import key_name
from routing.models import Provider, ProviderKey
from routing.selectors import sealed
from routing.shared_health import RESTS, state_redis

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


def keys_put_back(keys: Iterable[ProviderKey]) -> None:
    """Have every process use the keys again within a second, whatever was found about them.

    Raises redis.exceptions.RedisError when the state Redis can't be told.
    """
    names = [key_name(sealed(key)) for key in keys]
    with state_redis() as client:
        rests = [name.decode() for name in cast(list[bytes], client.hkeys(RESTS))]
        ended = [rest for rest in rests if any(name in rest for name in names)]
        if ended:
            client.hdel(RESTS, *ended)


def check_secret(secret: str) -> None:
    """Raise ValidationError if no header could carry the secret."""
    if not _USABLE.fullmatch(secret):
        raise ValidationError("A key has no spaces and only visible ASCII characters.")
