"""The life of a web process: the gateway's parts start before the first request and stop after the last."""

import gc
import logging
from collections.abc import Callable
from typing import Any

from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope

from gateway import runtime

log = logging.getLogger(__name__)

#: Full collections are a fifth as frequent as by Python's default: they walk all that memory holds, half a second
#: and more with ten thousand active tenants, in which nothing is answered, and were half of all CPU while answers
#: and plans kept replacing each other. What died in cycles waits longer for it (docs/performance.md).
_COLLECTIONS = (700, 10, 50)


class Lifespan:
    """Answers the ASGI lifespan protocol; everything else passes through."""

    def __init__(
        self, application: ASGI3Application, at_once: Callable[[dict[str, Any], bytes], object] | None = None
    ) -> None:
        """at_once: what our server may ask before it runs the application (config.whole_answers)."""
        self._application = application
        self.at_once = at_once

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "lifespan":
            await self._application(scope, receive, send)
            return
        await receive()
        await runtime.parts()
        # What start-up made stays for good: collections that walk it all again would hold up answers.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_COLLECTIONS)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await runtime.stop()
        await send({"type": "lifespan.shutdown.complete"})


def drain() -> None:
    """Refuse new questions from now on; safe in a signal handler."""
    runtime.drain()


def end_calls() -> None:
    """Have every call that is still under way end with an error."""
    if parts := runtime.at_hand():
        parts.end_calls()
