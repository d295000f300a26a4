"""Examines where calls may go: an active model at a provider whose key opens."""

from dataclasses import dataclass

from gateway.doctor.postgres import connected
from gateway.doctor.verdicts import Verdict, failed, ok, warning
from routing.secrets import CannotOpen, open_sealed

_PROVIDERS = """
    SELECT p.id, p.slug,
        (SELECT count(*) FROM routing_model m WHERE m.provider_id = p.id AND m.is_active),
        array(SELECT k.uid::text FROM routing_providerkey k
              WHERE k.provider_id = p.id AND k.is_active ORDER BY k.id),
        array(SELECT k.ciphertext FROM routing_providerkey k
              WHERE k.provider_id = p.id AND k.is_active ORDER BY k.id)
    FROM routing_provider p WHERE p.is_active ORDER BY p.slug
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderFacts:
    """An active provider, counted."""

    slug: str
    models: int
    keys: int
    sealed_keys: int
    """Keys that no encryption key of this process opens."""

    @property
    def usable(self) -> bool:
        return self.models > 0 and self.keys > self.sealed_keys


def examine() -> Verdict:
    with connected() as connection:
        rows = connection.execute(_PROVIDERS).fetchall()
    return judge(
        [
            ProviderFacts(
                slug=slug,
                models=models,
                keys=len(uids),
                sealed_keys=sum(not _opens(provider, *key) for key in zip(uids, sealed, strict=True)),
            )
            for provider, slug, models, uids, sealed in rows
        ]
    )


def judge(providers: list[ProviderFacts]) -> Verdict:
    """Judge the active providers. Pure."""
    sealed = [each.slug for each in providers if each.sealed_keys]
    if sealed:
        return failed(
            f"keys of {', '.join(sealed)} don't open",
            "put the encryption key that sealed them into HALFPENNY_ENCRYPTION_KEY, or replace them",
        )
    usable = [each.slug for each in providers if each.usable]
    if not usable:
        return failed(
            "no active provider has both an active model and an active key",
            "add one in the admin, under Routing",
        )
    shown = f"{', '.join(usable)}: {sum(each.models for each in providers if each.usable)} active models"
    if idle := [each.slug for each in providers if not each.usable]:
        return warning(
            f"{shown}; not usable: {', '.join(idle)}", "give them a model and a key, or deactivate them"
        )
    return ok(shown)


def _opens(provider_id: int, uid: str, ciphertext: bytes) -> bool:
    try:
        open_sealed(bytes(ciphertext), provider_id=provider_id, uid=uid)
    except CannotOpen:
        return False
    return True
