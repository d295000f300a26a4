"""The gateway's application behind a real socket, in the event loop of the test."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState


@asynccontextmanager
async def serving(protocol: type[HttpToolsProtocol], *, send_buffer: int | None = None) -> AsyncIterator[int]:
    """Serve the application in this event loop; give the port. send_buffer: bytes that the system may hold."""
    config = uvicorn.Config(
        "config.asgi:application", http=protocol, lifespan="off", log_config=None, access_log=False
    )
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"Sun, 22 Nov 2026 04:00:00 GMT")]
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    if send_buffer is not None:
        server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
