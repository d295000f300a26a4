"""Names that callers give and providers see: salted per tenant, since all tenants share our provider keys.

A `prompt_cache_key`, a `user` or a `safety_identifier` that two tenants happen to choose alike must not mean the
same thing at the provider; within a tenant equal names stay equal, so that they do what they are for.
"""

import hashlib
import hmac
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings

_NAMES = ("user", "prompt_cache_key", "safety_identifier")
#: OpenAI takes 64 characters at most.
_CHARACTERS = 32


def salted(fields: Mapping[str, Any], tenant_id: int) -> dict[str, Any]:
    """Return the fields of a request with its names replaced."""
    replaced = {name: _salted(tenant_id, name, fields[name]) for name in _NAMES if name in fields}
    return {**fields, **replaced}


@lru_cache(maxsize=4096)
def _salted(tenant_id: int, name: str, value: str) -> str:
    text = f"{tenant_id}|{name}|{value}".encode()
    return hmac.new(_key(), text, hashlib.sha256).hexdigest()[:_CHARACTERS]


@lru_cache(maxsize=1)
def _key() -> bytes:
    return hashlib.sha256(b"upstream-names|" + settings.SECRET_KEY.encode()).digest()
