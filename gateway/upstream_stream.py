"""Reading what a provider sends, as it comes: bounded in size and time, trusted in nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import httpx

from gateway.assembly import AnswerTooLarge, Assembly
from gateway.deadlines import Deadlines
from gateway.failures import FailureKind, UpstreamFailure
from gateway.providers.dialect import Chunk, ChunkReader, Completion, InvalidCompletion, ProviderError
from gateway.sse import SseBroken, SseEvent, SseReader, SseTooLarge

OnChunk = Callable[[Chunk], Awaitable[None]]
"""Takes each piece of a streamed answer as it comes; may wait."""

#: What a stream may have more than its answer: names, ids and braces around each piece.
_FRAMING = 8
#: How long the end of a stream is waited for behind its end marker, so that the connection can be used again.
_END_SECONDS = 0.05


async def read_body(response: httpx.Response, most: int) -> bytes:
    """Return the whole body. Raises UpstreamFailure for a broken or over-long one."""
    too_large = UpstreamFailure(FailureKind.TOO_LARGE, status=response.status_code)
    announced = response.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise too_large
    body = bytearray()
    try:
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > most:
                raise too_large
    except httpx.HTTPError as error:
        detail = f"broken off: {type(error).__name__}"
    else:
        return bytes(body)
    raise UpstreamFailure(FailureKind.TRUNCATED, status=response.status_code, detail=detail)


@dataclass(kw_only=True)
class Clock:
    """The deadline that holds at the moment, of a stream that is read under one asyncio.timeout."""

    timeout: asyncio.Timeout
    total_at: float
    """On the clock of the event loop."""
    kind: FailureKind = FailureKind.TIMEOUT
    """What the failure is called when the deadline passes."""
    _next: tuple[float, FailureKind] = (0.0, FailureKind.TIMEOUT)

    def within(self, seconds: float, kind: FailureKind) -> None:
        """The next event has to come within so many seconds."""
        self._next = (asyncio.get_running_loop().time() + seconds, kind)
        self.resume()

    def pause(self) -> None:
        """It is not the upstream that is waited for: only the whole attempt has its end."""
        self.kind = FailureKind.TIMEOUT
        self.timeout.reschedule(self.total_at)

    def resume(self) -> None:
        """Wait for the next event again, until when it was to come."""
        at, kind = self._next
        self.kind = kind if at < self.total_at else FailureKind.TIMEOUT
        self.timeout.reschedule(min(at, self.total_at))


@dataclass(kw_only=True)
class StreamReading:
    """One stream: passes its pieces on as they come and puts them together."""

    chunks: ChunkReader
    on_chunk: OnChunk
    clock: Clock
    deadlines: Deadlines
    most_bytes: int
    first_at: float | None = None
    """When the first piece came, on the clock of the event loop."""
    _events: SseReader = field(default_factory=SseReader)

    async def read(self, response: httpx.Response) -> Completion:
        """Return the whole answer. Raises UpstreamFailure; a deadline's TimeoutError is for the caller."""
        assembly = Assembly(most_characters=self.most_bytes)
        read = 0
        try:
            async for piece in _pieces(response, self.chunks):
                read += len(piece)
                if read > _FRAMING * self.most_bytes:
                    raise UpstreamFailure(FailureKind.TOO_LARGE, status=200)
                await self._take(self._events.feed(piece), assembly)
            if self.chunks.ended:
                return assembly.completion()
        except (SseTooLarge, AnswerTooLarge):
            failure = UpstreamFailure(FailureKind.TOO_LARGE, status=200)
        except (SseBroken, InvalidCompletion) as error:
            failure = UpstreamFailure(FailureKind.INVALID_RESPONSE, status=200, detail=str(error))
        except ProviderError as error:
            failure = UpstreamFailure(error.kind, status=200, detail="an error in a stream")
        except httpx.HTTPError as error:
            failure = UpstreamFailure(FailureKind.TRUNCATED, status=200, detail=type(error).__name__)
        else:
            failure = UpstreamFailure(
                FailureKind.TRUNCATED, status=200, detail="ended without its end marker"
            )
        # Raised out here, so that what the provider sent is not chained to it.
        raise failure

    async def _take(self, events: list[SseEvent], assembly: Assembly) -> None:
        """Take what came. Comments and single bytes are no events: they put no deadline off."""
        if not events:
            return
        # How long the caller takes is not the upstream's fault.
        self.clock.pause()
        for event in events:
            chunk = self.chunks.read(event)
            if chunk is None:
                continue
            assembly.add(chunk)
            if chunk.choices:
                if self.first_at is None:
                    self.first_at = asyncio.get_running_loop().time()
                await self.on_chunk(chunk)
        if self.first_at is None:
            self.clock.resume()
        else:
            self.clock.within(self.deadlines.between_chunks_s, FailureKind.STALLED)


async def _pieces(response: httpx.Response, chunks: ChunkReader) -> AsyncIterator[bytes]:
    """Yield the body as it comes; after the end marker what is left of it, if it comes soon."""
    pieces = aiter(response.aiter_raw())
    while True:
        try:
            if chunks.ended:
                async with asyncio.timeout(_END_SECONDS):
                    piece = await anext(pieces)
            else:
                piece = await anext(pieces)
        except (StopAsyncIteration, TimeoutError):
            return
        except httpx.HTTPError:
            # What comes behind the end marker, and how, is of no matter.
            if chunks.ended:
                return
            raise
        yield piece
