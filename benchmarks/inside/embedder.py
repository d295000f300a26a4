"""How fast the embedder itself is: the same model and settings as the worker's, and nothing around it."""

import time
from collections.abc import Callable
from itertools import islice
from statistics import median

from benchmarks import prompts
from caching.embedder import load_encoder

SINGLES, BATCHES, BATCH = 100, 15, 32


def measure() -> dict[str, float]:
    """Return the median ms for one text alone, and texts/s in batches of 32 (the median batch's)."""
    encoder = load_encoder()
    texts = prompts.rephrased()
    encoder.encode(list(islice(texts, BATCH)))
    singles = [_seconds(encoder.encode, list(islice(texts, 1))) for _ in range(SINGLES)]
    batches = [_seconds(encoder.encode, list(islice(texts, BATCH))) for _ in range(BATCHES)]
    return {"one_ms": 1000 * median(singles), "texts_per_second": BATCH / median(batches)}


def _seconds(encode: Callable[[list[str]], object], texts: list[str]) -> float:
    started = time.perf_counter()
    encode(texts)
    return time.perf_counter() - started
