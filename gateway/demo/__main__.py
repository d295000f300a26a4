"""`python -m gateway.demo`: serve the demo upstream until told to stop."""

import argparse
import os

import uvicorn

from gateway.demo.app import DemoUpstream


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m gateway.demo", description="A small, deterministic stand-in for an LLM provider."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--latency-ms",
        type=int,
        default=int(os.environ.get("DEMO_LATENCY_MS") or 1000),
        help="how long an answer takes (default: DEMO_LATENCY_MS or 1000)",
    )
    options = parser.parse_args()
    uvicorn.run(
        DemoUpstream(latency_ms=options.latency_ms),
        host=options.host,
        port=options.port,
        http="httptools",
        lifespan="off",
        log_level="warning",
        access_log=False,
        # Calls that hang on purpose must not hold up the end.
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
