"""Measure how the semantic cache's search fares as entries grow."""

import asyncio
import json
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from typing import Any, cast
from uuid import UUID, uuid4

import numpy as np
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from numpy.typing import NDArray

from caching import answers, sweeps
from caching.answers import StoredAnswer
from caching.semantic import EXACT_UP_TO, PostgresSemanticStore
from caching.vectors import vector_of
from tenants.database import TenantDatabase

EMBEDDER = "l2-growth"
#: Far from any real tenant's number.
FIRST_TENANT = 1_000_000_000
SCOPE = b"l2-growth".ljust(32, b".")
DIMENSION = 384
_TOPICS = 2_000
#: Entries of a topic have about the cosine 0.64 to each other, a question about 0.94 to the entry it rephrases.
_SPREAD, _REPHRASED = 0.75, 0.45
_SEED = 7
_SECONDS = 10.0

Vectors = NDArray[np.float32]

_COPY = """
COPY caching_cacheentry (tenant_id, id, fingerprint, scope, embedder_id, vector, question, answer, model, provider,
    complexity, key_public_id, request_id, expires_at) FROM STDIN
"""


class Command(BaseCommand):
    help = (
        "Fill the semantic cache with made-up entries of tenants whose sizes follow Zipf's law, and search it at"
        " each size as requests do: latency of searches, and whether the nearest entry was found (recall@1 against"
        " an exact search). Everything is deleted at the end. For development databases only."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
        parser.add_argument("--tenants", type=int, default=1_000)
        parser.add_argument("--searches", type=int, default=1_000, help="at each size")
        parser.add_argument(
            "--repeats", type=int, default=3, help="each search counts as its quickest of so many (default 3)"
        )
        parser.add_argument("--exact-up-to", type=int, default=EXACT_UP_TO, metavar="ENTRIES")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        if settings.HALFPENNY_ENV != "development":
            raise CommandError("l2_growth fills the semantic cache: it runs on development databases only.")
        sizes = sorted(options["sizes"])
        world = _World(entries=sizes[-1], tenants=options["tenants"])
        _clear()
        try:
            report = [_measure(world, size, options) for size in sizes]
        finally:
            _clear()
        if options["json"]:
            self.stdout.write(json.dumps({"exact_up_to": options["exact_up_to"], "sizes": report}))
            return
        for row in report:
            self.stdout.write("  ".join(f"{name} {value}" for name, value in row.items()))


class _World:
    """Entries to be: each has a tenant and a vector near one of many topics."""

    def __init__(self, *, entries: int, tenants: int) -> None:
        random = np.random.default_rng(_SEED)
        shares = 1.0 / np.arange(1, tenants + 1)
        self.tenants = random.choice(tenants, size=entries, p=shares / shares.sum())
        topics = _unit(random.normal(size=(_TOPICS, DIMENSION)))
        self.vectors = _near(topics[random.integers(0, _TOPICS, entries)], _SPREAD, random)
        self._random = random

    def questions(self, size: int, count: int) -> list[tuple[int, Vectors, Vectors]]:
        """Return tenant, question's vector and its tenant's vectors among the first `size` entries."""
        asked = self._random.integers(0, size, count)
        rephrased = _near(self.vectors[asked], _REPHRASED, self._random)
        owners = self.tenants[:size]
        return [
            (int(owners[entry]), vector, self.vectors[:size][owners == owners[entry]])
            for entry, vector in zip(asked, rephrased, strict=True)
        ]


def _near(centres: Vectors, spread: float, random: np.random.Generator) -> Vectors:
    return _unit(centres + spread * random.normal(size=centres.shape) / np.sqrt(DIMENSION))


def _unit(rows: NDArray[Any]) -> Vectors:
    unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _measure(world: _World, size: int, options: dict[str, Any]) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM caching_cacheentry WHERE embedder_id = %s", [EMBEDDER])
        held = int(cursor.fetchone()[0])
        # Without an entry the embedder is unknown; after all of them its index would be built instead of grown.
        for first, last in ((held, min(held + 1, size)), (min(held + 1, size), size)):
            _fill(cursor, world, range(first, last))
            sweeps.ensure_vector_indexes()
        cursor.execute("VACUUM ANALYZE caching_cacheentry")
    questions = world.questions(size, options["searches"])
    seconds, found = asyncio.run(_search(questions, options["exact_up_to"], options["repeats"]))
    milliseconds = 1000 * np.array(seconds)
    return {
        "entries": size,
        "largest_tenant": int(np.bincount(world.tenants[:size]).max()),
        "searches": len(questions),
        **{f"p{share}_ms": round(float(np.percentile(milliseconds, share)), 2) for share in (50, 95, 99)},
        "recall_at_1": round(sum(found) / len(found), 4),
    }


def _fill(cursor: Any, world: _World, places: range) -> None:
    with cursor.copy(_COPY) as copy:
        for row in _rows(world, places):
            copy.write_row(row)


def _rows(world: _World, places: range) -> Iterator[Sequence[object]]:
    for place in places:
        answer = _answer(place)
        yield (
            FIRST_TENANT + int(world.tenants[place]),
            answer.entry,
            place.to_bytes(32),
            SCOPE,
            EMBEDDER,
            "[" + ",".join(f"{value:.5f}" for value in world.vectors[place]) + "]",
            f"made-up question {place}",
            answers.dump(answer).decode(),
            *(answer.model, answer.provider, answer.complexity, answer.key_public_id, answer.request_id),
            "2100-01-01",
        )


def _answer(place: int) -> StoredAnswer:
    now = time.time()
    return StoredAnswer(
        entry=UUID(int=place + 1),
        text="A made-up answer. " * 20,
        message={"role": "assistant", "content": "A made-up answer. " * 20},
        model="made-up",
        provider="made-up",
        finish_reason="stop",
        input_tokens=10,
        output_tokens=100,
        cost_nano=1_000,
        complexity="simple",
        key_public_id="made-up",
        request_id=uuid4(),
        created_at=now,
        expires_at=now + 86_400,
    )


async def _search(
    questions: Sequence[tuple[int, Vectors, Vectors]], exact_up_to: int, repeats: int
) -> tuple[list[float], list[bool]]:
    """Ask each question; return the seconds of each search and whether it found the nearest entry.

    The quickest of several repeats tells the search's own time from what neighbours on the machine add.
    """
    database = TenantDatabase(max_size=1)
    await database.open()
    store = PostgresSemanticStore(database, search_seconds=_SECONDS, exact_up_to=exact_up_to)
    seconds, found = [], []
    # The first search of a connection prepares the statement.
    for number, (tenant, values, vectors) in enumerate((questions[0], *questions)):
        vector, best = vector_of(EMBEDDER, values), _SECONDS
        for _ in range(repeats):
            started = time.perf_counter()
            nearest = await store.nearest(FIRST_TENANT + tenant, SCOPE, vector)
            best = min(best, time.perf_counter() - started)
        if number:
            seconds.append(best)
            found.append(bool(nearest) and _is_nearest(nearest[0].neighbour.similarity, values, vectors))
    await database.close()
    return seconds, found


def _is_nearest(similarity: float, values: Vectors, vectors: Vectors) -> bool:
    """Return whether no entry is nearer than this, but for the rounding of stored vectors to 16 bits."""
    return similarity >= float(cast(Any, vectors @ values).max()) - 1e-3


def _clear() -> None:
    """Delete what was made, and the made-up embedder's indexes."""
    sweeps.drop_indexes(EMBEDDER)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM caching_cacheentry WHERE embedder_id = %s", [EMBEDDER])
