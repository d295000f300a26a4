"""The demo's tenants, keys and admin login: made once, found again at every later start."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from django.db import transaction

from routing.seeding import seed_demo, seed_from_environment
from tenants.key_format import digest_of
from tenants.models import ApiKey, Scope, Tenant, User
from tenants.services import key_issue, tenant_create

ADMIN_EMAIL = "admin@halfpenny.localhost"
TENANTS = {"acme": "Acme", "globex": "Globex"}


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoLogins:
    """What a newcomer signs in with. Development only; production makes none of it."""

    key: str = field(repr=False)
    key_other: str = field(repr=False)
    admin_user: str
    admin_password: str = field(repr=False)
    tenants: tuple[str, ...]
    providers: tuple[str, ...]
    """Names of providers added because the environment holds a key for them."""


@transaction.atomic
def load(file: Path, upstream_url: str) -> DemoLogins:
    """Make what is missing of the demo's data; `file` (mode 0600) keeps the plaintexts between starts."""
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if upstream_url:
        seed_demo(upstream_url)
    logins = DemoLogins(
        key=_key("acme", known.get("key")),
        key_other=_key("globex", known.get("key_other")),
        admin_user=ADMIN_EMAIL,
        admin_password=_admin_password(known.get("admin_password")),
        tenants=tuple(TENANTS),
        providers=tuple(seed_from_environment()),
    )
    _write(file, asdict(logins))
    return logins


def _key(slug: str, plaintext: str | None) -> str:
    """Return the tenant's demo key: the known one while it works, else a new one."""
    tenant = Tenant.objects.filter(slug=slug).first() or tenant_create(slug, name=TENANTS[slug])
    digest = digest_of(plaintext or "")
    if plaintext and ApiKey.objects.filter(tenant=tenant, digest=digest, revoked_at=None).exists():
        return plaintext
    return key_issue(tenant, label="demo", scopes=Scope.values).plaintext


def _admin_password(password: str | None) -> str:
    """Return the admin's password: the known one while it works, else a new one."""
    admin = User.objects.filter(email=ADMIN_EMAIL).first()
    if admin is None:
        admin = User.objects.create_superuser(ADMIN_EMAIL, name="Demo admin")
    if password and admin.check_password(password):
        return password
    password = secrets.token_urlsafe(12)
    admin.set_password(password)
    admin.save(update_fields=["password"])
    return password


def _write(file: Path, content: dict[str, object]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(content, stream)
