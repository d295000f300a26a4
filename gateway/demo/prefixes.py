"""The demo upstream's prompt cache: long beginnings of conversations that a key has sent before."""

import hashlib
from collections import OrderedDict
from typing import Any

import orjson

from gateway.demo.completion import prompt_tokens

#: As OpenAI documents it: nothing below this many tokens is kept.
LEAST_TOKENS = 1024
_KEPT = 10_000


class Prefixes:
    """Remembers the beginnings of conversations, each by the key that sent them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, None] = OrderedDict()

    def cached_tokens(self, authorization: str, body: dict[str, Any]) -> int:
        """Return how many tokens at the conversation's beginning are known already, and remember all of it."""
        tools = orjson.dumps(body.get("tools"))
        digest = hashlib.sha256(f"{authorization}|{body['model']}|".encode(errors="replace") + tools)
        total = cached = 0
        for message in body["messages"]:
            digest.update(orjson.dumps(message, option=orjson.OPT_SORT_KEYS))
            total += prompt_tokens(message)
            if total >= LEAST_TOKENS:
                cached = total if digest.digest() in self._kept else cached
                self._keep(digest.digest())
        return cached

    def _keep(self, digest: bytes) -> None:
        self._kept[digest] = None
        self._kept.move_to_end(digest)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
