"""How keys and targets stand, out of what rests: for readiness, metrics and the admin's pages. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from routing.catalog import Catalog, EncryptedKey, Target
from routing.health import Rest, key_name, lane_of

CircuitState = Literal["closed", "half_open", "open"]
Rests = Mapping[str, Rest]
"""By name, as routing.health keeps them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyStanding:
    """A provider key in use, and why it isn't used now."""

    provider: str
    """The provider's slug."""
    key: str
    """The beginning of its uid."""
    out: Rest | None


def out_of_use(key: EncryptedKey, rests: Rests) -> Rest | None:
    """Return why the key is taken out, if it is."""
    return rests.get(f"key:{key_name(key)}")


def keys_of(catalog: Catalog, rests: Rests) -> Iterator[KeyStanding]:
    """Yield every key that calls may use."""
    for access in catalog.providers:
        for key in access.encrypted_keys:
            yield KeyStanding(provider=access.slug, key=key.uid[:8], out=out_of_use(key, rests))


def circuits_of(catalog: Catalog, rests: Rests, wall: float) -> Iterator[tuple[Target, CircuitState]]:
    """Yield every target that calls may be sent to. wall: Unix seconds."""
    keys = {access.slug: access.encrypted_keys for access in catalog.providers}
    for target in catalog.targets:
        yield target, circuit_of(target.full_name, keys.get(target.provider, ()), rests, wall)


def circuit_of(target: str, keys: Sequence[EncryptedKey], rests: Rests, wall: float) -> CircuitState:
    """Return the state of a target's circuit: it is closed as long as that of one of its lanes is.

    target: its full name. Keys that are out say nothing of it.
    """
    serving = [key for key in keys if out_of_use(key, rests) is None]
    if keys and not serving:
        return "closed"
    lanes = [lane_of(target, key).circuit for key in serving or (None,)]
    if not all(lane in rests for lane in lanes):
        return "closed"
    return "half_open" if any(rests[lane].until <= wall for lane in lanes) else "open"
