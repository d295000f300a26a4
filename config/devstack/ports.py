"""Which TCP ports the stack's parts listen on: the same as last time where they are free."""

import json
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from config.devstack.home import StackError, write_private

LOOPBACK = "127.0.0.1"
DEFAULT_WEB_PORT = 8000


class PortBusyError(StackError):
    """A port that was asked for by name is taken."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # Servers set it too: without it a port in TIME_WAIT after a restart looks taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def find_free() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def choose_web_port(asked: str | None, free: Callable[[int], bool] = is_free) -> int:
    """The port of web: `asked` (the PORT variable) and no other; 8000 or any free one if none was asked.

    Raises PortBusyError when the asked port is taken, StackError when it is no port.
    """
    if not asked:
        return DEFAULT_WEB_PORT if free(DEFAULT_WEB_PORT) else find_free()
    if not asked.isdigit() or not 0 < int(asked) < 65536:
        raise StackError(f"PORT={asked!r} is not a port number (1 to 65535)")
    if not free(int(asked)):
        raise PortBusyError(
            f"port {asked} (from PORT) is in use; stop what listens there or set another PORT"
        )
    return int(asked)


def choose_ports(
    names: Iterable[str],
    remembered: Mapping[str, int],
    *,
    taken: Collection[int] = (),
    free: Callable[[int], bool] = is_free,
) -> dict[str, int]:
    """A port for each name, all different and none of `taken`: the remembered one or, if busy, a free one."""
    chosen: dict[str, int] = {}
    for name in names:
        port = remembered.get(name, 0)
        while not port or port in taken or port in chosen.values() or not free(port):
            port = find_free()
        chosen[name] = port
    return chosen


def read_ports(file: Path) -> dict[str, int]:
    """The ports written by `write_ports`; empty for a missing or damaged file (they are only a wish)."""
    try:
        kept = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return (
        {name: port for name, port in kept.items() if isinstance(port, int)} if isinstance(kept, dict) else {}
    )


def write_ports(file: Path, ports: Mapping[str, int]) -> None:
    """Keeps the ports for the next start."""
    write_private(file, json.dumps(dict(ports), indent=1))
