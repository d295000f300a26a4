"""An OpenAI-compatible upstream over real HTTP whose answers a test may change, in a thread of its own."""

import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import orjson
import uvicorn

from tests.demo_upstream import Demo, free_port

Message = MutableMapping[str, Any]
_START_SECONDS = 20.0


class ChangingUpstream:
    """The ASGI application."""

    def __init__(self) -> None:
        self.answer: Callable[[str], str] = lambda prompt: f"Nothing is known of {prompt}"
        """Answers the last message."""
        self.asked: list[Mapping[str, Any]] = []
        """The bodies of all requests."""
        self.status = 200
        self.port = 0

    @property
    def as_demo(self) -> Demo:
        """Where it is, as a house takes it."""
        return Demo(port=self.port)

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        body = orjson.loads(await _body(receive))
        self.asked.append(body)
        text = self.answer(body["messages"][-1]["content"])
        content = _completion(body["model"], text) if self.status == 200 else {"error": {"message": "no"}}
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [(b"content-type", b"application/json")],
            }
        )
        await send({"type": "http.response.body", "body": orjson.dumps(content)})


@contextmanager
def running_changing_upstream() -> Iterator[ChangingUpstream]:
    """Serve on a free port; it is ended with the block."""
    upstream = ChangingUpstream()
    upstream.port = free_port()
    config = uvicorn.Config(upstream, port=upstream.port, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + _START_SECONDS
    while not server.started and time.monotonic() < end:
        time.sleep(0.01)
    try:
        yield upstream
    finally:
        server.should_exit = True
        thread.join(10)


async def _body(receive: Callable[[], Awaitable[Message]]) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


def _completion(model: str, text: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
    }
