"""The way of a streamed answer from the upstream stage to whoever sends it to the caller.

The pipeline writes at one end while it runs on to its outcome, the door reads at the other. Little is held
between them: whoever reads slowly slows the upstream down.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.call import CacheReport, RouteReport
from gateway.errors import Refusal
from gateway.providers.dialect import Chunk
from routing.catalog import Target
from routing.pricing import Usage

#: Characters that wait for a slow caller before the upstream has to wait too.
_MOST_WAITING = 256 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """What is known of a call when its answer begins to come."""

    target: Target
    route: RouteReport
    cache: CacheReport
    attempts: tuple[Mapping[str, Any], ...]
    """Those that failed before, and this one as far as it has come."""
    created: int
    """Unix seconds."""
    began: float
    """When the call began to wait for upstream, on time.monotonic()."""
    first_token_ms: float
    """From then to the first piece."""
    body: Mapping[str, Any] = field(repr=False)
    """The question as the upstream has it."""


class Relay:
    """One streamed answer on its way."""

    def __init__(self) -> None:
        self.opening: Opening | None = None
        """Set before the first piece."""
        self.refusal: Refusal | None = None
        """Why the stream has to end early, if it has to (`end_early`)."""
        self.reported: Usage | None = None
        """What the provider has said of the usage so far."""
        self._chunks: list[Chunk] = []
        self._waiting = 0
        self._said: list[str] = []
        self._closed = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    @property
    def begun(self) -> bool:
        """Whether a piece of the answer has been passed on: it can't be taken back any more."""
        return self.opening is not None

    @property
    def said(self) -> str:
        """The text that was passed on so far, thoughts and the arguments of tools included."""
        return "".join(self._said)

    def open(self, opening: Opening) -> None:
        """Say what the first piece belongs to."""
        self.opening = opening

    async def send(self, chunk: Chunk) -> None:
        """Pass a piece on; waits while the caller has too much before them."""
        size = self._note(chunk)
        self._chunks.append(chunk)
        self._waiting += size
        _wake(self._reader)
        while self._waiting > _MOST_WAITING:
            self._writer = asyncio.get_running_loop().create_future()
            await self._writer

    def close(self) -> None:
        """Say that nothing comes any more."""
        self._closed = True
        _wake(self._reader)

    def end_early(self, refusal: Refusal) -> None:
        """Have the reader stop, though more may come."""
        self.refusal = refusal
        self.close()

    async def take(self) -> list[Chunk]:
        """Return the pieces that have come since the last time, waiting for one; empty when it is over."""
        await self.ready()
        if self.refusal is not None:
            return []
        taken, self._chunks, self._waiting = self._chunks, [], 0
        _wake(self._writer)
        return taken

    async def ready(self) -> None:
        """Wait until there is a piece to take or nothing comes any more."""
        while not self._chunks and not self._closed:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader

    def _note(self, chunk: Chunk) -> int:
        """Keep the texts of a piece, and its usage; return its length in characters, roughly."""
        self.reported = chunk.usage or self.reported
        size = 0
        for choice in chunk.choices:
            for name, value in choice["delta"].items():
                if isinstance(value, str):
                    size += len(value)
                    if name != "role":
                        self._said.append(value)
                elif value is not None:
                    size += len(str(value))
                    if name == "tool_calls":
                        self._said += _called(value)
        return size


def _called(calls: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what a piece of an answer says of tools that are to be called."""
    for call in calls:
        for name in ("name", "arguments"):
            if text := (call.get("function") or {}).get(name):
                yield text


def _wake(waiting: "asyncio.Future[None] | None") -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
