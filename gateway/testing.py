"""A stand-in of the upstream, in memory; the contract test holds it to what the real client does."""

import time
from collections.abc import Mapping
from typing import Any

from gateway.deadlines import Deadlines
from gateway.failures import FailureKind, UpstreamFailure
from gateway.providers.dialect import Chunk
from gateway.upstream import OnChunk, UpstreamAnswer
from routing.catalog import EncryptedKey, ProviderAccess, Target
from routing.pricing import Usage


class ScriptedUpstream:
    """An Upstream that fails with the failures it was given, one per call, and answers every later call."""

    def __init__(self, *failures: UpstreamFailure, text: str = "The capital of France is Paris.") -> None:
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        """The model's name at the provider and the body, of each call."""
        self._failures = list(failures)
        self._text = text

    async def ask(
        self,
        target: Target,
        access: ProviderAccess,
        key: EncryptedKey | None,
        body: Mapping[str, Any],
        *,
        deadlines: Deadlines,
        on_chunk: OnChunk | None = None,
    ) -> UpstreamAnswer:
        if time.monotonic() >= deadlines.total_at:
            raise UpstreamFailure(FailureKind.TIMEOUT, detail="deadline")
        self.asked.append((target.upstream_name, body))
        if self._failures:
            raise self._failures.pop(0)
        message = {"role": "assistant", "content": self._text}
        if on_chunk is not None:
            await on_chunk(Chunk(choices=({"index": 0, "delta": message, "finish_reason": None},)))
            await on_chunk(Chunk(choices=({"index": 0, "delta": {}, "finish_reason": "stop"},)))
        return UpstreamAnswer(
            choices=({"index": 0, "message": message, "finish_reason": "stop"},),
            usage=Usage(input_tokens=11, output_tokens=7),
            estimated=False,
            upstream_id=f"scripted-{len(self.asked)}",
            first_token_ms=None if on_chunk is None else 1.0,
        )
