"""Django system checks that explain a bad deployment before it does harm (`manage.py check`).

Errors stop every command; what is only advised is told by `check --deploy`.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register

_MOST_EMBEDDING_SECONDS = 2.0
_MOST_REDIS_SECONDS = 2.0
_MOST_UPSTREAM_SECONDS = 3600.0


def register_checks() -> None:
    """Make Django run them."""
    register(check_servers)
    register(check_hosts, Tags.security)
    register(check_timeouts)
    register(check_advised, Tags.security, deploy=True)


def check_servers(**_: Any) -> Sequence[CheckMessage]:
    """An evicting server deletes limits and queues; the eviction policy is a server's, not a database's."""
    if settings.DEVELOPMENT or _server(settings.REDIS_CACHE_URL) != _server(settings.REDIS_STATE_URL):
        return []
    return [
        Error(
            "REDIS_CACHE_URL and REDIS_STATE_URL name the same server.",
            hint="Run two servers: the cache evicts (allkeys-lfu), the state never does (noeviction). "
            "Another database number on the same server is not enough.",
            id="halfpenny.E001",
        )
    ]


def check_hosts(**_: Any) -> Sequence[CheckMessage]:
    if settings.DEVELOPMENT:
        return []
    hosts = settings.ALLOWED_HOSTS
    hint = "Set ALLOWED_HOSTS to the names under which callers reach the gateway, comma-separated."
    if "*" in hosts:
        return [Error("ALLOWED_HOSTS is open to every name.", hint=hint, id="halfpenny.E002")]
    return [] if hosts else [Warning("ALLOWED_HOSTS is empty.", hint=hint, id="halfpenny.W001")]


def check_timeouts(**_: Any) -> Sequence[CheckMessage]:
    """Limits that hold requests up for longer than what they save."""
    limits = (
        ("EMBEDDING_BUDGET_MS", settings.EMBEDDING_BUDGET_SECONDS, _MOST_EMBEDDING_SECONDS),
        ("SEMANTIC_SEARCH_TIMEOUT_MS", settings.SEMANTIC_SEARCH_TIMEOUT_SECONDS, _MOST_EMBEDDING_SECONDS),
        ("REDIS_TIMEOUT_SECONDS", settings.REDIS_TIMEOUT_SECONDS, _MOST_REDIS_SECONDS),
        ("UPSTREAM_CONNECT_SECONDS", settings.UPSTREAM_CONNECT_SECONDS, settings.UPSTREAM_TOTAL_SECONDS),
        ("UPSTREAM_FIRST_TOKEN_SECONDS", settings.UPSTREAM_FIRST_TOKEN_SECONDS, _MOST_UPSTREAM_SECONDS),
        ("UPSTREAM_BETWEEN_CHUNKS_SECONDS", settings.UPSTREAM_BETWEEN_CHUNKS_SECONDS, _MOST_UPSTREAM_SECONDS),
    )
    return [
        Error(
            f"{name} must be more than 0 and less than {most:g} s; it is {seconds:g} s.",
            hint=f"Correct {name}.",
            id="halfpenny.E003",
        )
        for name, seconds, most in limits
        if not 0 < seconds < most
    ]


def check_advised(**_: Any) -> Sequence[CheckMessage]:
    advice = (
        (
            settings.METRICS_TOKEN,
            "METRICS_TOKEN is not set: /metrics answers on loopback only.",
            "Set it where Prometheus runs on another host.",
            "halfpenny.I001",
        ),
        (
            settings.DATABASE_WEB_URL,
            "DATABASE_WEB_URL is not set: the data plane signs in as the tables' owner, then gives its rights up.",
            "Give the web role a login of its own, so that this process never holds the owner's rights there.",
            "halfpenny.I002",
        ),
    )
    return [Info(message, hint=hint, id=name) for value, message, hint, name in advice if not value]


def _server(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    # A socket's address has no host: its path is the server.
    return (parts.hostname or parts.path, parts.port or 6379)
