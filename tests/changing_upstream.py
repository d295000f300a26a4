"""An OpenAI-compatible upstream over real HTTP whose answers a test may change, in a thread of its own."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson

from tests.demo_upstream import Demo, free_port
from tests.threaded_server import Message, body_of, served


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
        body = orjson.loads(await body_of(receive))
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
    with served(upstream, port=upstream.port):
        yield upstream


def _completion(model: str, text: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
    }
