"""Which provider key a conversation goes to: the same one each time, and the heavier the more often. Pure.

Providers bill a prompt's beginning that they still hold at a tenth, but hold it for each key's account apart:
turns of one conversation that went to different keys would all be paid in full. So keys aren't taken in turn but
ranked for each conversation by weighted rendezvous hashing: shares follow the weights, and a key that is added or
removed moves only the conversations that it gains or loses.
"""

import math
from collections.abc import Iterable
from hashlib import blake2b

from routing.catalog import EncryptedKey

_BITS = 52  # more, and the largest draw would be rounded to 1


def ranked(keys: Iterable[EncryptedKey], affinity: bytes) -> list[EncryptedKey]:
    """Return the keys in the order in which this conversation tries them.

    affinity: what the turns of a conversation have in common, at most 64 bytes.
    """
    return sorted(keys, key=lambda key: (-_score(key, affinity), key.uid))


def _score(key: EncryptedKey, affinity: bytes) -> float:
    """Return a number that is the largest of all for the key with probability weight / sum of weights."""
    digest = blake2b(key.uid.encode(), key=affinity, digest_size=8).digest()
    draw = ((int.from_bytes(digest) >> (64 - _BITS)) + 0.5) / 2**_BITS
    return -key.weight / math.log(draw)
