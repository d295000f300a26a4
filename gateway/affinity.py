"""What the turns of a conversation have in common, so that they go to the same provider key. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import orjson

_INSTRUCTIONS = ("system", "developer")


def affinity_of(tenant_id: int, body: Mapping[str, Any]) -> bytes:
    """Return a digest of the tenant, the instructions, the tools and the first user turn.

    It is what providers keep of a prompt (its beginning), and stays the same while a conversation grows. It never
    leaves the process.
    """
    messages: Sequence[Mapping[str, Any]] = body.get("messages") or ()
    common = [tenant_id, list(_opening(messages)), body.get("tools"), body.get("functions")]
    return blake2b(orjson.dumps(common, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def _opening(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Any, Any]]:
    """Yield role and content of each message up to the first that isn't an instruction, that one included."""
    for message in messages:
        role = message.get("role")
        yield role, message.get("content")
        if role not in _INSTRUCTIONS:
            return
