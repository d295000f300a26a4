"""A socket that answers whatever comes with the same bytes, unread: it shows what the load generator can do."""

import asyncio
from typing import cast

_BODY = b'{"answer": "' + b"x" * 286 + b'"}'
RESPONSE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_BODY)
) + _BODY


class Reflector(asyncio.Protocol):
    """One connection, whose requests come in one piece each."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(RESPONSE)


async def serve(port: int) -> None:
    """Serve on loopback until cancelled."""
    server = await asyncio.get_running_loop().create_server(Reflector, "127.0.0.1", port)
    async with server:
        await server.serve_forever()
