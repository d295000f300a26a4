"""L0: what one process keeps in its own memory, in front of the exact cache.

Bounded by bytes, short-lived, and dropped with the tenant's policy: the version of the policy is part of each
answer's name, so a purge, which raises it, is done in every process as soon as the new policy is there (within
a second). An answer that was read under the old policy cannot come back under the new one.
"""

import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import orjson

from caching.answers import StoredAnswer
from caching.metrics import MEMORY

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

#: What Python's objects around an entry take, roughly (measured with tracemalloc over 10,000 entries).
ENTRY_BYTES = 1500

#: How much larger the objects of a nested value are than its JSON, at most ("[[],[]]" and the like).
_OBJECTS_TO_JSON = 24


class BoundedMemory(Generic[Key, Value]):
    """The values used last, as many as fit into `max_bytes`. Not thread-safe: it belongs to one event loop."""

    def __init__(self, max_bytes: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """max_bytes: 0 keeps nothing. clock: seconds."""
        self._max_bytes = max_bytes
        self._clock = clock
        self._bytes = 0
        self._entries: OrderedDict[Key, tuple[Value, int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """What is held, by the sizes that were told."""
        return self._bytes

    def get(self, key: Key) -> Value | None:
        """Return the value unless it is unknown or past its time."""
        found = self._entries.get(key)
        if found is None:
            return None
        if found[2] <= self._clock():
            self.drop(key)
            return None
        self._entries.move_to_end(key)
        return found[0]

    def put(self, key: Key, value: Value, *, size: int, ttl_s: float) -> None:
        """Keep the value for `ttl_s` seconds at most; `size` in bytes. One larger than all room isn't kept."""
        self.drop(key)
        if size > self._max_bytes or ttl_s <= 0:
            return
        self._entries[key] = (value, size, self._clock() + ttl_s)
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._bytes -= self._entries.popitem(last=False)[1][1]

    def drop(self, key: Key) -> None:
        """Forget the value, if there is one."""
        dropped = self._entries.pop(key, None)
        if dropped is not None:
            self._bytes -= dropped[1]

    def drop_where(self, is_past: Callable[[Key], bool]) -> None:
        """Forget every value whose key is past; looks at all of them."""
        for key in list(filter(is_past, self._entries)):
            self.drop(key)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class HeldAnswer:
    """A stored answer whose text is ready to be sent."""

    answer: StoredAnswer
    text_json: bytes = field(repr=False)
    """The text as a JSON string."""


class AnswerMemory:
    """L0: the exact cache's answers that this process used last."""

    def __init__(self, max_bytes: int, *, ttl_s: float) -> None:
        """ttl_s: after it an answer is read from L1 again; when it turns stale it is gone in any case."""
        self._held: BoundedMemory[tuple[int, int, bytes], HeldAnswer] = BoundedMemory(max_bytes)
        self._ttl_s = ttl_s

    def get(self, tenant_id: int, version: int, fingerprint: bytes) -> HeldAnswer | None:
        """Return the answer of this fingerprint; version: of the tenant's policy that the call is held to."""
        held = self._held.get((tenant_id, version, fingerprint))
        if held is None:
            MEMORY.not_found += 1
        else:
            MEMORY.found += 1
        return held

    def put(self, tenant_id: int, version: int, fingerprint: bytes, answer: StoredAnswer) -> HeldAnswer:
        """Keep the answer for a while; version: of the policy under which it was read or made."""
        # A copy: what orjson returns keeps the buffer that it was written into, 4 KiB at least.
        held = HeldAnswer(answer, bytes(memoryview(orjson.dumps(answer.text))))
        self._held.put(
            (tenant_id, version, fingerprint),
            held,
            size=ENTRY_BYTES + sys.getsizeof(answer.text) + len(held.text_json) + _message_bytes(answer),
            ttl_s=min(self._ttl_s, answer.stale_at - time.time()),
        )
        MEMORY.bytes = self._held.bytes
        return held


def _message_bytes(answer: StoredAnswer) -> int:
    """Return about how much a provider's message takes besides its text: reasoning may be longer than it."""
    return sum(map(_bytes_of, answer.message.values()))


def _bytes_of(value: object) -> int:
    if isinstance(value, str):
        return sys.getsizeof(value)
    return 0 if value is None else _OBJECTS_TO_JSON * len(orjson.dumps(value))
