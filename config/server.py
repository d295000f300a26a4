"""The web server: uvicorn with one pinned parser and loop, and a drain that ends before the server's limit.

    python -m config.server --host 127.0.0.1 --port 8000

On SIGTERM `/readyz` turns 503 and new questions are refused with `draining`, while those in flight finish. What is
still under way shortly before the limit ends with `draining` too, streams with an error event: at the limit the
server would cut it off, with a bare 500 at best, and records of streams would be lost.
"""

import argparse
import asyncio
import os
import socket
from types import FrameType

import uvicorn

from config.whole_answers import WholeAnswerProtocol, close_slow

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


#: How long before the server's limit calls are ended: time for their last words and their records.
_LAST_WORDS_SECONDS = 2.0
#: uvicorn ticks ten times a second.
_SLOW_TICKS = 10


class DrainingServer(uvicorn.Server):
    """Tells the gateway that it drains as soon as the signal comes, not when the sockets are closed."""

    def __init__(self, config: uvicorn.Config, *, request_seconds: float) -> None:
        """request_seconds: longest that a request, its body included, may take to come in."""
        super().__init__(config)
        self.request_seconds = request_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        from gateway import lifespan  # noqa: PLC0415 (Django is set up by the time a signal comes)

        lifespan.drain()
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if counter % _SLOW_TICKS == 0:
            close_slow(list(self.server_state.connections), self.request_seconds)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        from gateway import lifespan  # noqa: PLC0415 (as above)

        limit = self.config.timeout_graceful_shutdown
        if limit is not None:
            wait = max(limit / 2, limit - _LAST_WORDS_SECONDS)
            asyncio.get_running_loop().call_later(wait, lifespan.end_calls)
        await super().shutdown(sockets)


def main() -> None:
    options = _options()
    server = DrainingServer(
        uvicorn.Config(
            "config.asgi:application",
            host=options.host,
            port=options.port,
            # httptools refuses request smuggling that h11 lets through; the header guard bounds its headers.
            http=WholeAnswerProtocol,
            loop="uvloop",
            ws="websockets-sansio",
            ws_max_size=64 * 1024,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            # Also, its middleware would hide the application's `at_once`.
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=options.drain_seconds,
        ),
        request_seconds=options.request_seconds,
    )
    server.run()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m config.server", description="Serve Halfpenny.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--drain-seconds", type=int, default=20, help="longest wait for calls in flight")
    parser.add_argument(
        "--request-seconds", type=float, default=60, help="longest that a request may take to come in"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
