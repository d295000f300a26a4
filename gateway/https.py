"""Whether a request came over TLS, by the same rule as Django's `request.is_secure`, without a request."""

from collections.abc import Mapping
from functools import cache

from django.conf import settings


def is_secure(scheme: str, fields: Mapping[bytes, bytes]) -> bool:
    """fields: header fields by lower-case name. Believes SECURE_PROXY_SSL_HEADER if the setting names one."""
    if settings.SECURE_PROXY_SSL_HEADER:
        name, expected = settings.SECURE_PROXY_SSL_HEADER
        told = fields.get(_field_of(name))
        if told is not None:
            return told.decode("latin-1").partition(",")[0].strip() == expected
    return scheme == "https"


@cache
def _field_of(name: str) -> bytes:
    """Return the field that Django's META shows under this name."""
    return name.removeprefix("HTTP_").replace("_", "-").lower().encode()
