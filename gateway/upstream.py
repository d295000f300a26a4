"""Asking a model at a provider, over HTTP, in the provider's own dialect.

Nothing that a provider writes is trusted: sizes are capped, times bounded, every part of an answer is
checked, and none of its words, nor a key, get into an exception or a log line.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn, Protocol

import httpx
from django.conf import settings

from gateway import tokens
from gateway.address_guard import GuardedTransport
from gateway.deadlines import Deadlines
from gateway.failures import FailureKind, UpstreamFailure
from gateway.providers import dialect_of
from gateway.providers.dialect import (
    Completion,
    Dialect,
    InvalidCompletion,
    ProviderError,
    ProviderRequest,
    Unsupported,
)
from gateway.providers.gemini import retry_delay
from gateway.retry import parse_retry_after
from gateway.upstream_stream import Clock, OnChunk, StreamReading, read_body
from routing.base_urls import parse_networks
from routing.catalog import EncryptedKey, ProviderAccess, Target
from routing.pricing import Usage
from routing.secrets import CannotOpen, open_key

__all__ = ["FailureKind", "HttpxUpstream", "OnChunk", "Upstream", "UpstreamAnswer", "UpstreamFailure"]

_MAX_CONNECTIONS = 1000
_IDLE_SECONDS = 30.0
_ERROR_BODY_BYTES = 64 * 1024
#: Longer bodies are written in pieces, with a look at other calls between them.
_PIECE_BYTES = 256 * 1024
_JSON, _EVENTS = "application/json", "text/event-stream"
_HEADERS = {
    # Nothing is decoded, so that a small body can't become a huge one.
    "accept-encoding": "identity",
    "content-type": _JSON,
    "user-agent": "halfpenny",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class UpstreamAnswer(Completion):
    """A complete, checked answer in OpenAI's form, and its usage in any case."""

    usage: Usage
    estimated: bool
    """The provider's usage was missing or absurd; it is our own count instead."""
    first_token_ms: float | None = None
    """From the sending of the question to the first piece of the answer; None for one that came whole."""


class Upstream(Protocol):
    """Whatever answers questions behind the gateway."""

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
        """Make one attempt. Raises UpstreamFailure.

        key: one of the provider's; None for a provider without any. body: OpenAI's fields besides model and
        stream. on_chunk: ask for a stream, and give each piece to this as it comes.
        """
        ...


class HttpxUpstream:
    """Speaks to providers over connections that are kept and reused across calls.

    httpx's transports are called directly: what its client would add to a call (merging of headers and
    cookies, redirects, authentication, proxies by the environment) is either not wanted or done once, here.
    """

    def __init__(self) -> None:
        """Take the limits from the settings."""
        allowed = parse_networks(settings.UPSTREAM_ALLOWED_NETWORKS)
        limits = httpx.Limits(max_connections=_MAX_CONNECTIONS, keepalive_expiry=_IDLE_SECONDS)
        self._transports = {
            "https": GuardedTransport(allowed, limits),
            # Without TLS a key would cross the public internet in the clear.
            "http": GuardedTransport(allowed, limits, public=False),
        }

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            await transport.aclose()

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
        """Make one attempt, in the provider's dialect, at its base URL."""
        dialect = dialect_of(access.kind)
        request = _request(dialect, target, access, key, body, stream=on_chunk is not None)
        started = time.monotonic()
        reading: StreamReading | None = None
        kind = FailureKind.TIMEOUT
        try:
            async with asyncio.timeout(deadlines.total_at - started) as timeout:
                if on_chunk is None:
                    completion = await self._whole(dialect, access, request, deadlines)
                else:
                    reading = _stream_reading(dialect, on_chunk, timeout, deadlines, started)
                    completion = await self._streamed(dialect, access, request, reading)
        except TimeoutError:
            kind = reading.clock.kind if reading else kind
            failure = UpstreamFailure(kind, detail="deadline")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failure = UpstreamFailure(_kind_of(error), detail=type(error).__name__)
        else:
            usage = completion.usage or await tokens.in_background(
                tokens.estimate_usage, body, completion.choices, target.upstream_name
            )
            return _answer(completion, usage, started, reading)
        # Raised out here, so that the original, which holds the request and its key, is not chained to it.
        raise failure

    async def _whole(
        self, dialect: Dialect, access: ProviderAccess, request: ProviderRequest, deadlines: Deadlines
    ) -> Completion:
        async with self._answering(access, request, _JSON, deadlines.connect_s) as response:
            await _check_head(dialect, response, _JSON)
            raw = await read_body(response, settings.UPSTREAM_MAX_ANSWER_BYTES)
        try:
            return dialect.read(raw)
        except InvalidCompletion as error:
            failure = UpstreamFailure(FailureKind.INVALID_RESPONSE, status=200, detail=str(error))
        except ProviderError as error:
            failure = UpstreamFailure(error.kind, status=200, detail="an error in an answer of status 200")
        raise failure

    async def _streamed(
        self, dialect: Dialect, access: ProviderAccess, request: ProviderRequest, reading: StreamReading
    ) -> Completion:
        connect_s = reading.deadlines.connect_s
        async with self._answering(access, request, _EVENTS, connect_s) as response:
            await _check_head(dialect, response, _EVENTS)
            return await reading.read(response)

    @asynccontextmanager
    async def _answering(
        self, access: ProviderAccess, request: ProviderRequest, accept: str, connect_s: float
    ) -> AsyncIterator[httpx.Response]:
        """Send the request; the connection is given back, or closed, at the end of the block."""
        url = _url(access.base_url, request.path)
        transport = self._transports.get(url.scheme)
        if transport is None:
            raise httpx.UnsupportedProtocol("neither http nor https")
        content = request.content
        sent = httpx.Request(
            "POST",
            url,
            headers={**_HEADERS, "accept": accept, "content-length": str(len(content)), **request.headers},
            content=content if len(content) <= _PIECE_BYTES else _Pieces(content),
            extensions={"timeout": {"connect": connect_s}},
        )
        response = await transport.handle_async_request(sent)
        try:
            yield response
        finally:
            await response.aclose()


def _request(
    dialect: Dialect,
    target: Target,
    access: ProviderAccess,
    key: EncryptedKey | None,
    body: Mapping[str, Any],
    *,
    stream: bool,
) -> ProviderRequest:
    secret = _secret(access, key) if key else ""
    try:
        return dialect.request(target.upstream_name, body, secret, stream=stream)
    except Unsupported as error:
        param = error.param
    raise UpstreamFailure(FailureKind.UNSUPPORTED, detail=param, param=param)


def _secret(access: ProviderAccess, key: EncryptedKey) -> str:
    """Return the key as text that a header can hold."""
    try:
        secret = open_key(access.id, key).get_secret_value()
    except CannotOpen:
        detail = "the provider key can't be decrypted"
    else:
        if secret.isascii() and secret.isprintable():
            return secret
        detail = "the provider key can't be in a header"
    raise UpstreamFailure(FailureKind.REFUSED_KEY, detail=detail)


def _stream_reading(
    dialect: Dialect, on_chunk: OnChunk, timeout: asyncio.Timeout, deadlines: Deadlines, started: float
) -> StreamReading:
    """Return what reads the stream; the first piece is waited for from now on."""
    total_at = asyncio.get_running_loop().time() + deadlines.total_at - started
    clock = Clock(timeout=timeout, total_at=total_at)
    clock.within(deadlines.first_token_s, FailureKind.TIMEOUT)
    return StreamReading(
        chunks=dialect.reader(),
        on_chunk=on_chunk,
        clock=clock,
        deadlines=deadlines,
        most_bytes=settings.UPSTREAM_MAX_ANSWER_BYTES,
    )


def _answer(
    completion: Completion, usage: Usage, started: float, reading: StreamReading | None
) -> UpstreamAnswer:
    first_at = reading.first_at if reading else None
    return UpstreamAnswer(
        choices=completion.choices,
        usage=usage,
        estimated=completion.usage is None,
        upstream_id=completion.upstream_id,
        first_token_ms=None if first_at is None else max(0.0, (first_at - started) * 1000),
    )


@lru_cache(maxsize=1024)
def _url(base_url: str, path: str) -> httpx.URL:
    return httpx.URL(base_url.rstrip("/") + path)


class _Pieces:
    """A long body; it can be read again, for a request that is sent once more."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), _PIECE_BYTES):
            yield self._content[start : start + _PIECE_BYTES]


async def _check_head(dialect: Dialect, response: httpx.Response, media_type: str) -> None:
    """Raises UpstreamFailure unless this is an answer of the kind that was asked for."""
    if response.status_code != 200:
        await _refuse_status(dialect, response)
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise UpstreamFailure(FailureKind.INVALID_RESPONSE, status=200, detail="encoded body")
    if response.headers.get("content-type", "").partition(";")[0].strip().lower() != media_type:
        raise UpstreamFailure(
            FailureKind.INVALID_RESPONSE, status=200, detail=f"not {media_type} by its type"
        )


async def _refuse_status(dialect: Dialect, response: httpx.Response) -> NoReturn:
    status = response.status_code
    try:
        raw = await read_body(response, _ERROR_BODY_BYTES)
    except UpstreamFailure:
        raw = b""
    kind = FailureKind.REDIRECT if 300 <= status < 400 else dialect.failure_kind(status, raw)
    retry_after = parse_retry_after(response.headers, time.time())
    if retry_after is None:
        # Google tells it in the error itself.
        retry_after = retry_delay(raw)
    raise UpstreamFailure(kind, status=status, retry_after=retry_after)


def _kind_of(error: httpx.HTTPError | httpx.InvalidURL) -> FailureKind:
    """Kinds of trouble before an answer's head; no time limit but the deadline's applies after connecting."""
    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
        return FailureKind.TIMEOUT
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return FailureKind.REFUSED_REQUEST
    return FailureKind.CONNECT
