"""Asking a model at a provider, over HTTP, OpenAI-compatible.

Nothing that a provider writes is trusted: sizes are capped, times bounded, every part of an answer is
checked, and none of its words, nor a key, get into an exception or a log line.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any, NoReturn, Protocol

import httpx
import orjson
from django.conf import settings

from gateway import completion
from gateway.address_guard import GuardedTransport
from gateway.completion import InvalidCompletion
from gateway.failures import FailureKind, UpstreamFailure
from gateway.retry import parse_retry_after
from routing.base_urls import parse_networks
from routing.catalog import ProviderAccess, Target
from routing.pricing import Usage
from routing.secrets import CannotOpen, open_key

__all__ = ["FailureKind", "HttpxUpstream", "Upstream", "UpstreamAnswer", "UpstreamFailure"]

_MAX_CONNECTIONS = 1000
_IDLE_SECONDS = 30.0
_ERROR_BODY_BYTES = 64 * 1024
#: Longer bodies are written in pieces, with a look at other calls between them.
_PIECE_BYTES = 256 * 1024
_HEADERS = {
    "accept": "application/json",
    # Nothing is decoded, so that a small body can't become a huge one.
    "accept-encoding": "identity",
    "content-type": "application/json",
    "user-agent": "halfpenny",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class UpstreamAnswer:
    """A complete, checked answer."""

    message: dict[str, Any] = field(repr=False)
    """The assistant's message as the provider sent it."""
    text: str = field(repr=False)
    """Its content; empty for tool calls alone."""
    finish_reason: str
    usage: Usage
    estimated: bool
    """The provider's usage was missing or absurd; it is our own estimate instead."""
    upstream_id: str
    """The provider's id of the answer, if it gave a plain one."""


class Upstream(Protocol):
    """Whatever answers questions behind the gateway."""

    async def ask(
        self, target: Target, access: ProviderAccess, body: Mapping[str, Any], *, deadline: float
    ) -> UpstreamAnswer:
        """Make one attempt. `deadline` is on the clock of time.monotonic(). Raises UpstreamFailure."""
        ...


class HttpxUpstream:
    """Speaks to OpenAI-compatible providers; connections are kept and reused across calls.

    httpx's transports are called directly: what its client would add to a call (merging of headers and
    cookies, redirects, authentication, proxies by the environment) is either not wanted or done once, here.
    """

    def __init__(self) -> None:
        """Take the limits from the settings."""
        allowed = parse_networks(settings.UPSTREAM_ALLOWED_NETWORKS)
        limits = httpx.Limits(max_connections=_MAX_CONNECTIONS, keepalive_expiry=_IDLE_SECONDS)
        seconds = settings.UPSTREAM_CONNECT_SECONDS
        self._transports = {
            "https": GuardedTransport(allowed, limits, connect_seconds=seconds),
            # Without TLS a key would cross the public internet in the clear.
            "http": GuardedTransport(allowed, limits, connect_seconds=seconds, public=False),
        }
        self._extensions = {"timeout": {"connect": seconds}}
        self._turns: Iterator[int] = count()

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            await transport.aclose()

    async def ask(
        self, target: Target, access: ProviderAccess, body: Mapping[str, Any], *, deadline: float
    ) -> UpstreamAnswer:
        """Make one attempt: `body` with the target's own model name, under one of the provider's keys."""
        content = orjson.dumps({**body, "model": target.upstream_name})
        headers = {**_HEADERS, "content-length": str(len(content)), **self._authorization(access)}
        raw = await self._post(access.base_url, headers, content, deadline)
        return _read_answer(raw, body)

    def _authorization(self, access: ProviderAccess) -> dict[str, str]:
        """Return the header of the provider's next key in turn; none for providers without keys."""
        if not access.encrypted_keys:
            return {}
        key = access.encrypted_keys[next(self._turns) % len(access.encrypted_keys)]
        try:
            secret = open_key(access.id, key).get_secret_value()
        except CannotOpen:
            detail = "the provider key can't be decrypted"
        else:
            if secret.isascii() and secret.isprintable():
                return {"authorization": f"Bearer {secret}"}
            detail = "the provider key can't be in a header"
        raise UpstreamFailure(FailureKind.REFUSED_KEY, detail=detail)

    async def _post(self, base_url: str, headers: dict[str, str], content: bytes, deadline: float) -> bytes:
        """Return the body of a successful answer. Raises UpstreamFailure."""
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await self._exchange(_chat_url(base_url), headers, content)
        except TimeoutError:
            failure = UpstreamFailure(FailureKind.TIMEOUT, detail="deadline")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failure = UpstreamFailure(_kind_of(error), detail=type(error).__name__)
        # Raised out here, so that the original, which holds the request and its key, is not chained to it.
        raise failure

    async def _exchange(self, url: httpx.URL, headers: dict[str, str], content: bytes) -> bytes:
        transport = self._transports.get(url.scheme)
        if transport is None:
            raise httpx.UnsupportedProtocol("neither http nor https")
        body = content if len(content) <= _PIECE_BYTES else _Pieces(content)
        request = httpx.Request("POST", url, headers=headers, content=body, extensions=self._extensions)
        response = await transport.handle_async_request(request)
        try:
            return await _read_success(response)
        finally:
            await response.aclose()


@lru_cache(maxsize=1024)
def _chat_url(base_url: str) -> httpx.URL:
    return httpx.URL(f"{base_url.rstrip('/')}/chat/completions")


class _Pieces:
    """A long body; it can be read again, for a request that is sent once more."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), _PIECE_BYTES):
            yield self._content[start : start + _PIECE_BYTES]


async def _read_success(response: httpx.Response) -> bytes:
    if response.status_code != 200:
        await _refuse_status(response)
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise UpstreamFailure(FailureKind.INVALID_RESPONSE, status=200, detail="encoded body")
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UpstreamFailure(FailureKind.INVALID_RESPONSE, status=200, detail="not JSON by its type")
    return await _read_body(response, settings.UPSTREAM_MAX_ANSWER_BYTES)


async def _read_body(response: httpx.Response, most: int) -> bytes:
    """Return the body, read in pieces; a broken or over-long one is a failure."""
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
    raise UpstreamFailure(FailureKind.INVALID_RESPONSE, status=response.status_code, detail=detail)


async def _refuse_status(response: httpx.Response) -> NoReturn:
    status = response.status_code
    retry_after = parse_retry_after(response.headers, time.time())
    kind = _kind_of_status(status)
    if status == 429 and await _says_out_of_quota(response):
        kind = FailureKind.OUT_OF_QUOTA
    raise UpstreamFailure(kind, status=status, retry_after=retry_after)


async def _says_out_of_quota(response: httpx.Response) -> bool:
    """Whether the error's code is OpenAI's for missing credit; unreadable bodies say nothing."""
    try:
        error = orjson.loads(await _read_body(response, _ERROR_BODY_BYTES))["error"]
        return "insufficient_quota" in (error.get("code"), error.get("type"))
    except (UpstreamFailure, orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return False


def _kind_of_status(status: int) -> FailureKind:
    known = {
        401: FailureKind.REFUSED_KEY,
        402: FailureKind.OUT_OF_QUOTA,
        403: FailureKind.REFUSED_KEY,
        404: FailureKind.UNKNOWN_MODEL,
        408: FailureKind.TIMEOUT,
        429: FailureKind.RATE_LIMITED,
    }
    by_class = {3: FailureKind.REDIRECT, 4: FailureKind.REFUSED_REQUEST, 5: FailureKind.OVERLOADED}
    return known.get(status) or by_class.get(status // 100, FailureKind.INVALID_RESPONSE)


def _kind_of(error: httpx.HTTPError | httpx.InvalidURL) -> FailureKind:
    """Kinds of trouble before an answer's head; no time limit but the deadline's applies after connecting."""
    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
        return FailureKind.TIMEOUT
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return FailureKind.REFUSED_REQUEST
    return FailureKind.CONNECT


def _read_answer(raw: bytes, body: Mapping[str, Any]) -> UpstreamAnswer:
    try:
        read = completion.read(raw)
    except InvalidCompletion as error:
        detail = str(error)
    else:
        usage = completion.read_usage(read.usage)
        return UpstreamAnswer(
            message=read.message,
            text=read.text,
            finish_reason=read.finish_reason,
            usage=usage or completion.estimate_usage(body, read.text),
            estimated=usage is None,
            upstream_id=read.upstream_id,
        )
    raise UpstreamFailure(FailureKind.INVALID_RESPONSE, status=200, detail=detail)
