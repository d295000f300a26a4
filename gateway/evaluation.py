"""Runs labelled questions through the decision that serves requests, without a service or a database.

Every question is a request of one API key of one tenant with default rules, one user message and no parameters. Vectors are
rounded as the store rounds them, so that similarities are those of a running gateway.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

from caching.cacheability import Cacheability, RequestFacts, judge
from caching.decision import CANDIDATES, Neighbour, Serve, decide
from caching.embedder import Encoded, TextEncoder
from caching.fingerprint import CacheQuestion, fingerprints
from caching.policy import CacheRules
from routing import complexity

_MODEL = "auto"
_KEY = "evaluation"


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A question with all that the decision needs of it."""

    text: str
    exact: bytes
    complexity: str
    cacheability: Cacheability
    vector: npt.NDArray[np.float32] | None
    reason: str | None
    """Why L1 or L2 is left out for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What became of one question."""

    hit: bool
    of: int | None
    """Place of the entry whose answer was served."""
    similarity: float | None
    """To the nearest entry; None if none was looked for."""
    score: float
    """The similarity unless something else than the floor refused: then 0."""
    reason: str | None
    """`exact` for a repeat, None for a semantic hit, else why it was none."""
    seconds: float
    """Spent on the decision: without embedding and search."""


@dataclass
class FirstComeCache:
    """Entries in the order of their questions, found by text and by vector."""

    rules: CacheRules
    _exact: dict[bytes, int] = field(default_factory=dict)
    _places: list[int] = field(default_factory=list)
    _questions: list[Question] = field(default_factory=list)
    _vectors: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))

    def store(self, place: int, question: Question) -> None:
        """Keep the answer to a question, as a miss does."""
