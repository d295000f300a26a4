"""An OpenAI-compatible upstream over real HTTP that treats each provider key in its own way, for tests."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.demo_upstream import free_port
from tests.threaded_server import Message, body_of, served


@dataclass(kw_only=True)
class Manner:
    """How a key, or a model, is answered."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 10**9
    """After so many calls all is well again."""
    code: str = "broken"
    """The error's."""


class KeyedUpstream:
    """The ASGI application. `calls` counts what each secret and each model was asked."""

    def __init__(self) -> None:
        self.manners: dict[str, Manner] = {}
        """By secret or by model; the secret's first."""
        self.calls: Counter[str] = Counter()
        self.port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        body = orjson.loads(await body_of(receive))
        secret = dict(scope["headers"]).get(b"authorization", b"").decode().removeprefix("Bearer ")
        self.calls.update([secret, body["model"], "all"])
        manner = self.manners.get(secret) or self.manners.get(body["model"]) or Manner()
        manner.times -= 1
        if manner.status == 200 or manner.times < 0:
            await _send(send, 200, _answer(body["model"]), {})
        else:
            error = {"error": {"message": f"no, {secret}", "type": manner.code, "code": manner.code}}
            await _send(send, manner.status, error, manner.headers)


@contextmanager
def running_keyed_upstream() -> Iterator[KeyedUpstream]:
    """Serve on a free port from a thread of its own; it is ended with the block."""
    upstream = KeyedUpstream()
    upstream.port = free_port()
    with served(upstream, port=upstream.port):
        yield upstream


def _answer(model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": "Madrid."}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }


async def _send(
    send: Callable[[Message], Awaitable[None]],
    status: int,
    content: dict[str, Any],
    more: Mapping[str, str],
) -> None:
    headers = [(b"content-type", b"application/json")]
    headers += [(name.encode(), value.encode()) for name, value in more.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(content)})
