"""Whether this container's process works: `healthcheck.py web` or `healthcheck.py worker QUEUE`. Exit 0 or 1.

Light on purpose: it runs every few seconds, so the web check starts no Django.
"""

import http.client
import os
import socket
import subprocess
import sys

_SECONDS = 2.5
_WORKER_SECONDS = 15


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    if arguments[0] == "web":
        return 0 if web_is_alive(int(os.environ.get("PORT") or 8000)) else 1
    return worker_answers(arguments[1])


def web_is_alive(port: int) -> bool:
    """Ask /livez, which is answered at any address and without TLS."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def worker_answers(queue: str) -> int:
    """Ask the Celery worker of this host, not any of the same queue."""
    name = f"{queue}@{socket.gethostname()}"
    line = [sys.executable, "-m", "celery", "-A", "config", "inspect", "ping", "-t", "5", "-d", name]
    try:
        return subprocess.run(
            line, stdout=subprocess.DEVNULL, timeout=_WORKER_SECONDS, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
