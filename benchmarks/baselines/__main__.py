"""`python -m benchmarks.baselines NAME --port PORT`: serve a baseline as the gateway's web process is served."""

import argparse
import os
from collections.abc import Callable

import uvicorn
import uvloop

from benchmarks.baselines import reflector
from benchmarks.baselines.apps import CannedUpstream, EchoGet, echo

#: Handed over in the environment: it holds a password, and everybody can list a process's arguments.
REDIS_URL = "BENCH_REDIS_URL"

APPS: dict[str, Callable[[], object]] = {
    "echo": lambda: echo,
    "echo_get": lambda: EchoGet(os.environ[REDIS_URL]),
    "upstream": CannedUpstream,
}


def main() -> None:
    options = _options()
    if options.name == "reflector":
        uvloop.run(reflector.serve(options.port))
        return
    # Like config/server.py: another parser or loop would be another comparison.
    uvicorn.run(
        APPS[options.name](),  # type: ignore[arg-type]  # uvicorn's type of an application is narrower than ASGI
        host="127.0.0.1",
        port=options.port,
        http="httptools",
        loop="uvloop",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.baselines", description=__doc__)
    parser.add_argument("name", choices=[*APPS, "reflector"])
    parser.add_argument("--port", type=int, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
