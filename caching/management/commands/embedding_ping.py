"""Wait until an embedding worker answers."""

import asyncio
import time
from argparse import ArgumentParser
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from caching.breaker import Breaker
from caching.embedding import CeleryEmbedder, EmbeddingUnavailable
from caching.vectors import Vector

_TRY_SECONDS = 2.0
_PAUSE_SECONDS = 0.25
_NO_TENANT = 0


class Command(BaseCommand):
    help = "Wait until an embedding worker has answered one text on the way that requests take; else exit 1."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="longest wait")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        started = time.monotonic()
        try:
            vector = asyncio.run(_ping(started + options["timeout"]))
        except EmbeddingUnavailable as error:
            raise CommandError(f"No embedding worker answered ({error.reason}).") from error
        waited = round(time.monotonic() - started, 3)
        shown = {"embedder": vector.embedder_id, "dimension": vector.dimension, "waited_s": waited}
        text = f"{vector.embedder_id} answered ({vector.dimension} dimensions) after {waited} s."
        self.stdout.write(orjson.dumps(shown).decode() if options["json"] else text)


async def _ping(deadline: float) -> Vector:
    """Ask again and again until the deadline (time.monotonic); raises the last EmbeddingUnavailable."""
    # The breaker would only slow the asking down; a cached vector would prove no worker.
    embedder = CeleryEmbedder(
        budget_seconds=_TRY_SECONDS, breaker=Breaker(failures_to_open=1_000_000), keep_vectors=False
    )
    await embedder.start()
    try:
        while True:
            try:
                return await embedder.embed(_NO_TENANT, "Is anybody there?")
            except EmbeddingUnavailable:
                if time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)
    finally:
        await embedder.stop()
